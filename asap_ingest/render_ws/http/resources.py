"""Operations on paths: which methods a path has, what they take and give, and how a call is carried out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from anyio import CapacityLimiter, to_thread
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.render_ws.http.answers import JSON, Call, IllTypedError, Query, Service, text_answer
from asap_ingest.render_ws.http.bodies import limited_body
from asap_ingest.render_ws.http.metrics import ROUTE
from asap_ingest.render_ws.http.query_parameters import QueryParameter
from asap_ingest.render_ws.http.transport import without_matrix_parameters
from asap_ingest.render_ws.memory.memory_budget import RequestMemory
from asap_ingest.render_ws.store import DatabaseError, DiskFullError
from asap_ingest.render_ws.wire.json_types import (
    DOUBLE_PATTERN,
    MalformedBodyError,
    parse_double,
    parse_integer,
)
from asap_ingest.render_ws.wire.problems import RequestError, one_line

Handler = Callable[[Call], Response]

MOST_WRITERS, MOST_READERS = 24, 40
#: The order in which render-ws lists methods.
METHOD_ORDER = ("HEAD", "DELETE", "POST", "GET", "OPTIONS", "PUT")
#: What clients are told of a fault of the service itself; the server logs it with its traceback.
FAULT = "the service failed: its log has the reason"


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes
    ----------
    produces : str or None
        Media type of the answer, which the Accept header must allow; None: no demand.
    consumes : str or None
        Media type that the body must have; None: any, also none.
    any_type : bool
        Whether the body may be sent under another media type than `consumes`, or under none.
    draws : bool
        Whether it makes an image: few of those run at once, and never keep other requests waiting.
    query : tuple of QueryParameter
        All that the handler reads of the query.
    body : str or None
        Schema of the body: a key of `description.schemas.BODIES`; None: any JSON, or none.
    statuses : tuple of int
        Statuses of success; () stands for 201 where something is stored without an answer, else 200.
    """

    method: str
    path: str
    handler: Handler
    produces: str | None = JSON
    consumes: str | None = None
    any_type: bool = False
    draws: bool = False
    query: tuple[QueryParameter, ...] = ()
    body: str | None = None
    statuses: tuple[int, ...] = ()


class _DoubleConvertor(Convertor[float]):
    regex = rf"[\x00-\x20]*{DOUBLE_PATTERN}[\x00-\x20]*"

    def convert(self, value: str) -> float:
        number = parse_double(value)
        if number is None:
            raise IllTypedError(f"{value!r} is not a number")
        return number

    def to_string(self, value: float) -> str:
        return repr(value)


class _Int32Convertor(Convertor[int]):
    regex = "[+-]?[0-9]+"

    def convert(self, value: str) -> int:
        number = parse_integer(value)
        if number is None:
            raise IllTypedError(f"{value!r} is not a 32-bit integer")
        return number

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("double", _DoubleConvertor())
register_url_convertor("int32", _Int32Convertor())


def routes_of(operations: Iterable[Operation], service: Service) -> list[Route]:
    """One route per path, in the order of first mention."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    lanes = Lanes()
    return [Route(path, Resource(methods, service, lanes)) for path, methods in by_path.items()]


class Lanes:
    """How many requests of a kind run at once, so that no kind takes all threads.

    Writers wait for one another: without a lane of their own, enough of them would leave no thread for
    those who only read.
    """

    def __init__(self) -> None:
        self._drawing = CapacityLimiter(max(2, usable_cores()))
        self._writing = CapacityLimiter(MOST_WRITERS)
        self._reading = CapacityLimiter(MOST_READERS)

    def of(self, operation: Operation) -> CapacityLimiter:
        """The lane of an operation."""
        if operation.draws:
            return self._drawing
        return self._reading if operation.method == "GET" else self._writing


class Resource:
    """All operations on one path, as an ASGI application."""

    def __init__(self, operations: dict[str, Operation], service: Service, lanes: Lanes) -> None:
        self._lanes = lanes
        self._operations = dict(operations)
        if "GET" in operations:
            self._operations["HEAD"] = operations["GET"]
        present = {*self._operations, "OPTIONS"}
        # all of them have the same path; labels have no use for the kinds of its values
        self._route = re.sub(r"\{(\w+):\w+\}", r"{\1}", next(iter(operations.values())).path)
        self._allow = ", ".join(method for method in METHOD_ORDER if method in present)
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[ROUTE][0] = self._route
        # until the answer is sent: a client that reads slowly makes it stay in memory
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
            Query(request.scope["query_string"].decode("latin-1")),
            await limited_body(request, self._service.limits.body_bytes, memory.body),
            request.headers,
            _url(request),
            memory,
            request.method == "HEAD",
            request.scope["is_cross_origin"],
        )
        response = await to_thread.run_sync(operation.handler, call, limiter=self._lanes.of(operation))
        memory.keep_answer(len(getattr(response, "body", b"")))  # files of pages are sent in pieces
        return response

    def _without_operation(self, method: str) -> Response:
        if method == "OPTIONS":
            answer = text_answer(self._allow)
            answer.headers["allow"] = self._allow
            return answer
        return Response(status_code=405, headers={"allow": self._allow})


def _url(request: Request) -> str:
    # escapes and slashes as sent; the host is the name by which the client knows us
    query = request.scope["query_string"].decode("latin-1")
    folder, _, last = request.scope["raw_path"].decode("latin-1").rpartition("/")
    path = f"{without_matrix_parameters(folder)}/{last}"
    return f"{request.url.scheme}://{request.url.netloc}{path}{'?' if query else ''}{query}"


def _refused_type(operation: Operation, request: Request) -> int | None:
    """Status for a body of the wrong type, None if it is fine."""
    if operation.consumes is None or operation.any_type:
        return None
    sent = request.headers.get("content-type")
    if sent is not None and "/" not in sent:
        return 400
    media_type = (sent or "").partition(";")[0].strip().lower()
    return None if media_type == operation.consumes else 415


def _refused_accept(operation: Operation, request: Request) -> int | None:
    """Status when the client takes nothing of what there is, None if it does."""
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


async def answer_error(request: Request, problem: Exception) -> Response:
    """`error_answer`, as starlette asks for it."""
    return error_answer(problem)


def error_answer(problem: Exception) -> Response:
    """The answer to a request that cannot be carried out."""
    if isinstance(problem, IllTypedError):
        return Response(status_code=404)
    if isinstance(problem, MalformedBodyError):
        headers = {"content-type": "text/html;charset=utf-8"}
        return Response(escape(one_line(problem)).encode(), 400, headers=headers)
    if isinstance(problem, RecursionError):
        return text_answer("the request body is nested too deeply", 400)
    if isinstance(problem, DatabaseError):
        return text_answer(one_line(problem), 507 if isinstance(problem, DiskFullError) else 500)
    if isinstance(problem, RequestError):
        answer = text_answer(one_line(problem), problem.status)
        answer.headers.update(problem.headers)
        return answer
    return text_answer(FAULT, 500)
