"""Limits on the memory of requests, answers and caches, with the arguments that set them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

MEGABYTE = 2**20
MEGAPIXEL = 10**6
#: Most tiles in one answer, and in a cached layer.
MOST_TILES = 50_000


def _limit(default: int, setting: str, what: str, unit: int = MEGABYTE) -> Any:
    return field(default=default * unit, metadata={"setting": setting, "unit": unit, "what": what})


@dataclass(frozen=True)
class Limits:
    """Sizes of single requests, of all requests in progress together, and of caches.

    The defaults suit a machine with 8 GB. MB are 2**20 bytes. Images of more than `tile_specs` tiles show
    outlines, unless the request has a limit of its own; None is no limit.
    """

    body_bytes: int = _limit(256, "max_body_mb", "largest request body, MB")
    bodies_bytes: int = _limit(512, "max_bodies_mb", "bodies of all requests in progress, MB")
    work_bytes: int = _limit(
        2048,
        "max_work_mb",
        "memory of all requests in progress: large bodies when parsed, pictures until they are encoded, "
        "answers until they are sent, MB",
    )
    answer_bytes: int = _limit(
        512, "max_answer_mb", "largest JSON answer, and data read from the database to make it, MB each"
    )
    image_pixels: int = _limit(
        200, "max_image_megapixels", "largest image answer, over all channels, megapixels", MEGAPIXEL
    )
    source_bytes: int = _limit(
        512, "max_source_mb", "decoded samples of an image or mask of a tile, and of all being decoded, MB"
    )
    image_cache_bytes: int = _limit(512, "image_cache_mb", "cache of decoded images and their levels, MB")
    layer_cache_bytes: int = _limit(256, "layer_cache_mb", "cache of the tiles of layers, MB")
    transform_cache_bytes: int = _limit(
        256, "transform_cache_mb", "cache of long transforms, meshes and inverse maps, MB"
    )
    tile_specs: int | None = None


DEFAULT_LIMITS = Limits()
#: The fields that have a setting. Their metadata: `setting`, the argument that sets the limit, which messages
#: mention; `unit`, bytes or pixels per unit of the argument; `what`, its help text.
SETTINGS = tuple(limit for limit in fields(Limits) if limit.metadata)


class TooLargeError(IllegalArgumentError):
    """A request that needs more than a limit allows; the message gives both sizes."""

    def __init__(self, what: str, needed: str, allowed: str, setting: str) -> None:
        super().__init__(f"{what} {needed}, the limit of this service is {allowed} (setting {setting})")


class BusyError(TooLargeError):
    """A request that exceeds a limit only together with others in progress: 413, may be sent again."""

    status = 413
    headers = {"retry-after": "2"}
