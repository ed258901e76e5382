"""Regular expressions of clients: found as Python finds them, and never for longer than allowed."""

from __future__ import annotations

import threading
import time

import pytest

from asap_ingest.render_ws.id_patterns import SlowPatternError, ids_with_pattern
from asap_ingest.render_ws.problems import IllegalStateError

IDS = ["t.10", 't."9"', "Zürich", "t.9", "a\nb", ""]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("t", ["t.10", 't."9"', "t.9"]),
        ("^t[.]", ["t.10", 't."9"', "t.9"]),
        ("9$", ["t.9"]),
        ('"', ['t."9"']),
        ("ü", ["Zürich"]),
        ("ü.*h$", ["Zürich"]),
        ("^t.*9", ['t."9"', "t.9"]),
        ("^(?i:z)|b$", ["Zürich", "a\nb"]),
        ("x*", IDS),
        ("none", []),
        ("no+ne", []),
    ],
)
def test_ids_keep_their_order(pattern: str, found: list[str]) -> None:
    assert ids_with_pattern(IDS, pattern) == found


@pytest.mark.parametrize("pattern", ["(", "a**", "[z-a]", "(?P<x", "(" * 5000])
def test_what_is_no_expression_is_named(pattern: str) -> None:
    with pytest.raises(IllegalStateError) as caught:
        ids_with_pattern(IDS, pattern)
    assert repr(pattern[:200]) in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)" * 40 + "$", "a?" * 40 + "a" * 40 + "c"])
def test_a_search_without_end_is_given_up(pattern: str) -> None:
    with pytest.raises(SlowPatternError, match=r"with 1 ids within 0\.5 seconds") as caught:
        ids_with_pattern(["a" * 40 + "!"], pattern, seconds=0.5)
    assert (caught.value.status, caught.value.count) == (400, 1)


def test_other_threads_go_on_meanwhile() -> None:
    def search() -> None:
        with pytest.raises(SlowPatternError):
            ids_with_pattern(["a" * 40 + "!"], "(a+)+$", seconds=1.0)

    searching = threading.Thread(target=search)
    searching.start()
    turns = 0
    while searching.is_alive():
        turns += 1
        time.sleep(0.01)
    assert turns > 10
