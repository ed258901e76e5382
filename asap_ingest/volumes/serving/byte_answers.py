"""Responses to requests for files of a volume, with ranges, tags and compression.

Starlette's `FileResponse` does not fit: often the decoded samples are sent instead of the file. A file stays
open from the check of its version to the last byte, so that parts of two files are never mixed.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Mapping
from functools import lru_cache

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from asap_ingest.volumes.serving.served_volume import ServedFile, ServedVolume
from asap_ingest.volumes.serving.stored_files import (
    PIECE_BYTES,
    DamagedFileError,
    StoredFile,
    check_size,
    open_stored,
    plain_content,
)

#: A volume may be written again under its address: browsers keep chunks, but revalidate them.
_CACHE_CONTROL = "no-cache"
_RANGE = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*")
#: Sizes of content that is compressed: below, headers outweigh the saving; above, it takes too much memory.
_LEAST_BYTES, _MOST_BYTES = 1024, 64 * 2**20
_PROBE_BYTES = 2048
#: Content of which more than this share remains takes longer to compress than to send.
_WORTHWHILE = 0.6
#: Parameters of zlib: its fastest level, and its window with the header of gzip.
_FAST, _GZIP_WINDOW = 1, 31
_log = logging.getLogger(__name__)


def message_answer(status: int, text: str, **headers: str) -> Response:
    """A message for people, which is not cached."""
    return PlainTextResponse(text, status, {"cache-control": "no-store", **headers})


def answer(volume: ServedVolume, path: str, headers: Mapping[str, str], is_head: bool = False) -> Response:
    """The response for a path: 404 if the volume can have no such file, or does not have it.

    A damaged file gives 500, upon which viewers do not try again; it is logged once.
    """
    served = volume.find(path)
    if served is None:
        return message_answer(404, "the volume has no file of that name")
    response: Response | None = None
    try:
        stored = open_stored(volume.root, served)
    except FileNotFoundError:
        return message_answer(404, f"{served.path} does not exist")
    except DamagedFileError as error:
        return _damaged(volume, "", error)
    try:
        response = _of_file(served, stored, headers, is_head)
    except DamagedFileError as error:
        response = _damaged(volume, stored.version, error)
    finally:
        # a response in pieces closes the file itself
        if not isinstance(response, _InPieces):
            stored.file.close()
    return response


def _damaged(volume: ServedVolume, version: str, error: DamagedFileError) -> Response:
    _log_once(str(error), f"{volume.root} {version}")
    return message_answer(500, str(error))


@lru_cache(maxsize=1024)
def _log_once(problem: str, of_file: str) -> None:
    _log.error("%s", problem)


class _InPieces(StreamingResponse):
    """A part of a large file, which is closed at the end, also when the client disconnects before."""

    def __init__(
        self, stored: StoredFile, start: int, length: int, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(stored.pieces(start, length), status, headers)
        self._file = stored.file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)


def _of_file(served: ServedFile, stored: StoredFile, request: Mapping[str, str], is_head: bool) -> Response:
    """The response for a file that is open; `request` has the headers."""
    version = "-".join((stored.version, *served.left_out))
    tag = f'"{version}"'
    headers = {"etag": tag, "cache-control": _CACHE_CONTROL, "vary": "accept-encoding"}
    known_tag = matching_tag(request.get("if-none-match", ""), version)
    if known_tag:
        return Response(status_code=304, headers=headers | {"etag": known_tag})
    headers |= {"content-type": served.folder.media_type, "accept-ranges": "bytes"}
    range_header = request.get("range") if request.get("if-range", tag) == tag else None
    accepted = request.get("accept-encoding")
    if stored.encoding and not served.left_out and not range_header and accepts(accepted, stored.encoding):
        return _packed(stored.file.read(), stored.encoding, version, headers)
    content, size = None, stored.size
    if size > PIECE_BYTES and not (stored.suffix or served.left_out):
        check_size(served, stored.path, size)
    else:
        content = plain_content(served, stored)
        size = len(content)
    part = byte_range(range_header, size)
    if part is None:
        status, start, length = 200, 0, size
        if content is not None and served.folder.compressible and accepts(accepted, "gzip"):
            packed = gzipped_if_worthwhile(content)
            if packed is not None:
                return _packed(packed, "gzip", version, headers)
    else:
        status, (start, length) = 206, part
        if length <= 0:
            problem = f"{served.path} has {size} bytes"
            return message_answer(416, problem, **{"content-range": f"bytes */{size}"})
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
    headers["content-length"] = str(length)
    if content is not None:
        return Response(content[start : start + length], status, headers)
    return Response(None, status, headers) if is_head else _InPieces(stored, start, length, status, headers)


def _packed(content: bytes, encoding: str, version: str, headers: Mapping[str, str]) -> Response:
    """A response with encoded content; each encoding has a tag of its own."""
    return Response(
        content, headers={**headers, "content-encoding": encoding, "etag": f'"{version}-{encoding}"'}
    )


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of the part that `Range` names; None for the whole.

    The length is not above 0 if the part has no byte of the file. Several ranges, other units and broken
    headers are ignored, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    # as float, because Python refuses to read whole numbers of thousands of digits
    first, last = (float(digits) if digits else None for digits in match.groups())
    if first is None:
        start = max(size - (last or 0.0), 0.0)
        return int(start), size - int(start)
    if last is not None and last < first:
        return None
    start = min(first, float(size))
    return int(start), int(size if last is None else min(last + 1, size)) - int(start)


def matching_tag(header: str, version: str) -> str | None:
    """The tag of a version, in any encoding, that `If-None-Match` names; None if it names another or none."""
    tags = [f'"{version}{end}"' for end in ("", "-gzip", "-br", "-zstd")]
    if header.strip() == "*":
        return tags[0]
    named = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return next((tag for tag in tags if tag in named), None)


def accepts(header: str | None, encoding: str) -> bool:
    """Whether `Accept-Encoding` allows an encoding: `gzip`, `br` or `zstd`."""
    weights = {}
    for part in (header or "").lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = parameter.replace(" ", "") or "q=1"
    weight = weights.get(encoding, weights.get("*", "q=0"))
    # all that RFC 9110 allows for a weight above zero
    return re.fullmatch(r"q=(1(\.0*)?|0\.[0-9]*[1-9][0-9]*)", weight) is not None


def gzipped_if_worthwhile(content: bytes) -> bytes | None:
    """Content as gzip; None for what hardly shrinks, such as noise, judged by three small parts."""
    if not _LEAST_BYTES <= len(content) <= _MOST_BYTES:
        return None
    middle = len(content) // 2
    parts = (content[:_PROBE_BYTES], content[middle : middle + _PROBE_BYTES], content[-_PROBE_BYTES:])
    if sum(len(zlib.compress(part, _FAST)) for part in parts) > _WORTHWHILE * sum(map(len, parts)):
        return None
    return zlib.compress(content, _FAST, _GZIP_WINDOW)
