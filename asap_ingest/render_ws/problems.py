"""What goes wrong in a request, and the status it is answered with.

render-ws answers argument errors with 400 and everything else, a stack in the wrong state
included, with 500: clients rely on it, so the classes are named for what they mean there.
"""

from __future__ import annotations

from asap_ingest.errors import AsapIngestError


class RequestError(AsapIngestError):
    """A request that cannot be carried out; its text is the body of the answer."""

    status = 500


class IllegalArgumentError(RequestError):
    """The request names or holds something that cannot be used: 400."""

    status = 400


class NotFoundError(RequestError):
    """The named object does not exist: 404."""

    status = 404


class IllegalStateError(RequestError):
    """The request is sound but the stack, or a stored reference, does not allow it: 500."""

    status = 500
