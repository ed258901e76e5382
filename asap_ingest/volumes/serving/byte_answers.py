"""One request for a file of a volume -> a response; runs in a thread."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from functools import lru_cache

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from asap_ingest.volumes.serving.http_headers import (
    RangeNotSatisfiableError,
    accepts,
    byte_range,
    gzipped_if_worthwhile,
    matching_tag,
)
from asap_ingest.volumes.serving.served_volume import ServedFile, ServedVolume
from asap_ingest.volumes.serving.stored_files import (
    PIECE_BYTES,
    DamagedFileError,
    StoredFile,
    check_size,
    open_stored,
    plain_content,
)

#: A volume may be made again under its address: browsers keep chunks, but ask whether they still hold.
_CACHE_CONTROL = "no-cache"
_log = logging.getLogger(__name__)


def text_answer(status: int, text: str, **headers: str) -> Response:
    """A message for people."""
    return PlainTextResponse(text, status, {"cache-control": "no-store", **headers})


def answer(volume: ServedVolume, path: str, headers: Mapping[str, str], is_head: bool = False) -> Response:
    """The answer for a path: 404 when the volume has no such file or it was not written.

    A damaged file is 500, which viewers do not ask again for; it is logged once.
    """
    served = volume.find(path)
    if served is None:
        return text_answer(404, "the volume has no file of that name")
    try:
        stored = open_stored(volume.root, served.path)
    except FileNotFoundError:
        return text_answer(404, f"{served.path} is not there")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return text_answer(404, "no file has so long a name")
        problem = f"{served.path} cannot be read: {error.strerror}"
        _log_once(problem, f"{volume.root}")
        return text_answer(500, problem)
    response: Response | None = None
    try:
        response = _of_file(served, stored, headers, is_head)
    except DamagedFileError as error:
        _log_once(str(error), f"{volume.root} {stored.version}")
        return text_answer(500, str(error))
    finally:
        # one that is sent in pieces is closed at its end
        if not isinstance(response, _InPieces):
            stored.file.close()
    return response


@lru_cache(maxsize=1024)
def _log_once(problem: str, of_file: str) -> None:
    _log.error("%s", problem)


class _InPieces(StreamingResponse):
    """A part of a large file, which is closed at the end, also when the client leaves before."""

    def __init__(
        self, stored: StoredFile, start: int, length: int, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(stored.pieces(start, length), status, headers)
        self._file = stored.file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _of_file(served: ServedFile, stored: StoredFile, asked: Mapping[str, str], is_head: bool) -> Response:
    version = "-".join((stored.version, *served.left_out))
    # each encoding of a file has a tag of its own
    tag, *packed_tags = (f'"{version}{end}"' for end in ("", "-gzip", "-br", "-zstd"))
    headers = {"etag": tag, "cache-control": _CACHE_CONTROL, "vary": "accept-encoding"}
    same = matching_tag(asked.get("if-none-match"), (tag, *packed_tags))
    if same:
        return Response(status_code=304, headers=headers | {"etag": same})
    headers |= {"content-type": served.media_type, "accept-ranges": "bytes"}
    range_header = asked.get("range") if asked.get("if-range", tag) == tag else None
    accepted = asked.get("accept-encoding")
    is_as_it_lies = not (served.is_tiff or served.left_out or range_header)
    if stored.encoding and is_as_it_lies and accepts(accepted, stored.encoding):
        return _packed(stored.read(), stored.encoding, version, headers)
    content = None
    if stored.size > PIECE_BYTES and not (stored.encoding or served.is_tiff or served.left_out):
        check_size(served, stored.path, stored.size)
    else:
        content = plain_content(served, stored)
    size = stored.size if content is None else len(content)
    try:
        part = byte_range(range_header, size)
    except RangeNotSatisfiableError:
        return text_answer(416, f"{served.path} has {size} bytes", **{"content-range": f"bytes */{size}"})
    start, length = part or (0, size)
    headers["content-length"] = str(length)
    if part:
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 206 if part else 200
    if content is None:
        pieces = _InPieces(stored, start, length, status, headers)
        return Response(None, status, headers) if is_head else pieces
    packed = None
    if part is None and served.may_shrink and accepts(accepted, "gzip"):
        packed = gzipped_if_worthwhile(content)
    if packed is not None:
        return _packed(packed, "gzip", version, headers)
    return Response(content[start : start + length], status, headers)


def _packed(content: bytes, encoding: str, version: str, headers: Mapping[str, str]) -> Response:
    """Content in an encoding, with a tag of its own."""
    changed = {
        "content-encoding": encoding,
        "etag": f'"{version}-{encoding}"',
        "content-length": str(len(content)),
    }
    return Response(content, headers={**headers, **changed})
