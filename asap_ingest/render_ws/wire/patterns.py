"""Regular expressions of clients, matched in linear time.

RE2 does not backtrack: `(a+)+$` takes as long as `a+$`, it releases the GIL, and limits the memory of an
expression. It refuses what needs backtracking (lookarounds, back references, possessive quantifiers); this
module also refuses what RE2 interprets differently from Java.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import re2

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

LONGEST_PATTERN = 2000
#: As long as a path can be; the largest expression takes half a second for it.
LONGEST_TEXT = 4096
#: Time limit of a search: a fixed part, and twice the usual time for each id.
SEARCH_SECONDS = 2.0
SECONDS_PER_ID = 1e-5
#: Compiling the largest expression that fits takes 0.2 s while it holds the GIL.
EXPRESSION_BYTES = 2**17
OPTIONS = re2.Options()
OPTIONS.max_mem = EXPRESSION_BYTES
OPTIONS.log_errors = False
#: Quoted text, an escape, or a class; `java` is syntax within a class that has another meaning in Java.
_PARTS = re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\."
    r"|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\\[&]|&(?!&))*(?P<java>\[|&&)?",
    re.DOTALL,
)
#: Beginnings of RE2's messages about syntax that is invalid in any engine.
_BROKEN = ("missing ", "unexpected ", "no argument ", "trailing ")


class PatternError(IllegalArgumentError):
    """An expression that cannot be used, or not on long text; the message names it."""

    def __init__(self, name: str, pattern: str, reason: str) -> None:
        super().__init__(f"{name} {pattern[:200]!r} {reason}")


class BrokenPatternError(PatternError):
    """A text that is not a regular expression in any engine."""


def groups_of_whole(name: str, pattern: str, text: str) -> tuple[str | None, ...] | None:
    """The groups of an expression that matches a text from end to end; None where it does not.

    Raises
    ------
    PatternError
        `name` is what the client calls the expression.
    """
    expression = _compiled(name, pattern)
    _check_length(name, pattern, text)
    match = expression.fullmatch(text)
    return None if match is None else match.groups()


def texts_with_pattern(
    name: str, pattern: str, texts: Sequence[str], seconds: float = SEARCH_SECONDS
) -> list[str]:
    """The texts that contain a match of an expression, in their order.

    Raises
    ------
    PatternError
        Also when the search takes longer than allowed; `name` is what the client calls the expression.
    """
    expression = _compiled(name, pattern)
    end = time.monotonic() + seconds + SECONDS_PER_ID * len(texts)
    matching = []
    for text in texts:
        _check_length(name, pattern, text)
        if time.monotonic() > end:
            reason = f"takes too long on {len(texts)} ids: ask for fewer by minZ, maxZ"
            raise PatternError(name, pattern, reason)
        if expression.search(text):
            matching.append(text)
    return matching


def _compiled(name: str, pattern: str) -> Any:
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(name, pattern, f"has {len(pattern)} characters, {LONGEST_PATTERN} are allowed")
    syntax = next((part["java"] for part in _PARTS.finditer(pattern) if part["java"]), None)
    if syntax is not None:
        raise PatternError(name, pattern, f"cannot be used: {syntax} within a class, without \\ before it")
    try:
        return re2.compile(pattern, OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")[:100]
        if reason.startswith(_BROKEN):
            raise BrokenPatternError(name, pattern, f"is not a regular expression: {reason}") from error
        raise PatternError(
            name,
            pattern,
            f"cannot be used: {reason} (as RE2: no lookarounds, back references, possessive quantifiers)",
        ) from error


def _check_length(name: str, pattern: str, text: str) -> None:
    if len(text) > LONGEST_TEXT:
        reason = f"is compared with {LONGEST_TEXT} characters at most, not with {text[:80]!r}..."
        raise PatternError(name, pattern, reason)
