"""Which boxes hold which points: as comparing each with each tells, and never too many at once."""

from __future__ import annotations

import numpy as np
import pytest

from asap_ingest.render_ws.coordinates import coordinate_search
from asap_ingest.render_ws.coordinates.coordinate_search import points_in_boxes
from tests.render_ws.client import StackClient, tile


def test_points_of_boxes_are_those_of_comparing_each_with_each() -> None:
    random = np.random.default_rng(3)
    points = random.integers(0, 12, (60, 2)).astype(np.float64)
    points[[5, 17], [0, 1]] = np.nan, np.inf
    corners = random.integers(0, 12, (40, 2))
    boxes = np.concatenate([corners, corners + random.integers(-1, 5, (40, 2))], axis=1).astype(np.float64)
    boxes[3] = np.nan
    expected = [
        (box, number)
        for box, (min_x, min_y, max_x, max_y) in enumerate(boxes)
        for number, (x, y) in enumerate(points)
        if min_x <= x <= max_x and min_y <= y <= max_y
    ]
    assert len(expected) > 50
    found = [(box, number) for box, inside in points_in_boxes(points, boxes) for number in inside.tolist()]
    assert found == expected


def test_pairs_of_all_layers_count(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = StackClient(server_url, "crowd").create(tile("a", 1.0), tile("b", 2.0))
    monkeypatch.setattr(coordinate_search, "MOST_PAIRS", 3)
    entries = [{"world": [5, 5, z]} for z in (1, 1, 2, 2)]
    assert stack.status("PUT", "/tileIdsForCoordinates", entries[:3]) == 200
    answer = stack.ask("PUT", "/tileIdsForCoordinates", entries)
    assert (answer.status, answer.body[:17]) == (400, b"more than 3 pairs")
