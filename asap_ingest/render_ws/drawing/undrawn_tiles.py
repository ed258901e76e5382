"""Tiles that are left out of a picture because their images cannot be drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from asap_ingest.render_ws.drawing.layers import Layer
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, one_line
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS


@dataclass(frozen=True)
class MissingTile:
    """A tile that is not in a picture.

    Attributes
    ----------
    box : tuple of int
        Left, top, right, bottom of the tile's stored box in pixels of the picture; may reach beyond it.
    """

    tile_id: str
    reason: str
    box: tuple[int, int, int, int]


class MissingTiles:
    """Collects the tiles of a layer that are left out of a picture while it is drawn, and the reasons."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}
        self._layer: Layer | None = None
        self._parameters = RenderParameters()

    def begin(self, layer: Layer, parameters: RenderParameters) -> None:
        """Set what is drawn: indices of tiles are those of this layer."""
        self._layer, self._parameters = layer, parameters

    def leave_out(self, index: int, error: IllegalArgumentError) -> None:
        """Add a tile; the first reason counts."""
        self.reasons.setdefault(index, one_line(error))

    def __len__(self) -> int:
        return len(self.reasons)

    def __iter__(self) -> Iterator[MissingTile]:
        if self._layer is None:
            return
        x, y, scale = self._parameters.x, self._parameters.y, self._parameters.scale
        for index, reason in self.reasons.items():
            # render parameters that a client sends may have tiles without boxes
            sides = (float(self._layer[index].get(name) or 0.0) for name in BOX_FIELDS)
            left, top, right, bottom = (
                _whole((side - start) * scale) for side, start in zip(sides, (x, y, x, y), strict=True)
            )
            yield MissingTile(self._layer.sources(index).tile_id, reason, (left, top, right, bottom))


def _whole(value: float) -> int:
    return round(value) if math.isfinite(value) else 0
