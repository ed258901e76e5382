"""What headers of a request ask for: a part of a file, a newer version of it, a compressed one."""

from __future__ import annotations

import re
import zlib

_RANGE = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*")
#: No file has so many bytes as a number of more digits says.
_MOST_DIGITS = 18
#: Below this the headers outweigh what is saved.
_LEAST_BYTES = 1024
#: Larger content is not compressed: it would have to be in memory as a whole.
_MOST_BYTES = 64 * 2**20
_PROBE_BYTES = 2048
#: Content whose probe shrinks less costs more time to compress than to send.
_WORTHWHILE = 0.6
_FAST = 1
_GZIP_WINDOW = 31


class RangeNotSatisfiableError(Exception):
    """No byte of what was asked for is there."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length that a `Range` asks for; None for all of it.

    Several ranges, other units and broken headers are left out of account, as the standard allows.

    Raises
    ------
    RangeNotSatisfiableError
    """
    match = _RANGE.fullmatch(header) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    # Python reads no number of thousands of digits
    first, last = (digits if len(digits) <= _MOST_DIGITS else "9" * _MOST_DIGITS for digits in match.groups())
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end or start >= size:
        raise RangeNotSatisfiableError
    return start, end - start


def matching_tag(header: str | None, tags: tuple[str, ...]) -> str | None:
    """The one of a file's tags that `If-None-Match` names."""
    if header is None:
        return None
    if header.strip() == "*":
        return tags[0]
    named = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return next((tag for tag in tags if tag in named), None)


def accepts(header: str | None, encoding: str) -> bool:
    """Whether `Accept-Encoding` allows an encoding: `gzip`, `br` or `zstd`."""
    weights = dict(_weighed(part) for part in (header or "").lower().split(","))
    return weights.get(encoding, weights.get("*", 0.0)) > 0


def _weighed(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    label, _, weight = parameter.replace(" ", "").partition("=")
    try:
        return name.strip(), float(weight) if label == "q" else 1.0
    except ValueError:
        return name.strip(), 0.0


def gzipped_if_worthwhile(content: bytes) -> bytes | None:
    """Content as gzip; None for what hardly shrinks (noise of a microscope), judged by three small parts."""
    if not _LEAST_BYTES <= len(content) <= _MOST_BYTES:
        return None
    middle = len(content) // 2
    parts = (content[:_PROBE_BYTES], content[middle : middle + _PROBE_BYTES], content[-_PROBE_BYTES:])
    if sum(len(zlib.compress(part, _FAST)) for part in parts) > _WORTHWHILE * sum(map(len, parts)):
        return None
    compressor = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP_WINDOW)
    return compressor.compress(content) + compressor.flush()
