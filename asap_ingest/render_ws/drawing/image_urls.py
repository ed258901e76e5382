"""URLs of source images: the paths of the files that they name.

Forms of URLs: those of render-ws 4.0. Paths are texts, and cached: a picture may have thousands of files, for
which `Path` is slow.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

_LOCAL_HOST = "//localhost/"
#: URLs in the cache, and characters of each: at most 40 MB with their paths.
_CACHED_URLS, _LONGEST_CACHED = 2**14, 1000


def local_file_or_none(url: str) -> str | None:
    """The path that a URL names, as `local_path`; None for a URL of another scheme than `file`."""
    return local_path(url) if _scheme(url) in ("", "file") else None


def local_path(url: str) -> str:
    """The path that a URL names: a plain path, `file:/path`, `file:///path` or `file://localhost/path`.

    Raises
    ------
    IllegalArgumentError
        For a URL of another scheme, or a malformed one.
    """
    return _cached_path(url) if len(url) <= _LONGEST_CACHED else _path(url)


def _path(url: str) -> str:
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


_cached_path = lru_cache(maxsize=_CACHED_URLS)(_path)


def _scheme(url: str) -> str:
    """The part before the colon, in lower case; empty for a plain path."""
    scheme, colon, _ = url.partition(":")
    return scheme.lower() if colon and "/" not in scheme else ""
