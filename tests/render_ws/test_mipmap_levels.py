"""Choice of the mipmap level and of the files that hold it."""

from __future__ import annotations

from typing import Any

import pytest

from asap_ingest.render_ws.drawing.channels import Channel
from asap_ingest.render_ws.drawing.mipmap_levels import best_level, choose_images, fit_affine
from asap_ingest.render_ws.transforms.classes import IDENTITY, Affine, build_leaf
from asap_ingest.render_ws.wire.problems import IllegalArgumentError


class Files:
    """Names that are usable files."""

    def __init__(self, *usable: str) -> None:
        self.usable = usable

    def __call__(self, url: str) -> bool:
        return url in self.usable


BUILDER = {"rootPath": "/mips/", "numberOfLevels": 3, "extension": "tif"}


def channel(*levels: int, mask: bool = False) -> Channel:
    images: dict[int, dict[str, Any]] = {
        level: {"imageUrl": f"file:/i/{level}.png", **({"maskUrl": f"/m/{level}.png"} if mask else {})}
        for level in levels
    }
    return Channel(None, 0, 255, images)


@pytest.mark.parametrize(
    ("scale", "level"),
    [(2, 0), (1, 0), (0.51, 0), (0.5, 1), (0.34, 1), (0.26, 1), (0.25, 2), (0.0625, 4), (1e-9, 29), (0, 0)],
)
def test_level_follows_the_scale(scale: float, level: int) -> None:
    linear = fit_affine(IDENTITY, 256, 256, 64)
    assert best_level(linear, scale) == level


def test_longer_axis_decides() -> None:
    linear = fit_affine(Affine((0.1, 0.0, 0.0, 0.0, 0.5, 0.0)), 256, 256, 64)
    assert best_level(linear, 1.0) == 1


@pytest.mark.parametrize("size", [(64, 256), (256, 64), (10, 10)])
def test_tile_of_at_most_one_cell_is_drawn_from_level_0(size: tuple[int, int]) -> None:
    assert best_level(fit_affine(IDENTITY, *size, 64), 0.1) == 0


def test_other_transforms_are_fitted() -> None:
    transform = build_leaf("mpicbg.trakem2.transform.PolynomialTransform2D", "5 0.25 0 7 0 0.25")
    linear = fit_affine(transform, 256, 256, 64)
    assert linear is not None
    assert linear.matrix == pytest.approx((0.25, 0, 0, 0, 0.25, 0), abs=1e-12)
    assert best_level(linear, 0.999) == 2


@pytest.mark.parametrize(("scale", "level"), [(1.0, 0), (0.5, 1), (0.25, 2), (0.125, 3)])
def test_an_axis_that_is_left_alone_keeps_its_level_whatever_the_fit_rounds_to(
    scale: float, level: int
) -> None:
    bent = build_leaf("org.janelia.alignment.transform.ExponentialRecoveryOffsetTransform", "5,0.03,0,1")
    linear = fit_affine(bent, 400, 256, 64)
    assert linear is not None
    assert linear.matrix[0] == pytest.approx(1.0, abs=1e-12)
    assert best_level(linear, scale) == level


@pytest.mark.parametrize(
    ("levels", "wanted", "file", "halvings"),
    [
        ((0,), 0, 0, 0),
        ((0,), 3, 0, 3),
        ((0, 2), 1, 0, 1),
        ((0, 2), 2, 2, 0),
        ((0, 2), 5, 2, 3),
        ((1,), 2, 1, 1),
    ],
)
def test_nearest_finer_level_is_halved(
    levels: tuple[int, ...], wanted: int, file: int, halvings: int
) -> None:
    chosen = choose_images(channel(*levels, mask=True), wanted, None, Files(), "t")
    assert (chosen.image.url, chosen.halvings) == (f"file:/i/{file}.png", halvings)
    assert chosen.mask is not None
    assert chosen.mask.url == f"/m/{file}.png"


def test_path_builder_names_levels_without_an_entry() -> None:
    files = Files("/mips/2/i/0.png.tif", "/mips/3/i/0.png.tif")
    assert choose_images(channel(0), 2, BUILDER, files, "t").image.url == "/mips/2/i/0.png.tif"
    beyond = choose_images(channel(0), 5, BUILDER, files, "t")
    assert (beyond.image.url, beyond.halvings) == ("/mips/3/i/0.png.tif", 2)


def test_explicit_entry_goes_before_the_path_builder() -> None:
    chosen = choose_images(channel(0, 2), 2, BUILDER, Files("/mips/2/i/0.png.tif"), "t")
    assert chosen.image.url == "file:/i/2.png"


def test_missing_built_file_falls_back_to_the_first_entry() -> None:
    chosen = choose_images(channel(0, 1), 2, BUILDER, Files(), "t")
    assert (chosen.image.url, chosen.halvings) == ("file:/i/0.png", 2)
    masked = choose_images(channel(0, mask=True), 2, BUILDER, Files("/mips/2/i/0.png.tif"), "t")
    assert masked.image.url == "file:/i/0.png"


def test_mask_is_built_below_the_root() -> None:
    files = Files("/mips/1/i/0.png.tif", "/mips/1/m/0.png.tif")
    chosen = choose_images(channel(0, mask=True), 1, BUILDER, files, "t")
    assert chosen.mask is not None
    assert chosen.mask.url == "/mips/1/m/0.png.tif"


def test_pattern_takes_the_level_between_its_groups() -> None:
    builder = {**BUILDER, "imageMipmapPatternString": r"(.*/)\d+(\.png)"}
    chosen = choose_images(channel(0), 1, builder, Files("file:/i/1.png"), "t")
    assert (chosen.image.url, chosen.halvings) == ("file:/i/1.png", 0)
    unmatched = {**BUILDER, "imageMipmapPatternString": "nothing"}
    assert choose_images(channel(0), 1, unmatched, Files("file:/i/0.png"), "t").halvings == 1
    with pytest.raises(IllegalArgumentError, match="imageMipmapPatternString"):
        choose_images(channel(0), 1, {**BUILDER, "imageMipmapPatternString": "("}, Files(), "t")


@pytest.mark.parametrize(("levels", "wanted"), [((), 0), ((2, 3), 1)])
def test_no_image_and_none_that_is_large_enough(levels: tuple[int, ...], wanted: int) -> None:
    with pytest.raises(IllegalArgumentError, match="'t'"):
        choose_images(channel(*levels), wanted, None, Files(), "t")
    with pytest.raises(IllegalArgumentError, match="imageUrl"):
        choose_images(Channel(None, 0, 255, {0: {}}), 0, None, Files(), "t")
