"""Where the levels of images are stored, and which of them exist. No other module knows the rule.

It is that of render's `mipmapPathBuilder`: `<root>/<n>/<level-0 path>.<extension>`. The step that writes
levels and the step that registers them both call `Levels.uris`.

Slices of a TIFF stack are stored as if the stack were a folder of images. They have a folder of their own, so
that they cannot collide with other images: `<root>/slices/<n>/<level-0 path>/<slice>.<extension>`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote_from_bytes

from asap_ingest import storage
from asap_ingest.storage.folder_listings import FolderListings

#: Values of `imgformat`, and the extension that each writes.
EXTENSIONS = {"tiff": "tif", "tif": "tif", "png": "png", "jpg": "jpg", "jpeg": "jpg"}

# below the root; the other folders there are numbers
_SLICES = "slices"
# names that need no percent-encoding: nearly all
_PLAIN_NAME = re.compile(r"[\w~-][\w.~-]*", re.ASCII).fullmatch


@dataclass(frozen=True)
class Levels:
    """Levels 1 to `count` of images.

    Attributes
    ----------
    root : str
        Folder of the pyramids: a path or URI, kept as a URI.
    extension : str
        A value of `EXTENSIONS`; appended to the name of level 0, which keeps its own.
    """

    root: str
    extension: str
    count: int

    def __post_init__(self) -> None:
        # with a name below it, any root becomes a URI without a slash at its end
        uri = storage.as_uri(storage.join(self.root, "0"))
        object.__setattr__(self, "root", uri.removesuffix("/0"))

    def uris(self, image_uri: str, slice_number: int | None = None, *, is_mask: bool = False) -> list[str]:
        """The URIs of levels 1, 2, ... of an image.

        Parameters
        ----------
        image_uri : str
            Level 0, a path or URI; `file:` URIs are percent-decoded.
        slice_number : int, optional
            Of a TIFF stack, counted from 1.
        is_mask : bool
            Masks are PNG beside JPEG images: JPEG would blur their edges.

        Returns
        -------
        list of str
            `file:///root/1/data/a.tif.png` for `/data/a.tif`; the bucket is the first folder of an
            `s3://bucket/key` image.
        """
        root, extension = self.root, self.extension
        if slice_number is not None:
            root, image_uri = f"{root}/{_SLICES}", f"{image_uri}/{slice_number}"
        if is_mask and extension == "jpg":
            extension = "png"
        is_local = root.startswith("file:")
        folder, _, name = image_uri.rpartition("/")
        is_absolute = folder.startswith("/") or ":" in folder
        if is_absolute and not folder.endswith("/") and _PLAIN_NAME(name):
            below = f"{_folder_below_root(folder, is_local)}/{name}".lstrip("/")
        else:
            below = _below_root(image_uri, is_local)
        return [f"{root}/{level}/{below}.{extension}" for level in range(1, self.count + 1)]


def _below_root(uri: str, is_local: bool) -> str:
    """A level-0 path, without its leading slash, as URIs below a local or remote root contain it.

    `..` is resolved, so that no level lies outside of the root.
    """
    local = storage.local_path(uri)
    # not split as a URL: in keys of object stores # and ? stand for themselves
    path = os.path.normpath("/" + uri.partition(":")[2]) if local is None else str(local)
    path = path.lstrip("/")
    return quote_from_bytes(os.fsencode(path)) if is_local else path


# the tiles of a section share a few folders
_folder_below_root = lru_cache(maxsize=1024)(_below_root)


def levels_to_write(
    image_uri: str, level_uris: Sequence[str], listings: FolderListings, since: float = 0.0
) -> tuple[int, ...]:
    """The levels, 1 and up, that do not exist or are older than level 0 or `since` (seconds since the epoch).

    All levels if level 0 does not exist: the job that reads it reports the failure.
    """
    source = listings.time(storage.as_uri(image_uri))
    if source is None:
        return tuple(range(1, len(level_uris) + 1))
    outdated_before = max(source, since)
    times = enumerate(map(listings.time, level_uris), start=1)
    return tuple(level for level, time in times if time is None or time < outdated_before)
