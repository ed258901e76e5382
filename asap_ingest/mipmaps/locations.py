"""Where level n of an image lies: the one place that knows it.

The rule is that of render's `mipmapPathBuilder`: `<root>/<n>/<level-0 path>.<extension>`. The
step that writes levels and the step that registers them both call `mipmap_uri`.
"""

from __future__ import annotations

import os.path
from urllib.parse import urlsplit

from asap_ingest import storage

#: What `imgformat` may say, and the extension that it writes.
EXTENSIONS = {"tiff": "tif", "tif": "tif", "png": "png", "jpg": "jpg", "jpeg": "jpg"}


def mipmap_uri(root: str, image_uri: str, level: int, extension: str) -> str:
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

    Returns
    -------
    str
        `file:///root/1/data/a.tif.png` for `/data/a.tif`; the bucket is the first folder of an
        `s3://bucket/key` image.
    """
    return storage.as_uri(storage.join(root, str(level), f"{_path_of(image_uri)}.{extension}"))


def mask_extension(extension: str) -> str:
    """The extension of a mask's levels: JPEG would blur what is kept and what is not."""
    return "png" if extension == "jpg" else extension


def _path_of(image_uri: str) -> str:
    """The level-0 path without its leading slash; `..` is resolved, so nothing leaves the root."""
    path = storage.local_path(image_uri)
    if path is not None:
        return str(path).lstrip("/")
    parts = urlsplit(image_uri)
    return os.path.normpath(f"/{parts.netloc}/{parts.path}").lstrip("/")
