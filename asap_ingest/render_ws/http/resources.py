"""Resources: the operations on a path as an ASGI application, and the answers to errors."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.render_ws.http.answers import text_answer
from asap_ingest.render_ws.http.calls import Call, Service
from asap_ingest.render_ws.http.metrics import ROUTE
from asap_ingest.render_ws.http.operations import Operation
from asap_ingest.render_ws.http.queries import IllTypedError, read_double, read_int32
from asap_ingest.render_ws.http.transport import without_matrix_parameters
from asap_ingest.render_ws.memory.limits import TooLargeError
from asap_ingest.render_ws.memory.memory_budget import Claim, RequestMemory
from asap_ingest.render_ws.store import DatabaseError, DiskFullError
from asap_ingest.render_ws.wire.java_numbers import DOUBLE_PATTERN
from asap_ingest.render_ws.wire.json_types import MalformedBodyError
from asap_ingest.render_ws.wire.problems import RequestError, one_line

#: Returns the limiter of the threads that run operations of this kind: drawing, writing or reading.
Limiter = Callable[[Operation], CapacityLimiter]
MOST_WRITERS, MOST_READERS = 24, 40
#: The order in which render-ws lists methods.
METHOD_ORDER = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT")
#: Answer to a fault of the service itself; the server logs it with its traceback.
FAULT = "the service failed: its log has the reason"

logger = logging.getLogger(__name__)


class _DoubleConvertor(Convertor[float]):
    regex = rf"[\x00-\x20]*{DOUBLE_PATTERN}[\x00-\x20]*"

    def convert(self, value: str) -> float:
        return read_double(value)


class _Int32Convertor(Convertor[int]):
    regex = "[+-]?[0-9]+"

    def convert(self, value: str) -> int:
        return read_int32(value)


register_url_convertor("double", _DoubleConvertor())
register_url_convertor("int32", _Int32Convertor())


def routes_of(operations: Iterable[Operation], service: Service) -> list[Route]:
    """One route per path, in the order of the operations."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    # writers wait for one another: without a limit of their own they could take all threads from readers
    drawing, writing, reading = map(CapacityLimiter, (max(2, usable_cores()), MOST_WRITERS, MOST_READERS))

    def limiter(operation: Operation) -> CapacityLimiter:
        if operation.draws:
            return drawing
        return reading if operation.method == "GET" else writing

    return [Route(path, Resource(methods, service, limiter)) for path, methods in by_path.items()]


class Resource:
    """All operations on one path, as an ASGI application."""

    def __init__(self, operations: dict[str, Operation], service: Service, limiter: Limiter) -> None:
        self._limiter = limiter
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations["HEAD"] = operations["GET"]
        allowed = {*self._operations, "OPTIONS"}
        self._allow = ", ".join(method for method in METHOD_ORDER if method in allowed)
        # the label of metrics is the path, which all of them share, without the types of its values
        self._route = re.sub(r"\{(\w+):\w+\}", r"{\1}", next(iter(operations.values())).path)
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[ROUTE][0] = self._route
        # claimed until the answer is sent, which a slow client may delay for long
        with self._service.memory.request() as memory:
            response = await self._answer(Request(scope, receive), memory)
            await response(scope, receive, send)

    async def _answer(self, request: Request, memory: RequestMemory) -> Response:
        operation = self._operations.get(request.method)
        if operation is None:
            return self._without_operation(request.method)
        refused = _refused_type(operation, request) or _refused_accept(operation, request)
        if refused:
            return Response(status_code=refused)
        call = Call(
            self._service,
            request.path_params,
            operation.query.read(request.scope["query_string"].decode("latin-1")),
            await limited_body(request, self._service.limits.body_bytes, memory.body),
            operation.body,
            request.headers,
            _url(request),
            memory,
            request.method == "HEAD",
            request.scope["is_cross_origin"],
        )
        response = await to_thread.run_sync(operation.answer, call, limiter=self._limiter(operation))
        # the answer of a file has no body: it is sent in pieces
        memory.keep_answer(len(getattr(response, "body", b"")))
        return response

    def _without_operation(self, method: str) -> Response:
        if method == "OPTIONS":
            answer = text_answer(self._allow)
            answer.headers["allow"] = self._allow
            return answer
        return Response(status_code=405, headers={"allow": self._allow})


async def limited_body(request: Request, limit: int, claim: Claim) -> bytes:
    """Read the body; TooLargeError once it is known to exceed `limit` bytes.

    What the client still sends after that is dropped as it arrives, so that it can read the answer. `claim`
    grows with what arrives, not with what is announced; its errors are those of `Claim.grow`.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(f"has {int(announced)} bytes", limit)
    body = io.BytesIO()  # its content is returned without another copy
    async for chunk in request.stream():
        received = body.tell() + len(chunk)
        if received > limit:
            raise _too_large(f"has at least {received} bytes", limit)
        claim.grow(len(chunk))
        body.write(chunk)
    return body.getvalue()


def _too_large(size: str, limit: int) -> TooLargeError:
    return TooLargeError("the request body", size, f"{limit} bytes", "max_body_mb")


def _url(request: Request) -> str:
    # escapes and slashes as sent; the host is the name by which the client knows us
    query = request.scope["query_string"].decode("latin-1")
    folder, _, last = request.scope["raw_path"].decode("latin-1").rpartition("/")
    path = f"{without_matrix_parameters(folder)}/{last}"
    return f"{request.url.scheme}://{request.url.netloc}{path}{'?' if query else ''}{query}"


def _refused_type(operation: Operation, request: Request) -> int | None:
    """Status for a body of the wrong type, None if it is fine."""
    if operation.consumes is None:
        return None
    sent = request.headers.get("content-type")
    if sent is not None and "/" not in sent:
        return 400
    media_type = (sent or "").partition(";")[0].strip().lower()
    return None if media_type == operation.consumes else 415


def _refused_accept(operation: Operation, request: Request) -> int | None:
    """Status when the Accept header does not allow the answer, None if it does."""
    accepted = [part.strip() for part in request.headers.get("accept", "").split(",") if part.strip()]
    if operation.produces is None or not accepted:
        return None
    if any("/" not in part and part.partition(";")[0].strip() != "*" for part in accepted):
        return 400
    return None if any(_allows(part, operation.produces) for part in accepted) else 406


def _allows(accepted: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in accepted.split(";"))
    if any(parameter.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for parameter in parameters):
        return False
    kind, _, subtype = media_type.partition(";")[0].partition("/")
    return name in ("*", "*/*", f"{kind}/*", f"{kind}/{subtype}")


def _html_answer(problem: MalformedBodyError) -> Response:
    headers = {"content-type": "text/html;charset=utf-8"}
    return Response(escape(one_line(problem)).encode(), 400, headers=headers)


def _refusal(problem: RequestError) -> Response:
    answer = text_answer(one_line(problem), problem.status)
    answer.headers.update(problem.headers)
    return answer


def _database_answer(problem: DatabaseError) -> Response:
    # neither the client nor the program is at fault: the log informs the administrator
    logger.error("%s", problem)
    return text_answer(one_line(problem), 507 if isinstance(problem, DiskFullError) else 500)


#: Answers to errors by their class, or by the nearest base class that is listed.
ERROR_ANSWERS: dict[type, Callable[[Any], Response]] = {
    HTTPException: lambda problem: Response(status_code=problem.status_code),  # unknown path
    # the client went away before its body had come: nobody reads this, but the metrics count it
    ClientDisconnect: lambda problem: Response(status_code=400),
    IllTypedError: lambda problem: Response(status_code=404),
    MalformedBodyError: _html_answer,
    RequestError: _refusal,
    DatabaseError: _database_answer,
    RecursionError: lambda problem: text_answer("the request body is nested too deeply", 400),
    Exception: lambda problem: text_answer(FAULT, 500),
}


async def answer_error(request: Request, problem: Exception) -> Response:
    """The answer to a request that failed, as a Starlette exception handler."""
    kind = next(kind for kind in type(problem).__mro__ if kind in ERROR_ANSWERS)
    return ERROR_ANSWERS[kind](problem)
