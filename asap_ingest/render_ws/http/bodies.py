"""Reading the body of a request, as far as it may be read."""

from __future__ import annotations

from starlette.requests import Request

from asap_ingest.render_ws.limits import TooLargeError


async def limited_body(request: Request, limit: int) -> bytes:
    """The body, read to its end; TooLargeError once it is known to exceed `limit` bytes.

    What the client still sends after that is dropped as it arrives, so that it can read the answer.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(f"has {int(announced)} bytes", limit)
    chunks = []
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(f"has at least {received} bytes", limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(asked: str, limit: int) -> TooLargeError:
    return TooLargeError("the request body", asked, f"{limit} bytes", "max_body_mb")
