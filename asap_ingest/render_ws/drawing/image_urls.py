"""URLs of source images: which file one names, if any.

Forms: those of render-ws 4.0. Texts, and kept, instead of `Path`: a picture of some hundred tiles names
thousands of files.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

_LOCAL_HOST = "//localhost/"
#: URLs, and characters of each: at most 40 MB with their paths.
_URLS_KEPT, _LONGEST_KEPT = 2**14, 1000


def local_path(url: str) -> Path:
    """The path that a URL names: plain, `file:/path`, `file:///path`, `file://localhost/path`."""
    return Path(path_in(url))


def looked_for(url: str) -> str | None:
    """The path of a file that is looked for before drawing, None for a URL of another kind."""
    return path_in(url) if _scheme(url) in ("", "file") else None


def path_in(url: str) -> str:
    """`local_path` as text; IllegalArgumentError for a URL that names no file."""
    return _kept_path_in(url) if len(url) <= _LONGEST_KEPT else _path_in(url)


def _path_in(url: str) -> str:
    if " " in url:
        raise IllegalArgumentError(f"image URL '{url}' holds a blank; write %20")
    scheme = _scheme(url)
    if scheme not in ("", "file"):
        raise IllegalArgumentError(f"images are read from files only, not from '{url}'")
    rest = url[len("file:") :] if scheme else url
    if scheme and "?" in rest:
        raise IllegalArgumentError(f"image URL '{url}' names a file but has a query")
    if rest.startswith(_LOCAL_HOST):
        rest = rest[len(_LOCAL_HOST) - 1 :]
    path = rest.removeprefix("//") if rest.startswith("///") else rest
    if "%" in path:
        path = unquote(path)
    if "\0" in path:
        raise IllegalArgumentError(f"image URL {url!r} holds a zero byte")
    return path if path and not path.endswith(("/", "/.")) else str(Path(path))


_kept_path_in = lru_cache(maxsize=_URLS_KEPT)(_path_in)


def _scheme(url: str) -> str:
    """What stands before the colon, in lower case; empty for a plain path."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon and "/" not in scheme else ""
