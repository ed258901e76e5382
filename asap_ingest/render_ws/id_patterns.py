"""Which ids a regular expression of a client is found in, within limited time.

Python's expressions backtrack, with all other threads held up: `(a+)+$` on thirty letters takes minutes. So
what may backtrack is searched for in a process of its own, which can be ended.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from asap_ingest.render_ws.problems import IllegalArgumentError, IllegalStateError

SEARCH_SECONDS = 10.0
#: Without these an expression is compared once at each place of an id.
_CHOICES = frozenset("*+?{|")
_PROGRAM = str(Path(__file__).with_name("id_search_process.py"))


class SlowPatternError(IllegalArgumentError):
    """An expression that could not be searched for in the time allowed."""

    def __init__(self, pattern: str, count: int, seconds: float) -> None:
        super().__init__(
            f"matchPattern {pattern[:200]!r} could not be compared with {count} ids within {seconds:g} "
            "seconds: give one with fewer repetitions and alternatives, or ask for fewer ids by minZ and maxZ"
        )
        self.pattern = pattern
        self.count = count


def ids_with_pattern(ids: Sequence[str], pattern: str, seconds: float = SEARCH_SECONDS) -> list[str]:
    """The ids in which a regular expression is found anywhere, in their order.

    Raises
    ------
    IllegalStateError
        For a text that is no regular expression.
    SlowPatternError
        When the search takes longer than allowed.
    """
    try:
        wanted = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise IllegalStateError(
            f"matchPattern {pattern[:200]!r} is no regular expression: {error}"
        ) from error
    if not _CHOICES.intersection(pattern):
        return [text for text in ids if wanted.search(text)]
    return [ids[place] for place in _places_found(ids, pattern, seconds)]


def _places_found(ids: Sequence[str], pattern: str, seconds: float) -> list[int]:
    # neither site packages nor the caller's folder: it starts in a few hundredths of a second
    command = [sys.executable, "-I", "-S", _PROGRAM]
    try:
        found = subprocess.run(
            command, input=orjson.dumps([pattern, *ids]), capture_output=True, timeout=seconds, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise SlowPatternError(pattern, len(ids), seconds) from error
    places: list[int] = orjson.loads(found.stdout)
    return places
