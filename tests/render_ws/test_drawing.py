"""Drawing of small arrays: geometry, borders, intensities, masks, channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest.render_ws.drawing import tiles
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.draw import canvas_size, draw
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

RAMP = (np.arange(20 * 24).reshape(20, 24) % 251).astype(np.uint8)
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def make_tile(tmp_path: Path) -> Make:
    """Writes an image (and mask) and gives a tile spec for it."""
    count = iter(range(100))

    def write(image: np.ndarray) -> str:
        path = tmp_path / f"{next(count)}.tif"
        tifffile.imwrite(path, image, photometric="rgb" if image.ndim == 3 else "minisblack", metadata=None)
        return str(path)

    def make(
        image: np.ndarray, *data: str, mask: np.ndarray | None = None, name: str = "Affine", **fields: Any
    ) -> dict[str, Any]:
        levels = {"0": {"imageUrl": write(image), **({} if mask is None else {"maskUrl": write(mask)})}}
        class_name = {"Affine": "AffineModel2D", "Polynomial": "PolynomialTransform2D"}[name]
        specs = [
            {"type": "leaf", "className": f"mpicbg.trakem2.transform.{class_name}", "dataString": text}
            for text in data
        ]
        return {
            "tileId": f"t{next(count)}",
            "width": float(image.shape[1]),
            "height": float(image.shape[0]),
            "mipmapLevels": levels,
            "transforms": {"type": "list", "specList": specs},
            "meshCellSize": 64.0,
            **fields,
        }

    return make


def picture(*tiles: dict[str, Any], width: int = 24, height: int = 20, **parameters: Any) -> Canvas:
    asked = RenderParameters(width=width, height=height, tile_specs=list(tiles), **parameters)
    return draw(asked, SourceImages(None, 2**20))


def gray(canvas: Canvas) -> np.ndarray:
    assert canvas.is_drawn
    return canvas.values


def without_last(image: np.ndarray) -> np.ndarray:
    """The image with its last row and column black."""
    cut = image.copy()
    cut[-1], cut[:, -1] = 0, 0
    return cut


def test_identity_is_exact_but_for_the_last_row_and_column(make_tile: Make) -> None:
    assert np.array_equal(gray(picture(make_tile(RAMP))), without_last(RAMP))


@pytest.mark.parametrize(("dx", "dy"), [(5, 3), (-5, -3), (0, 30), (1000, 0), (23, 19)])
def test_integer_shift_is_exact(make_tile: Make, dx: int, dy: int) -> None:
    expected = np.zeros((80, 80), np.uint8)
    expected[30 : 30 + 20, 30 : 30 + 24] = without_last(RAMP)
    drawn = gray(
        picture(
            make_tile(RAMP, f"1 0 0 1 {dx} {dy}"), x=float(dx - 30), y=float(dy - 30), width=80, height=80
        )
    )
    assert np.array_equal(drawn, expected)


def test_box_beside_the_tile_is_opaque_black(make_tile: Make) -> None:
    canvas = picture(make_tile(RAMP, "1 0 0 1 500 500"))
    assert not canvas.rgba()[..., :3].any()
    assert canvas.rgba()[..., 3].all()


def test_no_tiles_give_a_transparent_picture() -> None:
    assert not picture(width=3, height=2).rgba().any()


@pytest.mark.parametrize(
    "data", ["1 0 0 1 0.25 0.5", "0.9 0.1 -0.2 1.1 3.3 1.7", "-1 0 0 1 23 0", "0 1 -1 0 20 0"]
)
def test_affine_drawing_interpolates_between_four_pixels(make_tile: Make, data: str) -> None:
    drawn = gray(picture(make_tile(RAMP, data)))
    m00, m10, m01, m11, m02, m12 = map(float, data.split())
    back = np.linalg.inv(np.array([[m00, m01, m02], [m10, m11, m12], [0, 0, 1]]))
    compared = 0
    for y, x in np.ndindex(drawn.shape):
        u, v, _ = back @ (x, y, 1)
        if not (0.01 < u < 22.99 and 0.01 < v < 18.99):
            continue
        i, j = int(u), int(v)
        four = RAMP[j : j + 2, i : i + 2].astype(float)
        value = np.array([1 - (v - j), v - j]) @ four @ np.array([1 - (u - i), u - i])
        assert abs(drawn[y, x] - value) <= 0.51, (y, x)
        compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    "data", ["0.9 0.1 -0.2 1.1 3.3 1.7", "1 0 0 1 -9 -4", "0 3 -3 0 20 5", "1 0 0 0 0 0"]
)
@pytest.mark.parametrize("name", ["Affine", "Polynomial"])
def test_of_a_widened_image_only_the_part_that_is_needed_is_converted(
    make_tile: Make, data: str, name: str
) -> None:
    if name == "Polynomial":
        a, b, c, d, e, f = data.split()
        data = f"{e} {a} {c} {f} {b} {d}"
    singular = data.count("0") > 3
    drawn = [
        gray(picture(make_tile(image, data, name=name, maxIntensity=65535.0)))
        for image in (RAMP, RAMP.astype(np.uint16) << 8)
    ]
    assert drawn[0].any() != singular
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("mask", [False, True])
def test_a_mesh_larger_than_what_is_rasterised_in_one_go(make_tile: Make, mask: bool) -> None:
    """The parts of a picture are those of the whole."""
    image = np.add.outer(np.arange(600), np.arange(700)).astype(np.uint8)
    tile = make_tile(image, "3 0.9 -0.1 1e-5 0 0 7 0.2 1.1 0 0 1e-5", name="Polynomial")
    if mask:
        tile["mipmapLevels"]["0"]["maskUrl"] = tile["mipmapLevels"]["0"]["imageUrl"]
    whole = picture(tile, width=700, height=800).rgba()
    assert whole.any()
    for x, y in ((0, 0), (300, 0), (131, 477)):
        part = picture(tile, x=x, y=y, width=200, height=211).rgba()
        differing = np.abs(part.astype(int) - whole[y : y + 211, x : x + 200]) > 1
        assert np.count_nonzero(differing) <= 4


def test_mesh_of_an_affine_polynomial_draws_what_the_affine_transform_draws(make_tile: Make) -> None:
    wide = np.tile(RAMP, (8, 8))
    drawn = [
        gray(picture(make_tile(wide, data, name=name), width=200, height=170)).astype(int)
        for name, data in (("Affine", "0.95 0.05 -0.1 1.02 8 2"), ("Polynomial", "8 0.95 -0.1 2 0.05 1.02"))
    ]
    differing = np.abs(drawn[0] - drawn[1]) > 1
    assert np.count_nonzero(differing) < 20


def test_bent_tile_is_drawn_through_its_mesh(make_tile: Make) -> None:
    image = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    drawn = gray(
        picture(make_tile(image, "0 1 0 0 0 0 0 0 1 0.001 0 0", name="Polynomial"), width=190, height=230)
    )
    x, y = 101, 150
    assert abs(int(drawn[y, x]) - x) <= 1
    assert not drawn[: int(0.001 * 150**2) - 1, 150].any()


def test_mesh_covers_the_pixels_of_the_tile_once() -> None:
    mesh = triangle_mesh(100, 80, 4)
    corners = mesh.points[mesh.triangles]
    (dx, dy), (ex, ey) = (np.moveaxis(corners[:, index] - corners[:, 0], 1, 0) for index in (1, 2))
    assert np.abs(dx * ey - dy * ex).sum() / 2 == pytest.approx(99 * 79)
    assert mesh.points.min(axis=0).tolist() == [0, 0]
    assert mesh.points.max(axis=0) == pytest.approx([99, 79])


@pytest.mark.parametrize("data", ["0 0 0 0 5 5", "1 1 1 1 0 0", "NaN 0 0 1 0 0", "1 0 0 1 Infinity 0"])
def test_flat_and_infinite_tiles_draw_nothing(make_tile: Make, data: str) -> None:
    assert not gray(picture(make_tile(RAMP, data))).any()


def test_tile_of_one_pixel_draws_nothing_but_is_no_error(make_tile: Make) -> None:
    one = np.full((1, 1), 200, np.uint8)
    assert not gray(picture(make_tile(one))).any()
    assert not gray(picture(make_tile(one, "5 9", name="Polynomial"))).any()


def test_nearest_pixels_are_taken_where_interpolation_is_skipped(make_tile: Make) -> None:
    assert np.array_equal(gray(picture(make_tile(RAMP), skip_interpolation=True)), RAMP)
    moved = gray(picture(make_tile(RAMP, "1 0 0 1 0.4 0"), skip_interpolation=True))
    assert np.array_equal(moved[:, 1:24], RAMP[:, 1:24])


def test_half_scale_draws_the_halved_image(make_tile: Make) -> None:
    flat = np.full((128, 128), 77, np.uint8)
    drawn = gray(picture(make_tile(flat), width=128, height=128, scale=0.5))
    assert drawn.shape == (64, 64)
    assert (drawn[1:, 1:] == 77).all()


def test_later_tiles_lie_on_top(make_tile: Make) -> None:
    low, high = make_tile(np.full((20, 24), 10, np.uint8)), make_tile(np.full((20, 24), 20, np.uint8))
    assert gray(picture(low, high))[5, 5] == 20
    assert gray(picture(high, low))[5, 5] == 10


def shown(canvas: Canvas) -> int:
    return int(canvas.rgba()[5, 5, 0])


@pytest.mark.parametrize(
    ("value", "dtype", "own", "query", "expected"),
    [
        (100, np.uint8, {}, {}, 100),
        (100, np.uint8, {"minIntensity": 50, "maxIntensity": 150}, {}, 128),
        (100, np.uint8, {"maxIntensity": 65535}, {}, 100),
        (100, np.uint8, {"maxIntensity": 65535}, {"max_intensity": 255.0}, 255),
        (100, np.uint8, {}, {"min_intensity": 100.0, "max_intensity": 100.0}, 0),
        (101, np.uint8, {}, {"min_intensity": 100.0, "max_intensity": 100.0}, 255),
        (100, np.uint8, {}, {"min_intensity": 200.0, "max_intensity": 100.0}, 100),
        (25600, np.uint16, {"maxIntensity": 65535}, {}, 100),
        (25600, np.uint16, {}, {}, 255),
        (8578, np.uint16, {"minIntensity": 5000}, {"max_intensity": 255.0}, 64),
    ],
)
def test_intensity_range(
    make_tile: Make, value: int, dtype: type, own: dict[str, int], query: dict[str, float], expected: int
) -> None:
    assert shown(picture(make_tile(np.full((20, 24), value, dtype), **own), **query)) == expected


def test_a_range_of_nothing_is_that_of_a_16_bit_source_or_of_all_that_was_drawn(make_tile: Make) -> None:
    ramp = make_tile(np.arange(1000, 1480).reshape(20, 24).astype(np.uint16))
    values = gray(picture(ramp))[:-1, :-1].astype(int)
    of_source = np.minimum(255, ((values - 1000) * 256 / 480 + 0.5).astype(int))
    asked = {"min_intensity": 0.0, "max_intensity": 0.0}
    assert np.array_equal(picture(ramp, **asked).rgba()[:-1, :-1, 0], of_source)
    # the last row and column are black: they belong to the picture, not to the source
    of_picture = np.minimum(255, (values * 256 / (values.max() + 1) + 0.5).astype(int))
    asked = {"min_intensity": 0.5, "max_intensity": 0.5}
    assert np.array_equal(picture(ramp, **asked).rgba()[:-1, :-1, 0], of_picture)


def test_color_source_is_ranged_twice(make_tile: Make) -> None:
    color = np.full((20, 24, 3), (100, 50, 150), np.uint8)
    tile = make_tile(color, minIntensity=50, maxIntensity=150)
    assert picture(tile).rgba()[5, 5].tolist() == [199, 0, 255, 255]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.uint8, np.uint16, 255),
        (np.uint16, np.uint8, 90),
    ],
)
def test_first_tile_decides_the_kind_of_the_canvas(
    make_tile: Make, first: type, second: type, expected: int
) -> None:
    tiles = [make_tile(np.full((20, 24), 90, first)), make_tile(np.full((20, 24), 90, second))]
    tiles[1]["maxIntensity"] = 10
    assert gray(picture(*tiles)).dtype == first
    assert gray(picture(*tiles))[5, 5] == expected


def test_mask_decides_what_is_opaque(make_tile: Make) -> None:
    mask = np.zeros((20, 24), np.uint8)
    mask[:, 10:] = 255
    mask[:, 15:] = 128
    canvas = picture(make_tile(np.full((20, 24), 200, np.uint8), mask=mask))
    rgba = canvas.rgba()
    assert rgba[5, 5].tolist() == [0, 0, 0, 0]
    assert rgba[5, 12].tolist() == [200, 200, 200, 255]
    assert rgba[5, 20, 3] == 128
    assert abs(int(rgba[5, 20, 0]) - 100) <= 1
    assert rgba[19, 23].tolist() == [0, 0, 0, 0]


def test_binary_mask_counts_above_zero_and_excluded_masks_do_not_count(make_tile: Make) -> None:
    mask = np.ones((20, 24), np.uint8)
    mask[:, :10] = 0
    tile = make_tile(np.full((20, 24), 200, np.uint8), mask=mask)
    assert picture(tile, binary_mask=True).rgba()[5, [5, 12], 3].tolist() == [0, 255]
    assert picture(tile, exclude_mask=True).alpha is None


def test_unmasked_tile_beside_a_masked_one_is_opaque(make_tile: Make) -> None:
    masked = make_tile(np.full((20, 24), 200, np.uint8), mask=np.full((20, 24), 255, np.uint8))
    plain = make_tile(np.full((20, 24), 50, np.uint8), "1 0 0 1 30 0")
    rgba = picture(masked, plain, width=70).rgba()
    assert rgba[5, [5, 27, 40, 60], 3].tolist() == [255, 0, 255, 0]


def test_mask_of_another_size_is_ignored(make_tile: Make) -> None:
    tile = make_tile(RAMP, mask=np.zeros((3, 3), np.uint8))
    assert picture(tile).rgba()[5, 5].tolist() == [RAMP[5, 5]] * 3 + [255]


def test_noise_fills_what_no_tile_covers(make_tile: Make) -> None:
    values = gray(picture(make_tile(RAMP), width=100, height=100, fill_with_noise=True))
    assert np.array_equal(values[:20, :24], without_last(RAMP))
    assert len(np.unique(values[50:])) > 50
    assert not picture(fill_with_noise=True).rgba().any()


def channels(make_tile: Make, **values: int) -> dict[str, Any]:
    tile = make_tile(RAMP)
    tile["channels"] = [
        {
            "name": name,
            "minIntensity": 0.0,
            "maxIntensity": 255.0,
            "mipmapLevels": make_tile(np.full((20, 24), value, np.uint8))["mipmapLevels"],
        }
        for name, value in values.items()
    ]
    return tile


def test_channels_are_chosen_by_name_and_mixed_by_weight(make_tile: Make) -> None:
    tile = channels(make_tile, A=101, B=51)
    assert shown(picture(tile)) == 101
    assert shown(picture(tile, channels="B")) == 51
    assert shown(picture(tile, channels="A__0.5__B__0.5")) == 50 + 25
    assert not picture(tile, channels="C").rgba().any()


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3)])
def test_channels_are_mixed_as_far_as_masks_show_them(make_tile: Make, shape: tuple[int, ...]) -> None:
    mask = np.full((20, 24), 255, np.uint8)
    mask[:, 12:] = 100
    tile = channels(make_tile, A=0, B=0)
    for channel, value in zip(tile["channels"], (200, 80), strict=True):
        image = np.full(shape, value, np.uint8)
        channel["mipmapLevels"] = make_tile(image, mask=mask)["mipmapLevels"]
    mixed = picture(tile, channels="A__0.5__B__0.3")
    values = gray(mixed) if len(shape) == 2 else gray(mixed)[..., 0]
    assert mixed.alpha is not None
    assert (values[5, 5], mixed.alpha[5, 5]) == (100 + 24, 127 + 76)
    # of 200 and 80 the mask leaves 78 and 31, and these count as far as they are opaque
    assert (values[5, 18], mixed.alpha[5, 18]) == (15 + 3, 50 + 30)


def test_mix_needs_every_channel(make_tile: Make) -> None:
    with pytest.raises(IllegalStateError, match="'C'"):
        picture(channels(make_tile, A=1), channels="A__0.5__C__0.5")


def test_too_many_tiles_become_outlines_without_opening_images(make_tile: Make) -> None:
    box = {"minX": 2.0, "minY": 3.0, "maxX": 10.0, "maxY": 9.0}
    tile = make_tile(RAMP, **box, mipmapLevels={"0": {"imageUrl": "/no/such.tif"}})
    rgba = picture(tile, tile, max_tile_specs=1).rgba()
    green = np.argwhere(rgba[..., 1] == 255)
    assert (green.min(axis=0).tolist(), green.max(axis=0).tolist()) == ([3, 2], [9, 10])
    assert len(green) == 2 * (9 + 7) - 4
    assert not rgba[5, 5].any()


def test_negative_limit_is_none(make_tile: Make) -> None:
    tile = make_tile(RAMP, minX=2.0, minY=3.0, maxX=10.0, maxY=9.0)
    limited = picture(tile, max_tile_specs=-1)
    assert np.array_equal(limited.rgba(), picture(tile).rgba())
    assert not limited.outlines


@pytest.mark.parametrize(
    ("width", "height", "scale", "size"),
    [(1000, 500, 0.3333, (166, 333)), (98, 84, 0.25, (21, 24)), (10, 10, 1.0, (10, 10))],
)
def test_size_is_cut_to_integers(width: int, height: int, scale: float, size: tuple[int, int]) -> None:
    assert canvas_size(RenderParameters(width=width, height=height, scale=scale)) == size


@pytest.mark.parametrize(("width", "scale"), [(0, 1.0), (10, -1.0), (10, 0.05), (10, float("nan"))])
def test_empty_size_is_refused(width: int, scale: float) -> None:
    with pytest.raises(IllegalArgumentError):
        canvas_size(RenderParameters(width=width, height=10, scale=scale))


def test_any_missing_file_fails_the_picture(make_tile: Make) -> None:
    tile = make_tile(RAMP)
    tile["mipmapLevels"]["7"] = {"imageUrl": "/no/such/level.tif"}
    with pytest.raises(IllegalArgumentError, match=r"level\.tif"):
        picture(tile)
    with pytest.raises(IllegalArgumentError, match="no images"):
        picture(make_tile(RAMP, mipmapLevels={}))


def test_filter_that_is_not_available_is_an_error(make_tile: Make) -> None:
    unknown = [{"className": "org.janelia.alignment.filter.CLAHE"}]
    with pytest.raises(IllegalStateError, match="CLAHE"):
        picture(make_tile(RAMP), filter_specs=unknown)
    assert np.array_equal(gray(picture(make_tile(RAMP), do_filter=True)), without_last(RAMP))


def test_jpeg_source(tmp_path: Path, make_tile: Make) -> None:
    PilImage.fromarray(np.full((20, 24), 99, np.uint8)).save(tmp_path / "a.jpg")
    tile = make_tile(RAMP, mipmapLevels={"0": {"imageUrl": f"file:{tmp_path}/a.jpg"}})
    assert shown(picture(tile)) == 99


def test_tiles_loaded_together_are_drawn_in_their_order(
    make_tile: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bent = {"name": "Polynomial"}
    shown = [
        make_tile(RAMP, "1 0.1 -0.1 1 0 0"),
        make_tile(RAMP + 1, "1 0 0 1 3 3"),
        make_tile(RAMP + 2, "1 1 0 2 0 1", **bent),
        make_tile(RAMP + 3, "0.9 0.2 -0.2 0.9 5.5 2"),
    ]
    together = picture(*shown).values
    monkeypatch.setattr(tiles, "GROUP_BYTES", 0)
    assert np.array_equal(picture(*shown).values, together)
    assert not np.array_equal(picture(*shown[::-1]).values, together)
