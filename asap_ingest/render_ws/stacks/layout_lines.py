"""Lines of layout files: where the tiles of a stack lie, as a table for other alignment tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.transforms.classes import Affine, build_leaf
from asap_ingest.render_ws.wire.double_text import double_text
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int

JsonObject = dict[str, Any]
ABSENT = "null"
#: Columns of KARSH after the six of the position; the path of the image goes behind `camera`.
_BEFORE_PATH = ("imageCol", "imageRow", "camera")
_AFTER_PATH = ("temca", "rotation")


def karsh_line(tile: JsonObject, image_path: str | None, url: str) -> str:
    """Section, tile, position, column, row, camera, image, temca, rotation, z, `url`; between them tabs."""
    layout = tile.get("layout", {})
    columns = [
        *(_text(layout.get("sectionId")), _text(tile.get("tileId"))),
        *_position(tile),
        *(_text(layout.get(name)) for name in _BEFORE_PATH),
        _text(image_path),
        *(_text(layout.get(name)) for name in _AFTER_PATH),
        *(_text(tile.get("z")), url),
    ]
    return "\t".join(columns) + "\n"


def scheffer_line(tile: JsonObject, image_path: str | None, url: str) -> str:
    """`TRANSFORM`, the image in quotes, position, width and height in pixels (-1 where unknown)."""
    size = (str(truncate_to_int(float(tile.get(name, -1)))) for name in ("width", "height"))
    return " ".join(["TRANSFORM", f"'{_text(image_path)}'", *_position(tile), *size]) + "\n"


def no_head(bounds: Mapping[str, float] | None) -> str:
    """Nothing."""
    return ""


def scheffer_head(bounds: Mapping[str, float] | None) -> str:
    """`BBOX` and the box of the stack in x and y, which only a COMPLETE stack has."""
    corners = [] if bounds is None else [bounds[name] for name in ("minX", "minY", "maxX", "maxY")]
    return f"BBOX {' '.join(map(_text, corners))}\n"


@dataclass(frozen=True)
class LayoutFormat:
    """A form of layout files.

    Attributes
    ----------
    order : tuple of str
        Columns of the store that tiles are sorted by.
    head : callable
        First line, from the bounds of the stack if there are any.
    line : callable
        Line of a tile, from its spec, the path of its image if it has one, and its URL.
    """

    order: tuple[str, ...]
    head: Callable[[Mapping[str, float] | None], str]
    line: Callable[[JsonObject, str | None, str], str]


FORMATS = {
    "KARSH": LayoutFormat(("z", "min_y", "min_x", "tile_id"), no_head, karsh_line),
    "SCHEFFER": LayoutFormat(("z", "tile_id"), scheffer_head, scheffer_line),
}


def _position(tile: JsonObject) -> list[str]:
    """m00, m01, m02, m10, m11, m12 of the last transform, or the stage position where that is not affine."""
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
