"""Requests that check JSON, and stored tiles, without changing anything."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import JSON, TEXT, Call, done, text_answer
from asap_ingest.render_ws.http.path_patterns import OWNER, TILE
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.tiles.tile_requests import require_tile
from asap_ingest.render_ws.wire.json_types import dump, list_reader
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, RequestError
from asap_ingest.render_ws.wire.tile_specs import read_tile, read_transform

#: Takes the parsed body, checks it, and gives what is told of it; RequestError when it is not valid.
Check = Callable[[Call, Any], str]
_PACKAGE = "org.janelia.alignment"


@dataclass(frozen=True)
class Kind:
    """A kind of JSON: what answers call it, how it is checked, its schema (see `Operation.body`)."""

    title: str
    check: Check
    body: str


def _check_transform(call: Call, value: Any) -> str:
    from asap_ingest.render_ws.transforms.specs import build

    spec = read_transform(value)
    build([spec])
    return f"{_PACKAGE}.spec.{spec['type'].capitalize()}TransformSpec@{zlib.crc32(dump(spec)):08x}"


def _check_tile(call: Call, value: Any) -> str:
    tile = read_tile(value)
    require_valid(call, tile)
    return str(tile.get("tileId", "null"))


def require_valid(call: Call, tile: dict[str, Any]) -> None:
    """Raise IllegalArgumentError for a tile without images, with a missing file or a bad transform."""
    from asap_ingest.render_ws.drawing.channels import source_urls, tile_channels
    from asap_ingest.render_ws.transforms.specs import build

    channels = tile_channels(tile)
    levels = [[*channel.images.values()] for channel in channels]
    if not all(images and all(image.get("imageUrl") for image in images) for images in levels):
        raise IllegalArgumentError(f"tile '{tile.get('tileId')}' has no images (mipmapLevels)")
    for url in source_urls(channels):
        call.images.check(url)
    build(tile["transforms"]["specList"])


def _check_render(call: Call, value: Any) -> str:
    from asap_ingest.render_ws.drawing.render_parameters import RenderParameters, from_json, to_json

    parameters = from_json(value)
    tiles = parameters.tile_specs or []
    for tile in tiles:
        require_valid(call, tile)
    usual = to_json(RenderParameters())
    told = {name: value for name, value in to_json(parameters).items() if value != usual.get(name)}
    told.pop("tileSpecs", None)
    fields = [
        f"tileSpecs=[{len(tiles)} items]",
        *(f"{name}={dump(value).decode()}" for name, value in told.items()),
    ]
    return f"{{{', '.join(fields)}}}"


def _list_of(check: Check, entries: str) -> Check:
    def check_all(call: Call, values: Any) -> str:
        for value in list_reader(lambda entry: entry)(values):
            check(call, value)
        return f"array of {len(values)} {entries}"

    return check_all


_TRANSFORM = f"{_PACKAGE}.spec.TransformSpec instance"
_TILE = f"{_PACKAGE}.spec.TileSpec instance"
KINDS = {
    "render": Kind(f"{_PACKAGE}.RenderParameters instance", _check_render, "RenderParameters"),
    "tile": Kind(_TILE, _check_tile, "Tile"),
    "tile-array": Kind(f"array of {_TILE}s", _list_of(_check_tile, "tile specifications"), "Tiles"),
    "transform": Kind(_TRANSFORM, _check_transform, "Transform"),
    "transform-array": Kind(
        f"array of {_TRANSFORM}s", _list_of(_check_transform, "transform specifications"), "Transforms"
    ),
}


def validate_json(kind: Kind, call: Call) -> Response:
    """Whether the body is valid: transforms are built, image files looked for, references refused."""
    try:
        told = kind.check(call, call.json())
    except RequestError as error:
        problem = f"Failed to parse {kind.title} from JSON text.  Specific error is: {error}\n"
        raise IllegalArgumentError(problem) from error
    return text_answer(f"Successfully parsed {kind.title} from JSON text.  Parsed value is: {told}.\n")


def get_validation_info(call: Call) -> Response:
    """Whether a stored tile is valid: image files are looked for, transforms built; nothing is said if so."""
    with call.service.store.reading() as session:
        record, row = require_tile(session, call.stack_id, call.path["tile"])
        tile = TransformLookup(session, record.key, call.memory.count_read).flattened(row)
    require_valid(call, tile)
    return done()


VALIDATION_OPERATIONS = (
    *(
        Operation(
            "PUT",
            f"{OWNER}/validate-json/{name}",
            partial(validate_json, kind),
            TEXT,
            JSON,
            any_type=True,
            body=kind.body,
        )
        for name, kind in KINDS.items()
    ),
    Operation("GET", f"{TILE}/validation-info", get_validation_info, TEXT),
)
