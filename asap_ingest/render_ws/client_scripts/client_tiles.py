"""What clients do with tiles: change transforms, compute boxes, validate, send."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from asap_ingest.render_ws.client_scripts.client_json import send
from asap_ingest.render_ws.client_scripts.client_options import ClientError, option
from asap_ingest.render_ws.drawing.channels import source_urls, tile_channels
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.store.resolved_tiles import accept, joined_collection
from asap_ingest.render_ws.transforms.classes import Affine, build_leaf
from asap_ingest.render_ws.wire.java_numbers import double_text
from asap_ingest.render_ws.wire.json_types import dump
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.tile_rows import TileRow
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, ResolvedTiles, read_tile
from asap_ingest.render_ws.wire.transform_specs import read_transform

Spec = dict[str, Any]
#: Returns what is wrong with a tile spec that has a box, or None.
Validator = Callable[[Spec], str | None]
#: Returns a new list of transforms from a list and one more.
Change = Callable[[list[Spec], Spec], list[Spec]]

AFFINE_CLASS = "mpicbg.trakem2.transform.AffineModel2D"
TEM_VALIDATOR = "org.janelia.alignment.spec.validator.TemTileSpecValidator"
#: Default limits in pixels, by their names in `--validatorData`.
TEM_LIMITS = {"minCoordinate": 0.0, "maxCoordinate": 400000.0, "minSize": 500.0, "maxSize": 5000.0}

logger = logging.getLogger(__name__)


def transforms_by_id(specs: Iterable[Any]) -> dict[str, Spec]:
    """Shared transforms by their id, the last of several with one id."""
    return {_required(spec, "id"): spec for spec in map(read_transform, specs)}


def tiles_by_id(specs: Iterable[Any]) -> dict[str, Spec]:
    """Complete tile specs by tile id, the last of several with one id."""
    return {_required(spec, "tileId"): spec for spec in map(read_tile, specs)}


def _required(spec: Spec, name: str) -> str:
    if name not in spec:
        raise ClientError(f"a spec without {name}: {str(spec)[:200]}")
    return str(spec[name])


def with_boxes(shared: Mapping[str, Spec], tiles: Iterable[Spec]) -> list[TileRow]:
    """Compute the bounding boxes of complete tile specs; one row per tile, in their order.

    Raises
    ------
    RequestError
        For a reference to what is not in `shared`, a transform that cannot be built, a tile without size.
    """
    return accept(ResolvedTiles(dict(shared), list(tiles)), derive=True, z=None)


def referenced(shared: Mapping[str, Spec], rows: Iterable[TileRow]) -> dict[str, Spec]:
    """Those shared transforms that the tiles refer to."""
    wanted = {name for refs in {row.refs for row in rows} if refs is not None for name in orjson.loads(refs)}
    return {name: spec for name, spec in shared.items() if name in wanted}


def put_tiles(url: str, shared: Mapping[str, Spec], rows: Sequence[TileRow]) -> None:
    """Send a resolved-tile collection."""
    send("PUT", url, joined_collection({name: dump(spec) for name, spec in shared.items()}, rows))


def concatenate_to_last(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Replace the last transform by itself followed by the new one, as one affine matrix.

    Raises
    ------
    ClientError
        Unless there is a last transform and both are affine.
    """
    if not specs:
        raise ClientError("there is no last transform to concatenate another one to")
    m00, m01, m02, m10, m11, m12 = _affine(specs[-1]).then(_affine(spec)).matrix
    text = " ".join(map(double_text, (m00, m10, m01, m11, m02, m12)))
    return [*specs[:-1], {"type": "leaf", "className": AFFINE_CLASS, "dataString": text}]


def _affine(spec: Spec) -> Affine:
    transform = None
    if spec.get("type") == "leaf":
        transform = build_leaf(str(spec.get("className")), str(spec.get("dataString")))
    if not isinstance(transform, Affine):
        raise ClientError(
            f"only affine transforms can be concatenated, not {str(spec)[:200]}; append it instead"
        )
    return transform


#: Changes by their names in the options of the clients.
CHANGES: dict[str, Change] = {
    "APPEND": lambda specs, spec: [*specs, spec],
    "INSERT_AS_FIRST": lambda specs, spec: [spec, *specs],
    "INSERT_BEFORE_LAST": lambda specs, spec: [*specs[:-1], spec, *specs[-1:]],
    "REPLACE_LAST": lambda specs, spec: [*specs[:-1], spec],
    "REPLACE_ALL": lambda specs, spec: [spec],
    "CONCATENATE_TO_LAST": concatenate_to_last,
    "PRE_CONCATENATE_LAST": concatenate_to_last,
}


def changed(tile: Spec, change: str, spec: Spec) -> Spec:
    """The tile spec with its transforms changed; `change` is a key of `CHANGES`."""
    transforms = tile["transforms"]
    return {**tile, "transforms": {**transforms, "specList": CHANGES[change](transforms["specList"], spec)}}


def _limits(text: str) -> Mapping[str, float]:
    """Read the limits of `TEM_LIMITS` that are not the default: `name:value,name:value`."""
    limits = dict(TEM_LIMITS)
    for setting in filter(None, text.split(",")):
        name, _, number = setting.partition(":")
        if name not in limits:
            raise ValueError(f"{name!r} is not one of {', '.join(limits)}")
        limits[name] = float(number)
    return limits


@dataclass(frozen=True, kw_only=True)
class ValidatorOptions:
    """Options of clients that validate tiles."""

    validator_class: str | None = option(
        "validatorClass", "validator whose refused tiles are left out", choices=[TEM_VALIDATOR]
    )
    validator_data: Mapping[str, float] | None = option(
        "validatorData", "settings of the validator: name:value,name:value", _limits
    )

    @property
    def validator(self) -> Validator | None:
        """The named validator, None without a name."""
        limits = self.validator_data or TEM_LIMITS
        return None if self.validator_class is None else partial(tem_problem, limits)


def tem_problem(limits: Mapping[str, float], tile: Spec) -> str | None:
    """The first thing wrong with a tile of a transmission electron microscope; None for a valid tile."""
    return next(_tem_problems(limits, tile), None)


def _tem_problems(limits: Mapping[str, float], tile: Spec) -> Iterator[str]:
    yield from _unreadable_images(tile)
    yield from (f"it has no {name}" for name in ("transforms", "z") if tile.get(name) is None)
    min_x, min_y, max_x, max_y = (float(tile[name]) for name in BOX_FIELDS)
    least, greatest = limits["minCoordinate"], limits["maxCoordinate"]
    for side in (min_x, min_y, max_x, max_y):
        if not least <= side <= greatest:
            yield f"its box reaches to {side}, which is not within {least} .. {greatest}"
    smallest, largest = limits["minSize"], limits["maxSize"]
    for size in (max_x - min_x, max_y - min_y):
        if not smallest <= size <= largest:
            yield f"its box is {size} long, which is not within {smallest} .. {largest}"


def _unreadable_images(tile: Spec) -> Iterator[str]:
    files = SourceImages(None, 0)
    for url in source_urls(tile_channels(tile)):
        try:
            files.check(url)
        except IllegalArgumentError as error:
            yield str(error)


def invalid_ids(validator: Validator | None, tiles: Iterable[Spec]) -> set[str]:
    """Ids of the tiles that the validator refuses, each logged with the reason; none without a validator."""
    if validator is None:
        return set()
    invalid = set()
    for tile in tiles:
        problem = validator(tile)
        if problem:
            logger.warning("tile %s is invalid: %s", tile["tileId"], problem)
            invalid.add(str(tile["tileId"]))
    return invalid


def valid_rows(validator: Validator | None, rows: Sequence[TileRow]) -> list[TileRow]:
    """The tiles that the validator does not refuse; all of them without a validator."""
    invalid = invalid_ids(validator, (row.parsed() for row in rows))
    return [row for row in rows if row.tile_id not in invalid]
