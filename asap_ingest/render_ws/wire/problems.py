"""What goes wrong in a request, and the status it is answered with.

render-ws answers argument errors with 400 and everything else, a stack in the wrong state
included, with 500: clients rely on it, so the classes are named for what they mean there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from asap_ingest.errors import AsapIngestError

#: What ends a line, or would not be seen in one.
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
LONGEST_TEXT = 600


class RequestError(AsapIngestError):
    """A request that cannot be carried out; its text is the body of the answer, sent with `headers`."""

    status = 500
    headers: Mapping[str, str] = {}


class IllegalArgumentError(RequestError):
    """The request names or holds something that cannot be used: 400."""

    status = 400


class NotFoundError(RequestError):
    """The named object does not exist: 404."""

    status = 404


class IllegalStateError(RequestError):
    """The request is sound but the stack, or a stored reference, does not allow it: 500."""

    status = 500


def one_line(problem: Exception) -> str:
    """What went wrong, as text of an answer: values of the client are cut short, and end no line.

    A line end at the very end stays.
    """
    told = str(problem) or type(problem).__name__
    line = told.removesuffix("\n")
    if len(line) > LONGEST_TEXT:
        line = f"{line[:400]} ... {line[-195:]}"
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], line) + told[len(told.removesuffix("\n")) :]
