"""How large a request and an image may be."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ingest.render_ws.problems import IllegalArgumentError

MEGABYTE = 2**20
MEGAPIXEL = 10**6
#: Tiles of one answer.
MOST_TILES = 50_000


@dataclass(frozen=True)
class Limits:
    """Bytes of a request body, pixels of an image answer over all channels that are mixed, and its tiles.

    More tiles than `tile_specs` become outlines, unless the request has a limit of its own; None: any number.
    """

    body_bytes: int = 1024 * MEGABYTE
    image_pixels: int = 400 * MEGAPIXEL
    tile_specs: int | None = None


DEFAULT_LIMITS = Limits()


class TooLargeError(IllegalArgumentError):
    """A request that would take more room than the service allows; the text names both sizes."""

    def __init__(self, what: str, asked: str, allowed: str, setting: str) -> None:
        super().__init__(f"{what} {asked}, the limit of this service is {allowed} (setting {setting})")
        self.asked = asked
        self.allowed = allowed
        self.setting = setting
