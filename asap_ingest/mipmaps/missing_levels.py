"""Which levels of an image are still to be written: told from folder listings, not file by file."""

from __future__ import annotations

from urllib.parse import unquote

from asap_ingest import storage


class FolderTimes:
    """When files were last changed, by listing each folder once."""

    def __init__(self) -> None:
        self._times: dict[str, dict[str, float]] = {}

    def of(self, uri: str) -> float | None:
        """Seconds since the epoch; None where nothing lies. `uri` is one that `storage.as_uri` gave."""
        folder, _, name = uri.rpartition("/")
        if folder not in self._times:
            self._times[folder] = storage.names_and_times(folder)
        return self._times[folder].get(unquote(name) if folder.startswith("file:") else name)


def levels_to_write(
    image_uri: str, level_uris: list[str], times: FolderTimes, since: float = 0.0
) -> tuple[int, ...]:
    """Levels (1 and up) that are not there, older than level 0, or from before `since`.

    All of them where level 0 is not there: the job that looks for it says so.
    """
    source = times.of(storage.as_uri(image_uri))
    if source is None:
        return tuple(range(1, len(level_uris) + 1))
    oldest = max(source, since)
    written = enumerate(map(times.of, level_uris), start=1)
    return tuple(level for level, time in written if time is None or time < oldest)
