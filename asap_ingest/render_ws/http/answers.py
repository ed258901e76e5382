"""What handlers get and give: a call, and the usual answers to it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from asap_ingest.render_ws.http.metrics import Metrics
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS, Limits
from asap_ingest.render_ws.memory.memory_budget import SMALL, RequestMemory, ServiceMemory
from asap_ingest.render_ws.store import Store
from asap_ingest.render_ws.transforms.transform_cache import TRANSFORM_CACHE
from asap_ingest.render_ws.wire.json_types import (
    dump,
    list_reader,
    parse,
    parse_double,
    parse_integer,
    parsed_bytes,
    text,
)
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import NotFoundError

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.source_images import SourceImages
    from asap_ingest.render_ws.drawing.stack_layers import StackLayers
    from asap_ingest.render_ws.memory.bounded_cache import CacheState

TEXT = "text/plain;charset=utf-8"
JSON = "application/json"


class IllTypedError(NotFoundError):
    """A value in path or query that has the wrong type: answered with 404 and no body."""


class Query:
    """The query part of a request. Of a repeated name the first value counts, unless all are asked for."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._values.setdefault(name, []).append(value)

    def texts(self, name: str) -> list[str]:
        """All values, [] if absent."""
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """The value, None if absent."""
        return next(iter(self.texts(name)), None)

    def double(self, name: str) -> float | None:
        """The value as a number, None if absent; IllTypedError for anything else, "" included."""
        return next(iter(self.doubles(name)), None)

    def doubles(self, name: str) -> list[float]:
        """All values as numbers; IllTypedError for anything else."""
        numbers = [parse_double(value) for value in self.texts(name)]
        if None in numbers:
            raise IllTypedError(f"query parameter {name} is not a number")
        return [number for number in numbers if number is not None]

    def integer(self, name: str) -> int | None:
        """The value as a 32-bit integer, None if absent; IllTypedError for anything else."""
        value = self.text(name)
        number = None if value is None else parse_integer(value)
        if value is not None and number is None:
            raise IllTypedError(f"query parameter {name} is not an integer")
        return number

    def flag(self, name: str) -> bool | None:
        """True for `true` in any case, False for any other value, None if absent."""
        value = self.text(name)
        return None if value is None else value.lower() == "true"


class Service:
    """What all handlers share: the database, and what images are drawn from (made at its first use).

    Parameters
    ----------
    image_roots : sequence of Path or None
        Folders that tile images may be read from; None allows any.
    limits : Limits
        How large requests and answers may be, and how much is kept in memory.
    """

    def __init__(
        self,
        store: Store,
        image_roots: Sequence[Path] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.store = store
        self.limits = limits
        self.memory = ServiceMemory(limits)
        self.metrics = Metrics(self.cache_states)
        TRANSFORM_CACHE.resize(limits.transform_cache_bytes)
        self._image_roots = image_roots
        self._lock = threading.Lock()

    @cached_property
    def _drawn_from(self) -> tuple[SourceImages, StackLayers]:
        import cv2

        from asap_ingest.render_ws.drawing.source_images import SourceImages
        from asap_ingest.render_ws.drawing.stack_layers import StackLayers

        # requests run side by side: further threads inside one of them would only get in the way
        cv2.setNumThreads(1)
        limits = self.limits
        images = SourceImages(self._image_roots, limits.image_cache_bytes, limits.source_bytes)
        return images, StackLayers(limits.layer_cache_bytes)

    @property
    def images(self) -> SourceImages:
        """The loader of tile images."""
        with self._lock:
            return self._drawn_from[0]

    @property
    def layers(self) -> StackLayers:
        """Layers of tiles in memory."""
        with self._lock:
            return self._drawn_from[1]

    def cache_states(self) -> dict[str, CacheState]:
        """How the caches do, by name; all services of a process share that of transforms.

        Those of images and layers are there from the first image on.
        """
        states = {"transforms": TRANSFORM_CACHE.state}
        with self._lock:
            if "_drawn_from" in self.__dict__:
                images, layers = self._drawn_from
                states |= {"images": images.cache_state, "layers": layers.cache_state}
        return states


@dataclass(frozen=True)
class Call:
    """One request, read: path values by name, query, body, headers.

    Attributes
    ----------
    url : str
        Request URI as sent, query included: the `Location` of what it stores.
    memory : RequestMemory
        What it may hold beside the other requests.
    head_only : bool
        Nobody reads the body of the answer: it may stay empty where making it takes long.
    is_cross_origin : bool
        A page that is not of the service sent it.
    """

    service: Service
    path: Mapping[str, Any]
    query: Query
    body: bytes
    headers: Mapping[str, str]
    url: str
    memory: RequestMemory
    head_only: bool = False
    is_cross_origin: bool = False

    @property
    def images(self) -> SourceImages:
        """The loader of tile images; pages of others are not told what is wrong with a file."""
        images = self.service.images
        return images.without_reasons() if self.is_cross_origin else images

    @property
    def stack_id(self) -> StackId:
        """The stack named in the path; IllegalArgumentError for a bad name."""
        return StackId(self.path["owner"], self.path["project"], self.path["stack"]).checked()

    def json(self) -> Any:
        """The parsed body, None when empty.

        Raises
        ------
        MalformedBodyError
            For what is no JSON.
        TooLargeError
            For values that need more memory than all requests may take together.
        BusyError
            For values that need more than the other requests leave.
        """
        if len(self.body) > SMALL:
            self.memory.work.grow(parsed_bytes(self.body), may_wait=True)
        return parse(self.body)

    def texts(self) -> list[str] | None:
        """The body as a list of texts, None when it is null."""
        value = self.json()
        return None if value is None else [entry for entry in _read_texts(value) if entry is not None]


_read_texts = list_reader(text)


def json_answer(value: Any) -> Response:
    """200 with a JSON value."""
    return json_bytes(dump(value))


def json_bytes(content: bytes) -> Response:
    """200 with JSON that is written already."""
    return Response(content, media_type=JSON)


def json_list(call: Call, entries: Iterable[bytes]) -> Response:
    """200 with a list of JSON values that are written already; errors as `RequestMemory.count_written`."""
    return json_bytes(b"".join(_list_parts(call, entries)))


def json_object(call: Call, value: Mapping[str, Any]) -> Response:
    """200 with an object, its lists written entry by entry: what they have in common is in memory once.

    Errors as `RequestMemory.count_written`.
    """
    parts = [b"{"]
    for name, entry in value.items():
        parts += [b"," if len(parts) > 1 else b"", dump(name), b":"]
        if isinstance(entry, list):
            parts += _list_parts(call, map(dump, entry))
        else:
            parts.append(dump(entry))
    return json_bytes(b"".join([*parts, b"}"]))


def _list_parts(call: Call, entries: Iterable[bytes]) -> list[bytes]:
    parts = []
    for entry in entries:
        call.memory.count_written(len(entry) + 1)
        parts += [b",", entry]
    return [b"[", *parts[1:], b"]"]


def text_answer(content: str, status: int = 200) -> Response:
    """A text; its type stays as render-ws spells it."""
    return Response(content.encode(), status, headers={"content-type": TEXT})


def done() -> Response:
    """200 without body."""
    return Response()


def created(call: Call) -> Response:
    """201 without body: something was stored."""
    return Response(status_code=201, headers={"location": call.url})


def no_content() -> Response:
    """204: the value asked for is null."""
    return Response(status_code=204)
