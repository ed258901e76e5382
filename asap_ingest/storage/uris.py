"""How files are named: paths, `file:` URIs, URIs of other schemes. No input or output."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote


def local_path(uri: str) -> Path | None:
    """The local file that a path or `file:` URI names, made absolute; None for other schemes."""
    scheme, separator, rest = uri.partition(":")
    if not separator or "/" in scheme or not scheme.isalnum():
        return Path(os.path.abspath(uri))  # noqa: PTH100 - lexical: symlinks keep their names
    if scheme.lower() != "file":
        return None
    path = rest[2:].partition("/")[2] if rest.startswith("//") else rest
    return Path(os.path.abspath(unquote("/" + path.lstrip("/"))))  # noqa: PTH100


def as_uri(path_or_uri: str) -> str:
    """The URI of a path (`file:///...`, percent-encoded); URIs of other schemes stay as they are."""
    path = local_path(path_or_uri)
    return path_or_uri if path is None else path.as_uri()


def join(root: str, *names: str) -> str:
    """Names below a folder given as path or URI; the answer has the root's form."""
    path = root if local_path(root) is None else str(local_path(root))
    return "/".join([path.rstrip("/"), *names])


def parent(uri: str) -> str:
    """The folder of a file given as path or URI."""
    path = local_path(uri)
    return uri.rpartition("/")[0] if path is None else str(path.parent)
