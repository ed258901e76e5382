"""Time stamps of render's JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from asap_ingest.render_ws.wire.json_types import MalformedBodyError, has_schema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{1,12})Z")


@has_schema({"type": "string", "format": "date-time"})
def date(value: Any) -> str | None:
    """Read a time stamp: epoch milliseconds, or `2024-05-01T10:00:00.500Z`.

    As in render-ws, digits after the point count milliseconds: `.5` is 5 ms, `.1500` is 1.5 s.
    """
    try:
        if type(value) is int:
            return format_date(value)
        if type(value) is str:
            return None if not value.strip() else format_date(_epoch_milliseconds(value))
    except (OverflowError, ValueError) as error:
        raise MalformedBodyError(f"{value!r} is not a valid date: {error}") from error
    raise MalformedBodyError(f"{value!r} is not a valid date")


def _epoch_milliseconds(value: str) -> int:
    match = _DATE.fullmatch(value)
    if match is None:
        raise ValueError("expected the form yyyy-MM-ddTHH:mm:ss.SSSZ")
    year, month, day, hour, minute, second, fraction = map(int, match.groups())
    # values out of range roll over, as in render-ws: February 30 is a day in March
    first = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    moment = first + timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=fraction
    )
    return (moment - EPOCH) // timedelta(milliseconds=1)


def format_date(milliseconds: int) -> str:
    """Epoch milliseconds as `yyyy-MM-ddTHH:mm:ss.SSSZ` in UTC."""
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
