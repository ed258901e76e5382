"""Which levels of an image are still to be written: told from folder listings, not file by file."""

from __future__ import annotations

from asap_ingest import storage
from asap_ingest.storage.folder_listings import FolderListings


def levels_to_write(
    image_uri: str, level_uris: list[str], listings: FolderListings, since: float = 0.0
) -> tuple[int, ...]:
    """Levels (1 and up) that are not there, older than level 0, or from before `since`.

    All of them where level 0 is not there: the job that looks for it says so.
    """
    source = listings.time(storage.as_uri(image_uri))
    if source is None:
        return tuple(range(1, len(level_uris) + 1))
    oldest = max(source, since)
    written = enumerate(map(listings.time, level_uris), start=1)
    return tuple(level for level, time in written if time is None or time < oldest)
