"""Numbers as texts, in the form that Java gives them."""

from __future__ import annotations

import math
from decimal import Decimal

from asap_ingest.render_ws.wire.json_types import json_double


def double_text(value: float) -> str:
    """Shortest text of a number in Java's form: `3407.0`, `1.0E7`, `1.2E-4`, `NaN`."""
    if not math.isfinite(value):
        return str(json_double(value))
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(value))
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{len(digits) - 1 + int(exponent)}"
