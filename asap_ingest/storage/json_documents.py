"""JSON as people and programs hand it in: what is nested too deeply to be worked on is refused at once."""

from __future__ import annotations

import json
from typing import Any

#: Levels of lists and objects in one another; what is documented has less than ten.
MOST_LEVELS = 100


def parse_json(content: bytes | str) -> Any:
    """The value of a document, with NaN and infinities as JavaScript spells them.

    Raises
    ------
    ValueError
        It is not JSON, not UTF-8 (or 16, 32), or nested more than `MOST_LEVELS` deep.
    """
    try:
        document = json.loads(content)
    except RecursionError:
        raise _too_deep() from None
    values, levels = [document], 0
    while values := [inner for value in values if isinstance(value, dict | list) for inner in _inside(value)]:
        levels += 1
        if levels > MOST_LEVELS:
            raise _too_deep()
    return document


def _inside(value: dict[str, Any] | list[Any]) -> Any:
    return value.values() if isinstance(value, dict) else value


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {MOST_LEVELS} levels deep")
