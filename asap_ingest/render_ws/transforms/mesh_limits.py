"""How many points a tile may be sampled at: tile specs decide that, by their sizes and mesh cell size."""

from __future__ import annotations

from asap_ingest.render_ws.problems import IllegalArgumentError

#: A tile of 4096 x 4096 pixels with cells of 4 pixels.
MOST_POINTS = 2**20


def check_points(width: float, height: float, cell: float, points: float) -> None:
    """Refuse to sample a tile at too many points, or at a number of points that is not finite.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_POINTS`.
    """
    if not points <= MOST_POINTS:
        raise IllegalArgumentError(
            f"a tile of {width:g} x {height:g} pixels with mesh cells of {cell:g} pixels needs {points:g} "
            f"points, the limit is {MOST_POINTS}: give it a larger meshCellSize"
        )
