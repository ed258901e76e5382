"""Image answers: a canvas as the bytes of an image file."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from asap_ingest.images import formats
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import Pixels
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.transparency import lay_over
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError


def encode(canvas: Canvas, form: str, parameters: RenderParameters) -> tuple[str, bytes]:
    """Media type and bytes of an image answer.

    Parameters
    ----------
    form : str
        Key of `FORMS`.
    parameters : RenderParameters
        `quality` (0 to 1), `convert_to_gray` and `background_rgb_color` are used.

    Raises
    ------
    IllegalArgumentError
        For an unknown form.
    """
    if form not in FORMS:
        raise IllegalArgumentError(f"unknown image form {form!r}; there are {', '.join(FORMS)}")
    # outlines have no 16-bit form
    media_type, encoder = FORMS[form.replace("16", "") if canvas.outlines else form]
    return media_type, encoder(canvas, parameters)


def _rgba(canvas: Canvas, parameters: RenderParameters) -> Pixels:
    """The picture with the background behind it, if anything was drawn."""
    picture = canvas.rgba()
    color = parameters.background_rgb_color
    if color is None or not canvas.is_drawn or canvas.alpha is None:
        return picture
    lay_over((float(color >> 16 & 255), float(color >> 8 & 255), float(color & 255)), picture)
    return picture


def _jpeg(canvas: Canvas, parameters: RenderParameters) -> bytes:
    """Three components, or one for gray, over black."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, max(0, min(100, round(parameters.quality * 100)))]
    gray = canvas.gray8()
    if gray is not None:
        picture = gray if parameters.convert_to_gray else cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
        return _encoded(".jpg", picture, quality)
    rgba = _rgba(canvas, parameters)
    if canvas.alpha is not None:
        lay_over((0.0, 0.0, 0.0), rgba)
    code = cv2.COLOR_RGBA2GRAY if parameters.convert_to_gray else cv2.COLOR_RGBA2BGR
    return _encoded(".jpg", cv2.cvtColor(rgba, code), quality)


def _png(canvas: Canvas, parameters: RenderParameters) -> bytes:
    picture = np.ascontiguousarray(_rgba(canvas, parameters))
    cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA, picture)  # in place: large pictures fill memory
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _png16(canvas: Canvas, parameters: RenderParameters) -> bytes:
    return formats.encode(canvas.gray16(), "png")


def _encoded(suffix: str, picture: Pixels, options: list[int]) -> bytes:
    done, encoded = cv2.imencode(suffix, picture, options)
    if not done:
        raise IllegalStateError(f"a picture of shape {picture.shape} cannot be written as {suffix}")
    return encoded.tobytes()


def _tiff(canvas: Canvas, parameters: RenderParameters) -> bytes:
    # transparency is dropped: unlike a JPEG it is not laid over black
    return formats.encode(_rgba(canvas, parameters)[..., :3], "tif")


def _tiff16(canvas: Canvas, parameters: RenderParameters) -> bytes:
    return formats.encode(canvas.gray16(), "tif")


def _raw(canvas: Canvas, parameters: RenderParameters) -> bytes:
    return np.ascontiguousarray(_rgba(canvas, parameters)[..., [3, 0, 1, 2]]).tobytes()


def _raw16(canvas: Canvas, parameters: RenderParameters) -> bytes:
    return canvas.gray16().astype(">u2").tobytes()


#: Form -> media type, and encoder.
FORMS: dict[str, tuple[str, Callable[[Canvas, RenderParameters], bytes]]] = {
    "jpeg-image": ("image/jpeg", _jpeg),
    "png-image": ("image/png", _png),
    "tiff-image": ("image/tiff", _tiff),
    "tiff16-image": ("image/tiff", _tiff16),
    "png16-image": ("image/png", _png16),
    "raw-image": ("application/octet-stream", _raw),
    "raw16-image": ("application/octet-stream", _raw16),
}
