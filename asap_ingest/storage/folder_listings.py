"""Which files exist, with their times and sizes, from one listing of each folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import unquote

from asap_ingest import storage

#: Time of the last change, in seconds since the epoch, and size in bytes. Another stamp: a changed file.
Stamp = tuple[float, int]


class FolderListings:
    """Listings of folders, each made once and cached; no file is looked up by itself.

    Parameters
    ----------
    names_only : bool
        Names without stamps: listing them is faster.
    """

    def __init__(self, names_only: bool = False) -> None:
        self._names_only = names_only
        self._folders: dict[str, Collection[str]] = {}
        self._previous: dict[str, Collection[str]] = {}

    def start_section(self) -> None:
        """Keep listings that the previous section used, drop older ones: memory is that of two sections."""
        self._previous, self._folders = self._folders, {}

    def stamp(self, uri: str) -> Stamp | None:
        """The stamp of a file given as path or URI; None where there is no such file."""
        names, name = self._listing(uri)
        assert isinstance(names, dict)
        return names.get(name)

    def time(self, uri: str) -> float | None:
        """The time of a file's last change; None where there is no such file."""
        stamp = self.stamp(uri)
        return None if stamp is None else stamp[0]

    def missing(self, uris: Iterable[str]) -> list[str]:
        """Those of the files that do not exist."""
        missing = []
        for uri in uris:
            folder, _, name = uri.rpartition("/")
            names = self._folders.get(folder)
            if names is None or "%" in name:  # else, as for most files, one look-up is enough
                names, name = self._listing(uri)
            if name not in names:
                missing.append(uri)
        return missing

    def _listing(self, uri: str) -> tuple[Collection[str], str]:
        """The folder of a file, and the file's name in it."""
        folder, _, name = uri.rpartition("/")
        if "%" in name and folder.startswith("file:"):
            name = unquote(name)
        names = self._folders.get(folder)
        if names is None:
            names = self._previous.get(folder, ())
            if name not in names:  # it may have been written since the previous section was listed
                names = (
                    storage.file_names_in(folder) if self._names_only else storage.names_and_stamps(folder)
                )
            self._folders[folder] = names
        return names, name
