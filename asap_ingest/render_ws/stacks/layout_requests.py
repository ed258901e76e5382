"""Requests for layout files: the positions of tiles as a table for other alignment tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asap_ingest.render_ws.drawing.channels import tile_channels
from asap_ingest.render_ws.drawing.image_urls import local_path
from asap_ingest.render_ws.http.answers import TEXT
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import LAYER, STACK, TILE, V1, Operations
from asap_ingest.render_ws.http.queries import IllTypedError, Query, ZRange
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.store import TileFilter
from asap_ingest.render_ws.transforms.classes import Affine, build_leaf
from asap_ingest.render_ws.wire.java_numbers import double_text, truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

JsonObject = dict[str, Any]
#: Makes the first line of a file from the bounds of the stack, which only one with stats has.
Head = Callable[[Mapping[str, float] | None], str]
#: Makes the line of a tile from its spec, the path of its image, if it has one, and its URL.
Line = Callable[[JsonObject, str | None, str], str]
ABSENT = "null"
DEFAULT_FORMAT = "KARSH"
LAYOUT_OPERATIONS = Operations("Contents of a stack")
answers = LAYOUT_OPERATIONS.answers


def karsh_line(tile: JsonObject, image_path: str | None, url: str) -> str:
    """Section, tile, position, column, row, camera, image, temca, rotation, z, `url`, separated by tabs."""
    layout = tile.get("layout", {})
    columns = [
        _text(layout.get("sectionId")),
        _text(tile.get("tileId")),
        *_position(tile),
        *(_text(layout.get(name)) for name in ("imageCol", "imageRow", "camera")),
        _text(image_path),
        *(_text(layout.get(name)) for name in ("temca", "rotation")),
        _text(tile.get("z")),
        url,
    ]
    return "\t".join(columns) + "\n"


def scheffer_line(tile: JsonObject, image_path: str | None, url: str) -> str:
    """`TRANSFORM`, the image in quotes, position, width and height in pixels (-1 where unknown)."""
    size = (str(truncate_to_int(float(tile.get(name, -1)))) for name in ("width", "height"))
    return " ".join(["TRANSFORM", f"'{_text(image_path)}'", *_position(tile), *size]) + "\n"


def scheffer_head(bounds: Mapping[str, float] | None) -> str:
    """`BBOX` and the bounds of the stack in x and y, which only a COMPLETE stack has."""
    corners = [] if bounds is None else [bounds[name] for name in ("minX", "minY", "maxX", "maxY")]
    return f"BBOX {' '.join(map(_text, corners))}\n"


def _position(tile: JsonObject) -> list[str]:
    """The matrix of the last transform row by row; if that is not affine, a shift by the stage position."""
    specs = tile["transforms"]["specList"]
    last = specs[-1] if specs else {}
    if last.get("type") == "leaf" and {"className", "dataString"} <= last.keys():
        transform = build_leaf(last["className"], last["dataString"])
        if isinstance(transform, Affine):
            return [double_text(value) for value in transform.matrix]
    layout = tile.get("layout", {})
    return ["1.0", "0.0", _text(layout.get("stageX")), "0.0", "1.0", _text(layout.get("stageY"))]


def _text(value: float | str | None) -> str:
    if value is None:
        return ABSENT
    return double_text(value) if isinstance(value, float) else str(value)


#: By name: columns of the database that tiles are sorted by, first line, line of a tile.
FORMATS: dict[str, tuple[Sequence[str], Head, Line]] = {
    "KARSH": (("z", "min_y", "min_x", "tile_id"), lambda bounds: "", karsh_line),
    "SCHEFFER": (("z", "tile_id"), scheffer_head, scheffer_line),
}


@dataclass(frozen=True)
class FormatQuery(Query):
    """The format of a layout file: a key of `FORMATS`."""

    format: str | None = DEFAULT_FORMAT


@dataclass(frozen=True)
class StackLayoutQuery(ZRange, FormatQuery):
    """The format, and limits of z."""


@answers("GET", f"{STACK}/layoutFile", TEXT, query=StackLayoutQuery)
@answers("GET", f"{LAYER}/layoutFile", TEXT, query=FormatQuery)
@answers("GET", f"{STACK}/zRange/{{minZ:double}},{{maxZ:double}}/layoutFile", TEXT, query=FormatQuery)
def get_layout_file(call: Call) -> str:
    """Get a layout file: the positions of the tiles of a stack, a layer or a range of z."""
    if call.query.format not in FORMATS:
        raise IllTypedError(f"layout format {call.query.format!r} is not one of {sorted(FORMATS)}")
    order, head, line = FORMATS[call.query.format]
    given = {**call.query.by_parameter(), **call.path}
    which = TileFilter(z=given.get("z"), min_z=given.get("minZ"), max_z=given.get("maxZ"))
    with call.reading() as session:
        record = require_stack(session, call.stack_id)
        lines = [head(None if record.stats is None else record.stats["stackBounds"])]
        for row in session.each_tile(record.key, which, order=order):
            tile = row.parsed()
            url = _parameters_url(call, tile.get("tileId"))
            try:
                lines.append(line(tile, image_path(tile), url))
            except IllegalArgumentError as error:
                raise IllegalArgumentError(f"tile '{tile.get('tileId')}': {error}") from error
            call.memory.count_written(len(lines[-1]))
    return "".join(lines)


def image_path(tile: JsonObject) -> str | None:
    """Path of the first image of a tile, or its URL if that is not a file; None without image."""
    first: dict[str, str] = next(iter(tile_channels(tile)[0].images.values()), {})
    url = first.get("imageUrl")
    try:
        return None if url is None else str(Path(local_path(url)))
    except IllegalArgumentError:
        return url


def _parameters_url(call: Call, tile_id: str | None) -> str:
    names = {name: call.path[name] for name in ("owner", "project", "stack")}
    path = TILE.format(**names, tile=quote(str(tile_id), safe=""))
    return f"{call.url.partition(f'{V1}/')[0]}{path}/render-parameters"
