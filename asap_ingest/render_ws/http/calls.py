"""What a handler receives: one request, and the service that all requests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from asap_ingest.render_ws.drawing.layers import StackLayers
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.http.metrics import Metrics
from asap_ingest.render_ws.memory.bounded_cache import CacheState
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS, Limits
from asap_ingest.render_ws.memory.memory_budget import SMALL, RequestMemory, ServiceMemory
from asap_ingest.render_ws.store import Session, Store
from asap_ingest.render_ws.transforms.transform_cache import TRANSFORM_CACHE
from asap_ingest.render_ws.wire.json_types import Reader, parse, parsed_bytes
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, RequestError


class Service:
    """What all requests share: the store, caches of images and layers, memory budgets and metrics.

    Parameters
    ----------
    image_roots : sequence of Path or None
        Folders that tile images may be read from; None allows any.
    limits : Limits
        Sizes of requests, answers and caches.
    """

    def __init__(
        self,
        store: Store,
        image_roots: Sequence[Path] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        # requests run in parallel already: more threads inside each would only compete with one another
        cv2.setNumThreads(1)
        TRANSFORM_CACHE.resize(limits.transform_cache_bytes)
        self.store = store
        self.limits = limits
        self.memory = ServiceMemory(limits)
        self.images = SourceImages(image_roots, limits.image_cache_bytes, limits.source_bytes)
        self.layers = StackLayers(limits.layer_cache_bytes)
        self.metrics = Metrics(self.cache_states)

    def cache_states(self) -> dict[str, CacheState]:
        """State of the caches by name; all services of a process share that of transforms."""
        return {
            "transforms": TRANSFORM_CACHE.state,
            "images": self.images.cache_state,
            "layers": self.layers.cache_state,
        }


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes
    ----------
    path : mapping
        Values in the path by name.
    query : Query
        The query, of the class that the operation declares.
    reader : callable or None
        Reader of the JSON body, as the operation declares it.
    url : str
        Request URI as sent, query included: the `Location` of what it stores.
    memory : RequestMemory
        Its share of the memory budgets.
    head_only : bool
        The method is HEAD: a handler may leave out a body that takes long to compute.
    is_cross_origin : bool
        The request comes from a web page of another origin.
    """

    service: Service
    path: Mapping[str, Any]
    query: Any
    body: bytes
    reader: Reader | None
    headers: Mapping[str, str]
    url: str
    memory: RequestMemory
    head_only: bool = False
    is_cross_origin: bool = False

    @property
    def images(self) -> SourceImages:
        """The loader of tile images; its errors give no reasons to pages of other origins."""
        images = self.service.images
        return images.without_reasons() if self.is_cross_origin else images

    @property
    def stack_id(self) -> StackId:
        """The stack named in the path; IllegalArgumentError for an invalid name."""
        return StackId(self.path["owner"], self.path["project"], self.path["stack"]).checked()

    def reading(self) -> AbstractContextManager[Session]:
        """Context of one consistent view of the database."""
        return self.service.store.reading()

    def writing(self) -> AbstractContextManager[Session]:
        """Context of one transaction that changes the database."""
        return self.service.store.writing()

    def json(self) -> Any:
        """The JSON body as the declared reader returns it; None for null and an empty body.

        Raises
        ------
        MalformedBodyError
            For anything but JSON of the right type.
        TooLargeError
            For values that need more memory than all requests may use together.
        BusyError
            For values that need more than the other requests leave.
        """
        if len(self.body) > SMALL:
            self.memory.work.grow(parsed_bytes(self.body), may_wait=True)
        value = parse(self.body)
        return value if value is None or self.reader is None else self.reader(value)

    def required_json(self, what: str, problem: type[RequestError] = IllegalArgumentError) -> Any:
        """`json()`, but `problem` instead of None; its message names `what` the body should hold."""
        value = self.json()
        if value is None:
            raise problem(f"no {what} given")
        return value
