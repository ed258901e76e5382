"""Regular expressions of clients: what is found, what is refused, and that none takes long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from asap_ingest.render_ws.wire.patterns import (
    LONGEST_PATTERN,
    LONGEST_TEXT,
    PatternError,
    groups_of_whole,
    texts_with_pattern,
)

IDS = ["t.10", 't."9"', "Zürich", "t.9", "a\nb", ""]
#: Of what fits, this takes longest.
HEAVY = "(?:[ab]?){999}" * 5 + "x$"
LONG_TEXT = "abbab" * (LONGEST_TEXT // 5)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("t", ["t.10", 't."9"', "t.9"]),
        ("^t[.]", ["t.10", 't."9"', "t.9"]),
        ("9$", ["t.9"]),
        ('"', ['t."9"']),
        ("ü.*h$", ["Zürich"]),
        ("^(?i:z)|b$", ["Zürich", "a\nb"]),
        (r"\Qt.9\E", ["t.9"]),
        (r"\p{Lu}", ["Zürich"]),
        (r"^[[:alpha:]]\.[0-9&]+?$", ["t.10", "t.9"]),
        ("x*", IDS),
        ("no+ne", []),
    ],
)
def test_texts_keep_their_order(pattern: str, found: list[str]) -> None:
    assert texts_with_pattern("matchPattern", pattern, IDS) == found


def test_groups_of_a_whole_text() -> None:
    assert groups_of_whole("p", r"(.*/)\d+(\.png)", "/ü/0.png") == ("/ü/", ".png")
    assert groups_of_whole("p", r"(.*/)\d+", "/i/0.png") is None
    assert groups_of_whole("p", "(?<first>a)|(b)", "a") == ("a", None)


@pytest.mark.parametrize("pattern", ["(", ")", "*", "a\\", "(?P<x", "(" * 1999, "[" * 1999])
def test_what_is_no_expression_is_named(pattern: str) -> None:
    with pytest.raises(
        PatternError, match="^matchPattern '.*(is not a regular expression|cannot be used)"
    ) as caught:
        texts_with_pattern("matchPattern", pattern, IDS)
    assert caught.value.status == 400
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "pattern",
    [
        *("a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b"),
        *(r"(a)\1", r"(?<n>a)\k<n>", "a++", "a*+", "a{2}+", "(?>a)"),
        *("a**", "[z-a]", "(a{1,1000}){1,1000}"),
        *("[a-z&&[^b]]", "[a[bc]]", r"[\w&&\D]", r"\Q[\E[ab[c]]"),
        *(r"a\Z", r"\h", r"\R", r"\p{IsLatin}", r"\p{javaLowerCase}", "(?x) a"),
    ],
)
def test_what_java_alone_can_do_is_refused_and_not_read_otherwise(pattern: str) -> None:
    with pytest.raises(PatternError, match="cannot be used"):
        texts_with_pattern("matchPattern", pattern, [])


@pytest.mark.parametrize("pattern", [r"\[a\[", r"[a\[b]", r"\Q[a[b]\E", "[]a]", "[a&b]", "a&&b"])
def test_what_only_looks_like_it_is_taken(pattern: str) -> None:
    assert texts_with_pattern("matchPattern", pattern, [""]) == []


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+$", "(a|a)" * 40 + "$", "a?" * 40 + "a" * 40 + "c", "(?:a|aa)+$", "(a*)*b"),
        *("(a{1,1000}){1,1000}", "(?:a{0,9}){99}{9}", r"(?i)[^\pL]{0,999}", r"\pL" * 600),
        *("[ab]{0,999}" * 40, HEAVY, "|".join("abc" * 300)),
    ],
)
def test_no_expression_takes_long(pattern: str) -> None:
    begin = time.perf_counter()
    for compare in (
        lambda: groups_of_whole("p", pattern, LONG_TEXT),
        lambda: texts_with_pattern("p", pattern, [LONG_TEXT]),
    ):
        quietly(compare)
    assert time.perf_counter() - begin < 5.0


def test_other_threads_go_on_meanwhile() -> None:
    comparing = threading.Thread(target=quietly, args=(lambda: groups_of_whole("p", HEAVY, LONG_TEXT),))
    begin = time.perf_counter()
    comparing.start()
    turns = 0
    while comparing.is_alive():
        turns += 1
        time.sleep(0.001)
    assert turns > 100 * (time.perf_counter() - begin)


def test_a_search_of_many_ids_is_given_up() -> None:
    with pytest.raises(PatternError, match="takes too long on 9 ids: ask for fewer by minZ, maxZ"):
        texts_with_pattern("matchPattern", HEAVY, [LONG_TEXT] * 9, seconds=0.1)


def test_long_expressions_and_texts_are_refused() -> None:
    with pytest.raises(PatternError, match="has 2001 characters, 2000 are allowed"):
        groups_of_whole("p", "a" * (LONGEST_PATTERN + 1), "")
    with pytest.raises(PatternError, match="4096 characters at most"):
        groups_of_whole("p", "a", "a" * (LONGEST_TEXT + 1))


def quietly(compare: Callable[[], Any]) -> None:
    """An expression may be refused, and may find nothing."""
    try:
        compare()
    except PatternError:
        return
