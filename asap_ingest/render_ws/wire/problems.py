"""Errors of requests and the statuses of their answers.

render-ws answers errors in the arguments with 400, and all others, such as a stack in the wrong state, with
500. Clients rely on that, so the errors have the names of Java's exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from asap_ingest.errors import AsapIngestError

#: Characters that end a line or are invisible.
_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
LONGEST_TEXT = 600


class RequestError(AsapIngestError):
    """A request that fails; its message is the body of the answer, sent with `headers`."""

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
    """The message of an error in one line: long values are shortened, control characters escaped.

    A newline at the end stays.
    """
    message = str(problem) or type(problem).__name__
    line, end = (message[:-1], "\n") if message.endswith("\n") else (message, "")
    if len(line) > LONGEST_TEXT:
        line = f"{line[:400]} ... {line[-195:]}"
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], line) + end
