"""One request for a file of a volume -> status, headers and bytes; runs in a thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from asap_ingest.precomputed.serving.http_headers import (
    RangeNotSatisfiableError,
    accepts_gzip,
    byte_range,
    gzipped_if_worthwhile,
    matching_tag,
)
from asap_ingest.precomputed.serving.served_files import (
    PIECE_BYTES,
    DamagedFileError,
    FilePart,
    FileState,
    VolumeFiles,
    check_size,
    read,
)
from asap_ingest.precomputed.serving.served_names import ServedFile
from asap_ingest.precomputed.serving.served_volume import ServedVolume

#: A volume may be made again under its address: browsers keep chunks, but ask whether they still hold.
_CACHE_CONTROL = "no-cache"
_log = logging.getLogger(__name__)


@dataclass
class Answer:
    """What goes back; `rest` follows the body, and must be closed."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    rest: FilePart | None = None


@dataclass(frozen=True)
class Asked:
    """What a request says besides a file's name."""

    headers: Mapping[str, str] = field(default_factory=dict)
    is_head: bool = False


def text_answer(status: int, text: str) -> Answer:
    """A message for people."""
    return Answer(
        status,
        {
            "content-type": "text/plain; charset=utf-8",
            "content-length": str(len(text.encode())),
            "cache-control": "no-store",
        },
        text.encode(),
    )


class VolumeAnswers:
    """Answers for the files of one volume."""

    def __init__(self, volume: ServedVolume) -> None:
        self._names = volume.names
        self._files = VolumeFiles(volume.root)
        self._reported: set[tuple[str, str]] = set()

    def answer(self, name: str, asked: Asked) -> Answer:
        """The answer for a name: 404 when the volume has no such file or it was not written."""
        served = self._names.find(name)
        if served is None:
            return text_answer(404, "the volume has no file of that name")
        try:
            state = self._files.open(served.path)
        except (FileNotFoundError, NotADirectoryError):
            return text_answer(404, f"{served.path} is not there")
        except OSError as error:
            return self._report(served.path, "", f"{served.path} cannot be read: {error.strerror}")
        try:
            return self._of_file(served, state, asked)
        except DamagedFileError as error:
            return self._report(served.path, state.version, str(error))
        finally:
            os.close(state.descriptor)

    def _report(self, path: str, version: str, problem: str) -> Answer:
        """500, which viewers do not ask again for; it is logged once."""
        if (path, version) not in self._reported:
            self._reported.add((path, version))
            _log.error("%s", problem)
        return text_answer(500, problem)

    def _of_file(self, served: ServedFile, state: FileState, asked: Asked) -> Answer:
        check_size(served, state)
        tag, gzip_tag = f'"{state.version}"', f'"{state.version}-gz"'
        headers = {"etag": tag, "cache-control": _CACHE_CONTROL, "vary": "accept-encoding"}
        same = matching_tag(asked.headers.get("if-none-match"), (tag, gzip_tag))
        if same:
            return Answer(304, headers | {"etag": same})
        headers |= {"content-type": served.media_type, "accept-ranges": "bytes"}
        decoded = self._files.samples(served, state) if served.is_tiff else None
        size = state.size if decoded is None else len(decoded)
        try:
            part = byte_range(_range_header(asked, tag), size)
        except RangeNotSatisfiableError:
            refusal = text_answer(416, f"{served.path} has {size} bytes")
            return replace(refusal, headers=refusal.headers | {"content-range": f"bytes */{size}"})
        start, length = part or (0, size)
        headers["content-length"] = str(length)
        if part:
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
        status = 206 if part else 200
        if decoded is None and length > PIECE_BYTES:
            return Answer(status, headers, rest=None if asked.is_head else FilePart(state, start, length))
        body = read(state, start, length) if decoded is None else decoded[start : start + length]
        answer = Answer(status, headers, body)
        if served.may_shrink and part is None and accepts_gzip(asked.headers.get("accept-encoding")):
            return _shrunk(answer, gzip_tag)
        return answer


def _range_header(asked: Asked, tag: str) -> str | None:
    """What part is asked for; all, when the client holds a part of an older file."""
    if asked.headers.get("if-range", tag) != tag:
        return None
    return asked.headers.get("range")


def _shrunk(answer: Answer, tag: str) -> Answer:
    content = gzipped_if_worthwhile(answer.body)
    if content is None:
        return answer
    headers = answer.headers | {
        "content-encoding": "gzip",
        "content-length": str(len(content)),
        "etag": tag,
    }
    return Answer(answer.status, headers, content)
