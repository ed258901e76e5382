"""Times and sizes of many files from one listing a folder."""

from __future__ import annotations

from urllib.parse import unquote

from asap_ingest import storage

#: Seconds since the epoch of the last change, and bytes: a file with another stamp was written since.
Stamp = tuple[float, int]


class FolderListings:
    """Stamps of files; each folder is listed once and cached."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, Stamp]] = {}

    def stamp(self, uri: str) -> Stamp | None:
        """The stamp of a file given as path or URI; None where there is no such file."""
        folder, _, name = uri.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = storage.names_and_stamps(folder)
        return self._folders[folder].get(unquote(name) if folder.startswith("file:") else name)

    def time(self, uri: str) -> float | None:
        """The time of a file's last change; None where there is no such file."""
        stamp = self.stamp(uri)
        return None if stamp is None else stamp[0]
