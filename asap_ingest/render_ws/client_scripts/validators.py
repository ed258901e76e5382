"""Checks of tiles that clients make on demand, under the Java names of the validators.

A validator gives for a tile spec with box what is wrong with it, or None.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.client_scripts.options import Arguments, Option, OptionError
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Spec = dict[str, Any]
Validator = Callable[[Spec], str | None]

VALIDATOR_OPTIONS = (
    Option("validatorClass", "Java name of a validator; tiles that it refuses are left out"),
    Option("validatorData", "settings of the validator: name:value,name:value"),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TemTileValidator:
    """Limits for tiles of a transmission electron microscope, in pixels."""

    least: float = 0.0
    greatest: float = 400000.0
    smallest: float = 500.0
    largest: float = 5000.0

    def __call__(self, tile: Spec) -> str | None:
        """What is wrong with the tile, None for nothing."""
        return next(self._complaints(tile), None)

    def _complaints(self, tile: Spec) -> Iterator[str]:
        yield from _missing_images(tile)
        yield from (f"it has no {name}" for name in ("transforms", "z") if tile.get(name) is None)
        min_x, min_y, max_x, max_y = (float(tile[name]) for name in ("minX", "minY", "maxX", "maxY"))
        for side in (min_x, min_y, max_x, max_y):
            if not self.least <= side <= self.greatest:
                yield f"its box reaches to {side}, which is not within {self.least} .. {self.greatest}"
        for size in (max_x - min_x, max_y - min_y):
            if not self.smallest <= size <= self.largest:
                yield f"its box is {size} long, which is not within {self.smallest} .. {self.largest}"


def _missing_images(tile: Spec) -> Iterator[str]:
    files = SourceImages(None, 0)
    for url in _urls(tile):
        try:
            files.check(url)
        except IllegalArgumentError as error:
            yield str(error)


def _urls(tile: Spec) -> Iterator[str]:
    for levels in (tile, *(tile.get("channels") or [])):
        for image in (levels.get("mipmapLevels") or {}).values():
            yield from (image[name] for name in ("imageUrl", "maskUrl") if image and image.get(name))


#: Name in the data -> field of the validator.
_TEM_SETTINGS = {
    "minCoordinate": "least",
    "maxCoordinate": "greatest",
    "minSize": "smallest",
    "maxSize": "largest",
}


def _tem_validator(data: str) -> Validator:
    limits = {}
    for setting in filter(None, data.split(",")):
        name, _, text = setting.partition(":")
        if name not in _TEM_SETTINGS:
            raise ValueError(f"{name!r} is none of {', '.join(_TEM_SETTINGS)}")
        limits[_TEM_SETTINGS[name]] = float(text)
    return TemTileValidator(**limits)


VALIDATORS: dict[str, Callable[[str], Validator]] = {
    "org.janelia.alignment.spec.validator.TemTileSpecValidator": _tem_validator,
}


def chosen_validator(arguments: Arguments) -> Validator | None:
    """The validator that the options name, None without; OptionError for an unknown one or bad data."""
    name, data = arguments["validatorClass"], arguments["validatorData"] or ""
    if name is None:
        return None
    if name not in VALIDATORS:
        raise OptionError("--validatorClass", f"{name!r} is not there; there are {', '.join(VALIDATORS)}")
    try:
        return VALIDATORS[name](data)
    except ValueError as error:
        raise OptionError("--validatorData", f"{data!r} cannot be used: {error}") from error


def invalid_ids(validator: Validator | None, tiles: Iterable[Spec]) -> set[str]:
    """Ids of the tiles that the validator refuses, each logged with the reason; none without a validator."""
    found = set()
    for tile in tiles if validator else ():
        complaint = validator(tile) if validator else None
        if complaint:
            logger.warning("tile %s is invalid: %s", tile["tileId"], complaint)
            found.add(str(tile["tileId"]))
    return found
