"""Channels of tiles and the weights with which they are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from asap_ingest.render_ws.wire.java_numbers import parse_double
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Channel:
    """One channel of a tile: its intensity range and its images by mipmap level, ascending.

    `chosen` caches the `LevelImages` of levels, for `mipmap_levels.choose_images`.
    """

    name: str | None
    min_intensity: float
    max_intensity: float
    images: dict[int, JsonObject] = field(default_factory=dict)
    chosen: dict[int, Any] = field(default_factory=dict)


def parse_channels(text: str | None) -> dict[str | None, float]:
    """Read `NAME` or `A__0.9__B__0.1`: weights by channel name; {} for None.

    An empty text is a name too, though of no channel. A last name without a weight is ignored.

    Raises
    ------
    IllegalArgumentError
        For a weight that is not a number, or weights whose sum is above 1.
    """
    if text is None:
        return {}
    parts = text.split("__")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) == 1:
        return {parts[0]: 1.0}
    try:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        weights: dict[str | None, float] = {name: parse_double(weight) for name, weight in pairs}
    except ValueError as error:
        raise IllegalArgumentError(f"channels {text!r}: expected NAME or A__0.9__B__0.1 ({error})") from error
    if sum(weights.values()) > 1.0:
        raise IllegalArgumentError(f"channels {text!r}: weights are more than 1 together")
    return weights


def tile_channels(tile: JsonObject) -> list[Channel]:
    """The channels of a tile; if its spec has none, an unnamed one of its own images and range."""
    # older databases hold nulls
    specs = [spec for spec in tile.get("channels") or () if spec]
    return [_channel(spec) for spec in specs or [tile]]


def _channel(spec: JsonObject) -> Channel:
    images = {int(level): image for level, image in (spec.get("mipmapLevels") or {}).items()}
    low, high = spec.get("minIntensity"), spec.get("maxIntensity")
    return Channel(
        spec.get("name"),
        0.0 if low is None else float(low),
        255.0 if high is None else float(high),
        dict(sorted(images.items())),
    )


def source_urls(channels: Sequence[Channel]) -> tuple[str, ...]:
    """URLs of all images and masks of channels."""
    images = [image for channel in channels for image in channel.images.values()]
    urls = (image.get(name) for image in images for name in ("imageUrl", "maskUrl"))
    return tuple(url for url in urls if url is not None)
