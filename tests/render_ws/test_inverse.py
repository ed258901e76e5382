"""Points of tiles in the world, and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest.render_ws.transforms.inverse import to_local, to_world, with_z
from asap_ingest.render_ws.transforms.triangle_mesh import Mesh, TriangleLocator, triangle_mesh
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

AFFINE = "mpicbg.trakem2.transform.AffineModel2D"
POLYNOMIAL = "mpicbg.trakem2.transform.PolynomialTransform2D"
MIRROR = "-1 0 0 1 500 0"
#: x + 1e-4 x^2, y + 5e-5 xy: bends tiles, but not over themselves.
BEND = "0 1 0 1e-4 0 0 0 0 1 0 5e-5 0"
#: x (1 - x / 100): what lies right of x = 50 comes back over the left half.
FOLD = "0 1 0 -1e-2 0 0 0 0 1 0 0 0"
#: Mapping to itself, which only a mesh can tell.
SAME = "0 1 0 0 0 0 0 0 1 0 0 0"


def spec(*data: str, width: float = 300, height: float = 200, **fields: Any) -> dict[str, Any]:
    """A tile; six numbers make an affine transform, more a polynomial."""
    leaves = [
        {
            "type": "leaf",
            "className": AFFINE if len(numbers.split()) == 6 else POLYNOMIAL,
            "dataString": numbers,
        }
        for numbers in data
    ]
    return {
        "tileId": "t",
        "z": 7.0,
        "width": float(width),
        "height": float(height),
        "transforms": {"type": "list", "specList": leaves},
        "meshCellSize": 64.0,
        **fields,
    }


def pixels(width: int, height: int, step: int = 1) -> np.ndarray:
    """All pixels of a tile, or those of a grid and of the border."""
    xs, ys = (sorted({*range(0, size, step), size - 1}) for size in (width, height))
    return np.array([[x, y] for y in ys for x in xs], np.float64)


def inner_pixels() -> np.ndarray:
    """Pixels that no bending puts outside of the mesh, whose border is made of straight pieces."""
    return pixels(295, 195, 7) + 2


@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-math.pi, math.pi),
    shear=st.floats(-1, 1),
    shift=st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    through_mesh=st.booleans(),
)
def test_affine_transforms_go_there_and_back(
    scale: float,
    angle: float,
    shear: float,
    shift: tuple[float, float],
    where: tuple[float, float],
    through_mesh: bool,
) -> None:
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    affine = f"{cosine!r} {sine!r} {-sine!r} {cosine!r} {shift[0]!r} {shift[1]!r}"
    tile = spec(*([SAME] if through_mesh else []), f"1 0 {shear!r} 1 0 0", affine)
    local = np.array([where]) * [299, 199]
    np.testing.assert_allclose(to_local(tile, to_world(tile, local)), local, rtol=1e-9, atol=1e-7)


@given(
    where=st.tuples(st.floats(-300, 600), st.floats(-200, 400)),
    angle=st.floats(-math.pi, math.pi),
    through_mesh=st.booleans(),
)
def test_points_outside_have_no_way_back(
    where: tuple[float, float], angle: float, through_mesh: bool
) -> None:
    turn = f"{math.cos(angle)!r} {math.sin(angle)!r} {-math.sin(angle)!r} {math.cos(angle)!r} 50 60"
    tile = spec(*([SAME] if through_mesh else []), turn)
    outside = max(-where[0], where[0] - 299, -where[1], where[1] - 199)
    found = to_local(tile, to_world(tile, np.array([where])))
    if outside > 1e-4:
        assert np.isnan(found).all()
    elif outside <= 0:
        np.testing.assert_allclose(found, [where], atol=1e-7)


@pytest.mark.parametrize("data", ["1 0 0 1 0 0", "0.8 0.6 -0.6 0.8 1e5 -2e5"])
@pytest.mark.parametrize("inner", [(), (SAME,)])
def test_every_pixel_comes_back(data: str, inner: tuple[str, ...]) -> None:
    tile = spec(*inner, data)
    local = pixels(300, 200, 7)
    np.testing.assert_allclose(to_local(tile, to_world(tile, local)), local, atol=1e-9)


def test_between_the_corners_of_the_mesh_places_are_near() -> None:
    tile = spec(BEND, "0.8 0.6 -0.6 0.8 1e5 -2e5")
    local = inner_pixels()
    error = np.abs(to_local(tile, to_world(tile, local)) - local).max()
    assert 1e-3 < error < 0.25


def test_the_last_pixel_is_the_end_of_a_tile() -> None:
    tile = spec("1 0 0 1 1000 1000")
    found = to_local(tile, np.array([[1299.0, 1199.0], [1299.5, 1199], [1299, 1199.5], [999.5, 1000]]))
    np.testing.assert_array_equal(np.isfinite(found[:, 0]), [True, False, False, False])


def test_corners_of_the_mesh_are_exact_and_its_cell_size_counts() -> None:
    tile = spec(BEND, "2 0 0 2 -700 300")
    corners = triangle_mesh(300.0, 200.0, 5).points
    np.testing.assert_allclose(to_local(tile, to_world(tile, corners)), corners, atol=1e-9)
    local = inner_pixels()
    coarse, fine = (
        np.abs(to_local(tile, to_world(tile, local), cell) - local).max() for cell in (128.0, 16.0)
    )
    assert 0 < fine < coarse / 16
    assert np.array_equal(
        to_local({**tile, "meshCellSize": 16.0}, to_world(tile, local)),
        to_local(tile, to_world(tile, local), 16.0),
    )


@pytest.mark.parametrize(
    "data",
    [
        (MIRROR,),
        (BEND, MIRROR),
        ("1 1 1 1 0 0",),
        ("0.1 0.3 0.1 0.3 5 5",),
        ("0.3 0.1 0.7 0.2 0 0", "1 3 -1 -3 0 0"),
        ("0 0 0 0 5 5",),
        ("NaN 0 0 1 0 0",),
        ("1 0 0 1 Infinity 0",),
        (BEND, "1 1 1 1 0 0"),
        ("0 0 0 0 0 0 0 0 1 0 0 0",),
        ("0 NaN 0 0 0 0 0 0 1 0 0 0",),
    ],
)
def test_mirrored_flat_and_endless_tiles_have_no_way_back(data: tuple[str, ...]) -> None:
    tile = spec(*data)
    points = np.concatenate([to_world(tile, pixels(300, 200, 50)), [[0, 0], [5, 5]]])
    assert np.isnan(to_local(tile, points)).all()


@pytest.mark.parametrize("data", [(MIRROR, MIRROR), (BEND, MIRROR, MIRROR), (f"0 -1{SAME[3:]}", MIRROR)])
def test_a_tile_mirrored_twice_has_a_way_back(data: tuple[str, ...]) -> None:
    tile = spec(*data)
    local = inner_pixels()
    np.testing.assert_allclose(to_local(tile, to_world(tile, local)), local, atol=0.25)


def test_of_a_folded_tile_only_the_side_that_is_not_turned_over_counts() -> None:
    tile = spec(FOLD, width=101, height=81, meshCellSize=10.0)
    found = to_local(tile, to_world(tile, np.array([[20.0, 40.0], [80.0, 40.0]])))
    np.testing.assert_allclose(found, [[20, 40], [20, 40]], atol=0.5)


@pytest.mark.parametrize(
    ("width", "height"), [(1, 200), (300, 1), (0, 0), (-5, -5), ("NaN", 5), ("Infinity", 5)]
)
def test_tiles_without_an_area_have_no_way_back(width: Any, height: Any) -> None:
    for data in ("1 0 0 1 0 0", SAME):
        tile = {**spec(data), "width": width, "height": height}
        assert np.isnan(to_local(tile, np.zeros((1, 2)))).all()


def test_without_transforms_the_world_is_the_tile() -> None:
    for tile in ({}, {"transforms": {"type": "list", "specList": []}}, spec()):
        points = np.array([[-5.0, 1e9]])
        assert np.array_equal(to_world(tile, points), points)
        assert np.array_equal(to_local(tile, points), points)
        assert to_local(tile, points) is not points


def test_points_that_are_no_numbers_have_no_way_back() -> None:
    odd = np.array([[math.nan, 1], [1, math.inf], [-math.inf, math.nan]])
    for data in ("1 0 0 1 0 0", BEND):
        assert np.isnan(to_local(spec(data), odd)).all()


def test_no_points_give_none() -> None:
    for tile in (spec(), spec("1 0 0 1 0 0"), spec(BEND)):
        assert to_local(tile, np.empty((0, 2))).shape == (0, 2)
        assert to_world(tile, np.empty((0, 2))).shape == (0, 2)


def test_transforms_are_applied_one_after_the_other() -> None:
    tile = spec("2 0 0 2 1 1", "0 1 -1 0 10 20")
    assert to_world(tile, np.array([[3.0, 4.0]])).tolist() == [[1.0, 27.0]]


def test_what_cannot_be_mapped_is_refused() -> None:
    points = np.zeros((1, 2))
    reference = {"type": "list", "specList": [{"type": "ref", "refId": "L"}]}
    for mapped in (to_world, to_local):
        with pytest.raises(IllegalArgumentError, match="'L'"):
            mapped({**spec(), "transforms": reference}, points)
    sizeless = {name: value for name, value in spec(BEND).items() if name != "width"}
    with pytest.raises(IllegalStateError, match="tile 't' has no width"):
        to_local(sizeless, points)
    with pytest.raises(IllegalArgumentError, match="meshCellSize"):
        to_local(spec(BEND), points, 1e-6)


def test_the_input_stays_as_it_is() -> None:
    points = pixels(300, 200, 50)
    before = points.copy()
    for tile in (spec(), spec("1 0 0 1 2 3"), spec(BEND)):
        to_world(tile, points)
        to_local(tile, points)
        assert np.array_equal(points, before)


def test_the_third_number_is_the_z_of_the_tile() -> None:
    points = np.array([[1.0, math.nan], [-math.inf, 4.5]])
    assert with_z({"z": 7.0}, points) == [[1.0, "NaN", 7.0], ["-Infinity", 4.5, 7.0]]
    assert with_z({}, points[1:, 1:].repeat(2, axis=1)) == [[4.5, 4.5]]


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    scale=st.sampled_from([1e-3, 1.0, 1e6]),
)
def test_the_locator_finds_what_looking_at_all_triangles_finds(seed: int, count: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (3 * count, 2))
    mesh = Mesh(corners, np.arange(3 * count).reshape(-1, 3))
    points = random.uniform(-10, 110, (50, 2)) * scale
    found = TriangleLocator(mesh, corners * scale, mirrored=False).sources_of(points)
    inside = np.array(
        [any(is_inside(corners[three] * scale, point) for three in mesh.triangles) for point in points]
    )
    np.testing.assert_array_equal(np.isfinite(found[:, 0]), inside)
    np.testing.assert_allclose(found[inside] * scale, points[inside], rtol=1e-6, atol=1e-6 * scale)


def is_inside(corners: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point is on the same side of all three edges."""
    along, toward = np.roll(corners, -1, axis=0) - corners, point - corners
    turns = along[:, 0] * toward[:, 1] - along[:, 1] * toward[:, 0]
    return bool((turns >= 0).all() or (turns <= 0).all())


def test_a_locator_of_flat_triangles_finds_nothing() -> None:
    mesh = triangle_mesh(100.0, 80.0, 4)
    flat = mesh.points * [1, 0]
    assert np.isnan(TriangleLocator(mesh, flat, mirrored=False).sources_of(flat)).all()
