"""Reading the body of a request, as far as it may be read."""

from __future__ import annotations

import io

from starlette.requests import Request

from asap_ingest.render_ws.memory.limits import TooLargeError
from asap_ingest.render_ws.memory.memory_budget import Claim


async def limited_body(request: Request, limit: int, claim: Claim) -> bytes:
    """The body, read to its end; TooLargeError once it is known to exceed `limit` bytes.

    What the client still sends after that is dropped as it arrives, so that it can read the answer. `claim`
    grows with what arrives, not with what is announced; its errors are those of `Claim.grow`.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(f"has {int(announced)} bytes", limit)
    body = io.BytesIO()  # gives what it holds without another copy
    async for chunk in request.stream():
        received = body.tell() + len(chunk)
        if received > limit:
            raise _too_large(f"has at least {received} bytes", limit)
        claim.grow(len(chunk))
        body.write(chunk)
    return body.getvalue()


def _too_large(asked: str, limit: int) -> TooLargeError:
    return TooLargeError("the request body", asked, f"{limit} bytes", "max_body_mb")
