"""What is read for each type of field, and what is refused."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asap_ingest.render_ws.wire import json_types
from asap_ingest.render_ws.wire.dates import date, format_date
from asap_ingest.render_ws.wire.java_numbers import double_or_none, int32_or_none
from asap_ingest.render_ws.wire.json_types import (
    MalformedBodyError,
    double,
    dump,
    full_list_reader,
    integer,
    labels,
    map_reader,
    parse,
    text,
)


@given(st.floats())
def test_every_double_is_read_back_exactly(value: float) -> None:
    written = repr(value).replace("inf", "Infinity").replace("nan", "NaN")
    found = double_or_none(f" {written}d\t" if math.isfinite(value) else f"\n{written} ")
    assert found is not None
    assert struct.pack("d", found) == struct.pack("d", value) or math.isnan(value)


@given(st.text(max_size=12))
def test_no_text_breaks_the_readers(value: str) -> None:
    assert double_or_none(value) is None or isinstance(double_or_none(value), float)
    assert int32_or_none(value) is None or abs(int32_or_none(value) or 0) <= 2**31
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


@given(st.integers(-62135596800000, 253402300799999))
@example(-62135596800000)
def test_dates_are_read_as_they_are_written(milliseconds: int) -> None:
    # from the year 1 to 9999
    written = format_date(milliseconds)
    assert date(written) == date(milliseconds) == written


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), ("3.5", 3.5), ("", None), ("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e400", "Infinity")],
)
def test_doubles(value: object, expected: object) -> None:
    found = double(value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0x1p9999", math.inf),
        ("-0x1p9999d", -math.inf),
        ("0x1p-9999", 0.0),
        ("0x.8p1f", 1.0),
        ("0xfp0f", 15.0),
        ("0x1.8p1D", 3.0),
    ],
)
def test_hexadecimal_numbers(written: str, value: float) -> None:
    assert double_or_none(written) == value


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


def test_texts_hold_no_zero_byte() -> None:
    with pytest.raises(MalformedBodyError, match="holds a zero byte"):
        text("a\0b")


def test_names_of_a_map_and_entries_of_a_full_list() -> None:
    assert map_reader(text)({"a": 1, "b": None}) == {"a": "1"}
    for wrong in ([1], "a", {"a": []}, {"\0": "a"}):
        with pytest.raises(MalformedBodyError):
            map_reader(text)(wrong)
    with pytest.raises(MalformedBodyError, match="^tileSpecs holds a null$"):
        full_list_reader("tileSpecs", text)(["a", None])


def test_more_values_than_can_be_written_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_types, "MOST_VALUES", 3)
    assert parse(b"[1,2,3]") == [1, 2, 3]
    with pytest.raises(MalformedBodyError, match="more than 3 values"):
        parse(b"[1,2,3,4]")


def test_long_bodies_are_read_in_one_way_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_types, "LENIENT_BYTES", 8)
    assert parse(b"[1] and") == [1]
    with pytest.raises(MalformedBodyError, match="cannot be parsed as JSON"):
        parse(b"[1] and more")


def test_trailing_text_is_ignored_and_repeated_keys_replace() -> None:
    assert parse(b'{"a": 1, "a": 2} trailing') == {"a": 2}
    assert parse(b" ") is None
