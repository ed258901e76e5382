"""Bytes of image answers."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.image_forms import FORMS, encode
from asap_ingest.render_ws.drawing.intensity import IntensityRange
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

VALUES = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17
PLAIN = RenderParameters()


def canvas(values: np.ndarray | None = VALUES, alpha: np.ndarray | None = None) -> Canvas:
    return Canvas(3, 5, values, alpha)


def opened(content: bytes) -> np.ndarray:
    with PilImage.open(io.BytesIO(content)) as picture:
        return np.array(picture)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("made", [canvas(), canvas(None)], ids=["gray", "empty"])
def test_every_form_has_its_media_type_and_size(form: str, made: Canvas) -> None:
    media_type, content = encode(made, form, PLAIN)
    assert media_type == FORMS[form][0]
    if form.startswith("raw"):
        assert len(content) == 15 * (2 if "16" in form else 4)
    else:
        assert opened(content).shape[:2] == (3, 5)


def test_png_is_rgba() -> None:
    pixels = opened(encode(canvas(), "png-image", PLAIN)[1])
    assert pixels[1, 2].tolist() == [119, 119, 119, 255]
    assert opened(encode(canvas(None), "png-image", PLAIN)[1]).tolist() == np.zeros((3, 5, 4)).tolist()


def test_color_order() -> None:
    color = np.zeros((3, 5, 3), np.uint8)
    color[..., 0], color[..., 2] = 200, 10
    assert opened(encode(canvas(color), "png-image", PLAIN)[1])[0, 0].tolist() == [200, 0, 10, 255]
    assert encode(canvas(color), "raw-image", PLAIN)[1][:4] == bytes([255, 200, 0, 10])
    jpeg = opened(encode(canvas(color), "jpeg-image", PLAIN)[1])[1, 2].astype(int)
    assert np.abs(jpeg - [200, 0, 10]).max() < 12
    assert tifffile.imread(io.BytesIO(encode(canvas(color), "tiff-image", PLAIN)[1]))[0, 0].tolist() == [
        200,
        0,
        10,
    ]


@pytest.mark.parametrize(("convert", "mode"), [(False, "RGB"), (True, "L")])
@pytest.mark.parametrize("alpha", [None, np.full((3, 5), 255, np.uint8)], ids=["opaque", "alpha"])
def test_jpeg_has_three_components_unless_gray_is_asked_for(
    convert: bool, mode: str, alpha: np.ndarray | None
) -> None:
    content = encode(canvas(alpha=alpha), "jpeg-image", RenderParameters(convert_to_gray=convert))[1]
    with PilImage.open(io.BytesIO(content)) as picture:
        assert picture.mode == mode


@pytest.mark.parametrize("quality", [0.2, 0.85, 5.0])
def test_any_quality_is_encoded(quality: float) -> None:
    assert opened(encode(canvas(), "jpeg-image", RenderParameters(quality=quality))[1]).shape == (3, 5, 3)


def test_black_shines_through_a_jpeg_but_not_a_tiff() -> None:
    half = canvas(np.full((3, 5), 200, np.uint8), np.full((3, 5), 128, np.uint8))
    assert abs(int(opened(encode(half, "jpeg-image", PLAIN)[1])[1, 1, 0]) - 100) <= 2
    assert abs(int(tifffile.imread(io.BytesIO(encode(half, "tiff-image", PLAIN)[1]))[1, 1, 0]) - 200) <= 1


def test_background_lies_behind_masked_pictures_only() -> None:
    blue = RenderParameters(background_rgb_color=0x0000FF)
    masked = canvas(alpha=np.zeros((3, 5), np.uint8))
    assert opened(encode(masked, "png-image", blue)[1])[0, 1].tolist() == [0, 0, 255, 255]
    assert opened(encode(canvas(), "png-image", blue)[1])[0, 1].tolist() == [17, 17, 17, 255]
    assert not opened(encode(canvas(None), "png-image", blue)[1]).any()


def test_16_bit_forms_keep_the_values() -> None:
    wide = VALUES.astype(np.uint16) * 250
    for form in ("png16-image", "tiff16-image"):
        content = encode(canvas(wide), form, PLAIN)[1]
        pixels = opened(content) if form == "png16-image" else tifffile.imread(io.BytesIO(content))
        assert pixels.tolist() == wide.tolist()
    raw = encode(canvas(wide), "raw16-image", PLAIN)[1]
    assert np.frombuffer(raw, ">u2").tolist() == wide.ravel().tolist()
    color = np.full((3, 5, 3), (10, 20, 31), np.uint8)
    assert np.frombuffer(encode(canvas(color), "raw16-image", PLAIN)[1], ">u2")[0] == 20


def test_same_canvas_gives_the_same_bytes() -> None:
    for form in FORMS:
        assert encode(canvas(), form, PLAIN) == encode(canvas(), form, PLAIN)


def test_unknown_form_is_refused() -> None:
    with pytest.raises(IllegalArgumentError, match="gif-image"):
        encode(canvas(), "gif-image", PLAIN)


@pytest.mark.parametrize("kind", ["tiff", "png", "raw"])
def test_outlines_come_in_8_bits_also_where_16_are_asked_for(kind: str) -> None:
    drawn = canvas(np.dstack([VALUES] * 3), np.full((3, 5), 255, np.uint8))
    assert encode(drawn, f"{kind}16-image", PLAIN) != encode(drawn, f"{kind}-image", PLAIN)
    drawn.outlines = True
    assert encode(drawn, f"{kind}16-image", PLAIN) == encode(drawn, f"{kind}-image", PLAIN)


def test_16_bit_gray_of_masked_colours_is_their_ranged_mean_whatever_shows_of_it() -> None:
    color = np.zeros((3, 5, 3), np.uint8)
    color[..., 0] = 60
    alpha = np.array([[0, 1, 3, 128, 255]] * 3, np.uint8)
    drawn = canvas(color, alpha)
    drawn.intensity_range = IntensityRange(-255.0, 255.0)
    gray = np.frombuffer(encode(drawn, "raw16-image", PLAIN)[1], ">u2")
    # 60 becomes 158, and 0 becomes 128
    assert gray.tolist() == [138] * 15
