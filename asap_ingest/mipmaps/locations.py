"""Where level n of an image lies: the one place that knows it.

The rule is that of render's `mipmapPathBuilder`: `<root>/<n>/<level-0 path>.<extension>`. The
step that writes levels and the step that registers them both call `mipmap_uri`.

Slices of a TIFF stack lie as if the stack were a folder of images, below a folder of their own, so that
no other image can have their place: `<root>/slices/<n>/<level-0 path>/<slice>.<extension>`.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from urllib.parse import quote_from_bytes

from asap_ingest import storage

#: What `imgformat` may say, and the extension that it writes.
EXTENSIONS = {"tiff": "tif", "tif": "tif", "png": "png", "jpg": "jpg", "jpeg": "jpg"}

# Below the root; the other folders there are numbers.
_SLICES = "slices"

# Folders and names of local files that stay as they are when they are made absolute and percent-encoded:
# nearly all there are.
_PLAIN_FOLDER = re.compile(r"(?:file://)?((?:/[\w~-][\w.~-]*)*)", re.ASCII).fullmatch
_PLAIN_NAME = re.compile(r"[\w~-][\w.~-]*", re.ASCII).fullmatch


def mipmap_uri(root: str, image_uri: str, level: int, extension: str, slice_number: int | None = None) -> str:
    """The URI of a level of an image.

    Parameters
    ----------
    root : str
        Folder of the pyramids, a path or URI.
    image_uri : str
        Level 0, a path or URI; `file:` URIs are percent-decoded.
    level : int
        1 and up.
    extension : str
        A value of `EXTENSIONS`; appended to the name, which keeps its own.
    slice_number : int, optional
        Of a TIFF stack, counted from 1.

    Returns
    -------
    str
        `file:///root/1/data/a.tif.png` for `/data/a.tif`; the bucket is the first folder of an
        `s3://bucket/key` image.
    """
    root, image_uri = _place(root, image_uri, slice_number)
    base, name = _base(root), _name_below(root, image_uri)
    return f"{base}{level}/{name}.{extension}"


def level_uris(
    root: str, image_uri: str, levels: int, extension: str, slice_number: int | None = None
) -> list[str]:
    """The URIs of levels 1 to `levels` of an image: `mipmap_uri` of each, fast for thousands of images."""
    root, image_uri = _place(root, image_uri, slice_number)
    folder, slash, name = image_uri.rpartition("/")
    level_folders = _level_folders(root, folder, levels) if slash and _PLAIN_NAME(name) else None
    if level_folders is None:
        return [mipmap_uri(root, image_uri, level, extension) for level in range(1, levels + 1)]
    name = f"{name}.{extension}"
    return [level_folder + name for level_folder in level_folders]


def _place(root: str, image_uri: str, slice_number: int | None) -> tuple[str, str]:
    """Root and name of what is placed like an image."""
    if slice_number is None:
        return root, image_uri
    return storage.join(root, _SLICES), f"{image_uri}/{slice_number}"


def mask_extension(extension: str) -> str:
    """The extension of a mask's levels: JPEG would blur what is kept and what is not."""
    return "png" if extension == "jpg" else extension


@lru_cache(maxsize=1024)
def _level_folders(root: str, image_folder: str, levels: int) -> list[str] | None:
    """Where levels 1 to n of all images of a folder lie; None where that takes more than joining text."""
    plain = _PLAIN_FOLDER(image_folder)
    if plain is None or not (root.startswith("/") or "://" in root):  # a relative root moves
        return None
    return [f"{_base(root)}{level}{plain[1]}/" for level in range(1, levels + 1)]


def _base(root: str) -> str:
    """The root's URI with a slash."""
    return storage.as_uri(storage.join(root, "0"))[:-1]


def _name_below(root: str, image_uri: str) -> str:
    """The level-0 path as it stands in URIs below the root."""
    path = _path_of(image_uri)
    return path if storage.local_path(root) is None else quote_from_bytes(os.fsencode(path))


def _path_of(image_uri: str) -> str:
    """The level-0 path without its leading slash; `..` is resolved, so nothing leaves the root."""
    path = storage.local_path(image_uri)
    if path is not None:
        return str(path).lstrip("/")
    # not split as a URL: in keys of object stores # and ? stand for themselves
    return os.path.normpath("/" + image_uri.partition(":")[2]).lstrip("/")
