"""Operations: a method on a path, with what it accepts and answers; declared by decorators of handlers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import JSON, TEXT
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.wire.json_types import Reader, dump

#: Returns a response, or the content of one: see `Operation.answer`.
Handler = Callable[[Call], Any]

V1 = "/render-ws/v1"
OWNER = f"{V1}/owner/{{owner}}"
PROJECT = f"{OWNER}/project/{{project}}"
STACK = f"{PROJECT}/stack/{{stack}}"
LAYER = f"{STACK}/z/{{z:double}}"
TILE = f"{STACK}/tile/{{tile}}"
GROUP = f"{STACK}/group/{{group}}"
AREA = "{x:double},{y:double},{width:int32},{height:int32}"
BOX = f"z/{{z:double}}/box/{AREA},{{scale:double}}"
#: The same box at scale 1, in the form of DVID's paths.
DVID_BOX = "dvid/imagetile/raw/xy/{width:int32}_{height:int32}/{x:double}_{y:double}_{z:double}"


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes
    ----------
    subject : str
        Title of the group that descriptions list it in.
    produces : str or None
        Media type of the answer, which the Accept header must allow; None: not checked.
    query : type of Query
        The parameters of the query.
    body : callable or None
        Reader of the body; None: the body is ignored.
    consumes : str or None
        Media type of the body.
    draws : bool
        Whether it draws an image: few of those run at the same time, and never block other requests.
    statuses : tuple of int
        Statuses of success, () for the usual one: see `success`.
    """

    method: str
    path: str
    handler: Handler
    subject: str
    produces: str | None = JSON
    query: type[Query] = Query
    body: Reader | None = None
    consumes: str | None = None
    draws: bool = False
    statuses: tuple[int, ...] = ()

    @property
    def success(self) -> tuple[int, ...]:
        """Statuses of success: unless declared, 201 for what stores something without an answer, else 200."""
        stores = self.method in ("PUT", "POST") and self.produces is None
        return self.statuses or ((201,) if stores else (200,))

    def answer(self, call: Call) -> Response:
        """Answer a request with what the handler returns.

        A response is sent as it is, bytes and (for media type `TEXT`) text as content, any other value as
        JSON. None is an answer without body, with 204 if that is a status of success, else the first one.
        """
        value = self.handler(call)
        if isinstance(value, Response):
            return value
        if value is None:
            status = 204 if 204 in self.success else self.success[0]
            return Response(status_code=status, headers={"location": call.url} if status == 201 else None)
        if self.produces == TEXT:
            value = value.encode()
        content = value if isinstance(value, bytes) else dump(value)
        return Response(content, headers={"content-type": self.produces or JSON})

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        handler: Any = self.handler
        while isinstance(handler, partial):
            handler = handler.func
        return (inspect.getdoc(handler) or "").partition("\n")[0].removesuffix(".")


class Operations(list[Operation]):
    """The operations on one subject; `answers` adds one."""

    def __init__(self, subject: str) -> None:
        super().__init__()
        self._subject = subject

    def answers(
        self,
        method: str,
        path: str,
        produces: str | None = JSON,
        query: type[Query] = Query,
        *,
        body: Reader | None = None,
        consumes: str | None = None,
        **options: Any,
    ) -> Callable[[Handler], Handler]:
        """Decorator of a handler: it answers this method on this path.

        Parameters are those of `Operation`; `consumes` is JSON by default if there is a `body`.
        """

        def add(handler: Handler) -> Handler:
            media_type = JSON if body is not None and consumes is None else consumes
            self.append(
                Operation(method, path, handler, self._subject, produces, query, body, media_type, **options)
            )
            return handler

        return add

    def stores(
        self, method: str, path: str, body: Reader | None = None, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Decorator of a handler that changes something and answers without a body."""
        return self.answers(method, path, None, body=body, **options)
