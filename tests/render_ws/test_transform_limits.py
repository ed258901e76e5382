"""Transforms of many landmarks and meshes of many points: what is computed and kept of them is bounded."""

from __future__ import annotations

import base64
import resource
import tracemalloc
import zlib
from collections.abc import Iterator

import numpy as np
import orjson
import pytest

from asap_ingest.render_ws.drawing.layers import layer_of
from asap_ingest.render_ws.drawing.warps import shared_warp
from asap_ingest.render_ws.memory.bounded_cache import BoundedCache
from asap_ingest.render_ws.transforms.classes import build_leaf
from asap_ingest.render_ws.transforms.specs import build
from asap_ingest.render_ws.transforms.transform_cache import TRANSFORM_CACHE, array_bytes, memoised
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh
from asap_ingest.render_ws.transforms.warp_classes import MOST_LANDMARKS, MOST_PAIRS
from asap_ingest.render_ws.wire.problems import RequestError
from tests.render_ws.client import leaf, tile

PACKAGE = "mpicbg.trakem2.transform."
MOVING, SPLINE = f"{PACKAGE}MovingLeastSquaresTransform2", f"{PACKAGE}ThinPlateSplineTransform"
ROOM = 2**22


@pytest.fixture
def small_cache() -> Iterator[BoundedCache]:
    room = TRANSFORM_CACHE._room
    TRANSFORM_CACHE.clear()
    TRANSFORM_CACHE.resize(ROOM)
    yield TRANSFORM_CACHE
    TRANSFORM_CACHE.resize(room)


def moving(landmarks: int) -> str:
    return "affine 2 1.0" + " 0 0 1 1 1" * landmarks


def spline(landmarks: int, content: bytes) -> str:
    return f"ThinPlateSplineR2LogR 2 {landmarks} null {base64.b64encode(zlib.compress(content)).decode()}"


@pytest.mark.parametrize(
    ("name", "data"), [(MOVING, moving(2_000)), (SPLINE, spline(2_000, bytes(2_000 * 32)))]
)
def test_points_times_landmarks_are_limited(name: str, data: str) -> None:
    transform = build_leaf(name, data)
    points = np.ones((MOST_PAIRS // 2_000 + 1, 2))
    with pytest.raises(RequestError, match=f"the limit is {MOST_PAIRS}: .* a larger meshCellSize"):
        transform(points)
    assert transform(points[:5]).shape == (5, 2)


@pytest.mark.parametrize(
    ("name", "data"),
    [(MOVING, moving(MOST_LANDMARKS + 5)), (SPLINE, spline(MOST_LANDMARKS + 1, b""))],
)
def test_landmarks_are_limited(name: str, data: str) -> None:
    with pytest.raises(RequestError, match=f"more than {MOST_LANDMARKS} landmarks"):
        build_leaf(name, data)


def test_a_spline_is_not_unpacked_beyond_its_landmarks() -> None:
    data = spline(1, bytes(2**28))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert build_leaf(SPLINE, data)(np.ones((1, 2))).shape == (1, 2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    cut = spline(3, bytes(range(96)))[:-12]
    with pytest.raises(RequestError, match="cannot be unpacked"):
        build_leaf(SPLINE, cut)


def test_meshes_are_kept_by_their_bytes(small_cache: BoundedCache) -> None:
    """Sixty of these, as many as were kept before, are 700 MB."""
    specs = orjson.dumps([leaf()])
    tracemalloc.start()
    for number in range(10):
        shared_warp(specs, 4000.0, 4000.0, 16.0).mesh(0, (4000, 4000 + number))
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 2 * ROOM
    warp = shared_warp(specs, 400.0, 300.0, 40.0)
    assert warp.mesh(0, (300, 400)) is warp.mesh(0, (300, 400))


def test_long_transforms_are_kept_by_their_bytes(small_cache: BoundedCache) -> None:
    landmarks = [bytes([n]) * 5000 * 32 for n in range(60)]
    specs = [{**leaf(), "className": SPLINE, "dataString": spline(5000, content)} for content in landmarks]
    tracemalloc.start()
    for spec in specs:
        build([spec])
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 2 * ROOM
    assert build([specs[-1]]) is build([specs[-1]])


def test_a_value_larger_than_the_room_leaves_the_others() -> None:
    cache: BoundedCache[str] = BoundedCache(100)
    cache.keep("a", "A", 60)
    cache.keep("b", "B", 101)
    assert (cache.get("a"), cache.get("b")) == ("A", None)
    cache.keep("a", "A2", 30)
    cache.keep("c", "C", 70)
    cache.resize(70)
    assert (cache.get("a"), cache.get("c")) == (None, "C")


def test_arrays_are_counted_where_they_are() -> None:
    mesh = triangle_mesh(40.0, 30.0, 4)
    assert array_bytes(mesh) == mesh.points.nbytes + mesh.triangles.nbytes
    assert array_bytes((mesh, None, "text", np.zeros(3))) == array_bytes(mesh) + 24
    assert memoised(("nothing",), lambda: None) is None


def test_tiles_share_the_text_of_their_warp() -> None:
    """A thousand tiles of a transform of 2 MB: 2 GB."""
    lens = {
        **leaf(),
        "className": f"{PACKAGE}PolynomialTransform2D",
        "dataString": "0 1 0 0 0 1" + " " * 10**6,
    }
    tiles = layer_of([tile(f"t{n}", specs=[lens, leaf(n)]) for n in range(20)])
    warps = {id(one.geometry(lambda: (100.0, 80.0)).warp.specs) for one in tiles.tiles}
    assert len(warps) == 1
