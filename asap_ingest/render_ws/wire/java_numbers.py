"""Numbers as the original service reads, rounds and writes them, where that differs from Python.

Source of the rules: the language specification of Java for `parseDouble`, `parseFloat`, `Double.toString` and
casts to int.
"""

from __future__ import annotations

import ctypes
import math
import re
from decimal import Decimal

LARGEST_INT = 2**31 - 1
SMALLEST_INT = -(2**31)
#: Possessive quantifiers (`++`): a text of thousands of digits that is not a number is refused at once.
DOUBLE_PATTERN = (
    r"[+-]?(?:NaN|Infinity|0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++[fFdD]?"
    r"|(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?[fFdD]?)"
)
_DOUBLE = re.compile(DOUBLE_PATTERN)
_INTEGER = re.compile("[+-]?[0-9]+")
_BLANKS = "".join(map(chr, range(33)))


def double_or_none(text: str) -> float | None:
    """Parse a number as Java does, also ` 1 `, `NaN`, `Infinity` and `1e3f`; None for other text."""
    trimmed = text.strip(_BLANKS)
    if not _DOUBLE.fullmatch(trimmed):
        return None
    if trimmed.lstrip("+-")[:2].lower() != "0x":
        return float(trimmed.rstrip("dDfF"))
    try:
        return float.fromhex(trimmed.rstrip("dDfF"))
    except OverflowError:
        return -math.inf if trimmed[0] == "-" else math.inf


def parse_double(text: str) -> float:
    """`double_or_none`, but ValueError for text that is not a number."""
    value = double_or_none(text)
    if value is None:
        raise ValueError(f"not a number: {text!r}")
    return value


def parse_float32(text: str) -> float:
    """Parse a number rounded to 32 bits (`16777217` gives 16777216.0); ValueError as `parse_double`."""
    return ctypes.c_float(parse_double(text)).value


def int32_or_none(text: str) -> int | None:
    """Parse a 32-bit integer; None for anything else and for integers out of range."""
    value = int(text) if _INTEGER.fullmatch(text) and len(text) < 20 else None
    return value if value is not None and SMALLEST_INT <= value <= LARGEST_INT else None


def truncate_to_int(value: float) -> int:
    """Round toward zero to a 32-bit integer; NaN gives 0, values out of range the nearest limit."""
    if math.isnan(value):
        return 0
    return math.trunc(max(SMALLEST_INT, min(LARGEST_INT, value)))


def json_double(value: float) -> float | str:
    """The JSON form of a number: itself, or text such as `"NaN"` when it is not finite."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def double_text(value: float) -> str:
    """The shortest text of a number in Java's form: `3407.0`, `1.0E7`, `1.2E-4`, `NaN`."""
    if not math.isfinite(value):
        return str(json_double(value))
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{len(digits) - 1 + int(exponent)}"
