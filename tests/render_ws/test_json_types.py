"""What is read for each type of field, and what is refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest.render_ws.json_types import (
    MalformedBodyError,
    date,
    double,
    dump,
    format_date,
    integer,
    labels,
    parse,
    parse_double,
    parse_integer,
    text,
)


@given(st.floats())
def test_every_double_is_read_back_exactly(value: float) -> None:
    written = repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    found = parse_double(f" {written}d\t" if math.isfinite(value) else f"\n{written} ")
    assert found is not None
    assert struct.pack("d", found) == struct.pack("d", value) or math.isnan(value)


@given(st.text(max_size=12))
def test_no_text_breaks_the_readers(value: str) -> None:
    assert parse_double(value) is None or isinstance(parse_double(value), float)
    assert parse_integer(value) is None or abs(parse_integer(value) or 0) <= 2**31
    try:
        date(value)
    except MalformedBodyError:
        return


@given(st.binary(max_size=40))
def test_no_body_breaks_the_parser(body: bytes) -> None:
    try:
        dump(parse(body))
    except MalformedBodyError:
        return


@given(st.integers(0, 253402300799999))
def test_dates_are_read_as_they_are_written(milliseconds: int) -> None:
    written = format_date(milliseconds)
    assert date(written) == date(milliseconds) == written


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), ("3.5", 3.5), ("", None), ("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e400", "Infinity")],
)
def test_doubles(value: object, expected: object) -> None:
    found = double(value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("value", [True, [1], {}, "x", "1_0", "inf"])
def test_refused_doubles(value: object) -> None:
    with pytest.raises(MalformedBodyError):
        double(value)


@pytest.mark.parametrize(("value", "expected"), [(3.9, 3), (-3.9, -3), ("12", 12), ("", None), (0, 0)])
def test_integers(value: object, expected: object) -> None:
    assert integer(value) == expected


@pytest.mark.parametrize("value", ["3.5", True, 2**31, -(2**31) - 1, 1e300, float("inf"), [1], "9" * 5000])
def test_refused_integers(value: object) -> None:
    with pytest.raises(MalformedBodyError):
        integer(value)


def test_texts_and_labels() -> None:
    assert [text(5), text(5.5), text(True), text("")] == ["5", "5.5", "true", ""]
    assert labels(["b", "a", "b"]) == ["b", "a"]
    with pytest.raises(MalformedBodyError):
        text(["a"])


def test_trailing_text_is_ignored_and_repeated_keys_replace() -> None:
    assert parse(b'{"a": 1, "a": 2} trailing') == {"a": 2}
    assert parse(b" ") is None
