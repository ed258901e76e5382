"""How much memory requests, answers and caches may take: one table, read by the service and its command."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

MEGABYTE = 2**20
MEGAPIXEL = 10**6
#: Tiles of one answer.
MOST_TILES = 50_000


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, what requests under way may hold together, and how much is kept.

    The defaults suit a machine of 8 GB.

    Attributes
    ----------
    body_bytes : int
        A request body.
    bodies_bytes : int
        Bodies under way together, as far as they have arrived, until each is answered.
    answer_bytes : int
        What an answer is made of and, apart from that, its JSON.
    work_bytes : int
        What large bodies are parsed to, pictures while they are drawn, and answers until they are sent:
        of all requests under way together.
    image_pixels : int
        A picture, over all channels that are mixed.
    source_bytes : int
        Decoded samples of a tile's image or mask, and of all that are being decoded at once.
    image_cache_bytes, layer_cache_bytes, transform_cache_bytes : int
        Decoded images; tiles of layers; long transforms, meshes and tables made of transforms.
    tile_specs : int or None
        Tiles of an image: more become outlines, unless the request has a limit of its own; None: any number.
    """

    body_bytes: int = 256 * MEGABYTE
    image_pixels: int = 200 * MEGAPIXEL
    tile_specs: int | None = None
    bodies_bytes: int = 512 * MEGABYTE
    answer_bytes: int = 512 * MEGABYTE
    work_bytes: int = 2048 * MEGABYTE
    source_bytes: int = 512 * MEGABYTE
    image_cache_bytes: int = 512 * MEGABYTE
    layer_cache_bytes: int = 256 * MEGABYTE
    transform_cache_bytes: int = 256 * MEGABYTE


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Setting:
    """What sets a limit.

    Attributes
    ----------
    setting : str
        Name of the argument, which errors tell.
    field : str
        Of `Limits`.
    unit : int
        Bytes or pixels that the argument counts.
    what : str
        What is limited, for people.
    """

    setting: str
    field: str
    unit: int
    what: str

    @property
    def default(self) -> int:
        """In units."""
        return int(getattr(DEFAULT_LIMITS, self.field)) // self.unit


#: MB are 2**20 bytes.
SETTINGS = (
    Setting("max_body_mb", "body_bytes", MEGABYTE, "largest request body, MB"),
    Setting("max_bodies_mb", "bodies_bytes", MEGABYTE, "bodies of requests under way together, MB"),
    Setting(
        "max_work_mb",
        "work_bytes",
        MEGABYTE,
        "what requests under way hold together: large bodies parsed, pictures until they are encoded, "
        "answers until they are sent, MB",
    ),
    Setting(
        "max_answer_mb", "answer_bytes", MEGABYTE, "largest JSON answer, and what is read to make it, MB each"
    ),
    Setting(
        "max_image_megapixels",
        "image_pixels",
        MEGAPIXEL,
        "largest image answer, over all channels, megapixels",
    ),
    Setting(
        "max_source_mb",
        "source_bytes",
        MEGABYTE,
        "decoded samples of an image or mask of a tile, and of all that are decoded at once, MB",
    ),
    Setting("image_cache_mb", "image_cache_bytes", MEGABYTE, "cache of decoded images and their levels, MB"),
    Setting("layer_cache_mb", "layer_cache_bytes", MEGABYTE, "cache of the tiles of layers, MB"),
    Setting(
        "transform_cache_mb",
        "transform_cache_bytes",
        MEGABYTE,
        "cache of meshes and tables of transforms, MB",
    ),
)


class TooLargeError(IllegalArgumentError):
    """A request that would take more room than the service allows; the text names both sizes."""

    def __init__(self, what: str, asked: str, allowed: str, setting: str) -> None:
        super().__init__(f"{what} {asked}, the limit of this service is {allowed} (setting {setting})")
        self.asked = asked
        self.allowed = allowed
        self.setting = setting


class BusyError(TooLargeError):
    """A request that would fit alone, but not beside the others that are under way: 413, to be sent again."""

    status = 413
    headers = {"retry-after": "2"}
