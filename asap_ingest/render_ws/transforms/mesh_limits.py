"""How many points a tile may be sampled at, and by how many landmarks: tile specs decide that."""

from __future__ import annotations

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

#: A tile of 4096 x 4096 pixels with cells of 4 pixels.
MOST_POINTS = 2**20


#: Landmarks of a transform, and points that are mapped times landmarks: some seconds of computing.
MOST_LANDMARKS, MOST_PAIRS = 2**16, 2**30


def check_landmarks(landmarks: int, class_name: str) -> None:
    """Refuse a transform of more than `MOST_LANDMARKS`, with IllegalArgumentError."""
    if landmarks > MOST_LANDMARKS:
        raise IllegalArgumentError(f"{class_name}: more than {MOST_LANDMARKS} landmarks, which is the limit")


def check_pairs(points: int, landmarks: int) -> None:
    """Refuse to map too many points by too many landmarks.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_PAIRS` pairs of a point and a landmark.
    """
    if points * landmarks > MOST_PAIRS:
        raise IllegalArgumentError(
            f"{points} points mapped by {landmarks} landmarks are {points * landmarks} pairs, the limit is "
            f"{MOST_PAIRS}: give fewer points or landmarks, or the tile a larger meshCellSize"
        )


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
