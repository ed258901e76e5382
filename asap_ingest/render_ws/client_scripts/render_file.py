"""Render: draws tile specs, or render parameters, into an image file."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from asap_ingest.images.formats import MAX_BYTES
from asap_ingest.render_ws.client_scripts.client_json import load_json
from asap_ingest.render_ws.client_scripts.client_options import ClientError, flag, option, required
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.draw import draw
from asap_ingest.render_ws.drawing.image_forms import encode
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters, from_json
from asap_ingest.render_ws.drawing.source_images import ImageSource, SourceImages
from asap_ingest.storage import write_bytes

#: Extension of an image file -> form of the picture.
FORMS = {
    "jpg": "jpeg-image",
    "jpeg": "jpeg-image",
    "png": "png-image",
    "tif": "tiff-image",
    "tiff": "tiff-image",
}
IMAGE_CACHE_BYTES = 256 * 2**20
LARGEST_PICTURE = 2**31 - 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit of length, in x and y, and the name of the unit."""

    x: float
    y: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class ParameterOptions:
    """Options that override the fields of render parameters of the same names."""

    in_path: str | None = option("in")
    x: float | None = option("x", read=float)
    y: float | None = option("y", read=float)
    width: int | None = option("width", read=int)
    height: int | None = option("height", read=int)
    scale: float | None = option("scale", read=float)
    mesh_cell_size: float | None = option("res", read=float)
    min_mesh_cell_size: float | None = option("minMeshCellSize", read=float)
    channels: str | None = option("channels")
    quality: float | None = option("quality", read=float)
    number_of_threads: int | None = option("threads", read=int)
    background_rgb_color: int | None = option("background_color", read=int)
    area_offset: bool = flag("area_offset")
    convert_to_gray: bool = flag("gray")
    skip_interpolation: bool = flag("skip_interpolation")
    binary_mask: bool = flag("binary_mask")
    exclude_mask: bool = flag("exclude_mask")
    do_filter: bool = flag("do_filter")
    fill_with_noise: bool = flag("fill_with_noise")


@dataclass(frozen=True, kw_only=True)
class Options(ParameterOptions):
    """Options of Render."""

    help_exit_code: ClassVar[int] = 0
    tile_spec_url: str | None = option("tile_spec_url", "file or URL with a list of tile specs")
    parameters_url: str | None = option(
        "parameters_url", "file or URL with render parameters; options given here override them"
    )
    out: str = required("out", f"image file to write: {', '.join(FORMS)}")


def run(options: Options) -> None:
    """Draw and write the picture."""
    parameters = parameters_of(options)
    write_image(Path(options.out), draw_here(parameters), parameters)


def parameters_of(options: Options) -> RenderParameters:
    """The parameters of the file, if any, overridden by the options.

    Raises
    ------
    ClientError, ServiceError, MalformedBodyError
        For a file or URL that cannot be read or holds something else.
    """
    body = {} if options.parameters_url is None else load_json(options.parameters_url)
    tiles = options.tile_spec_url
    if tiles is None and isinstance(body, dict) and body.get("tileSpecs") is None:
        tiles = body.get("tileSpecUrl")
    if tiles is not None and isinstance(body, dict):
        body = {**body, "tileSpecs": load_json(tiles)}
    given = {entry.name: getattr(options, entry.name) for entry in fields(ParameterOptions)}
    changes = {name: value for name, value in given.items() if value is not None and value is not False}
    return replace(from_json(body), **changes)


def draw_here(parameters: RenderParameters) -> Canvas:
    """Draw in this process, which may read every file that its user may read.

    The image `parameters.in_path`, if any, lies behind the picture, with its corner at the picture's.
    """
    images = SourceImages(None, IMAGE_CACHE_BYTES, MAX_BYTES)
    canvas = draw(parameters, images, LARGEST_PICTURE)
    if parameters.in_path is None:
        return canvas
    return _with_image_behind(canvas, images.load(ImageSource(parameters.in_path)))


def _with_image_behind(canvas: Canvas, image: NDArray[Any]) -> Canvas:
    picture = canvas.rgba()
    image = image[: canvas.height, : canvas.width]
    below = (image >> 8 if image.dtype == np.uint16 else image).astype(np.float64)
    part = picture[: len(image), : image.shape[1]]
    share = part[..., 3:] / 255.0
    mixed = part[..., :3] * share + (below if below.ndim == 3 else below[..., None]) * (1 - share)
    part[..., :3] = np.floor(mixed + 0.5)
    part[..., 3] = 255
    return Canvas(canvas.height, canvas.width, picture[..., :3].copy(), picture[..., 3].copy())


def write_image(
    path: Path, canvas: Canvas, parameters: RenderParameters, resolution: Resolution | None = None
) -> None:
    """Write a picture in the format of the file's extension; folders are made.

    Only TIFF files carry a resolution.

    Raises
    ------
    ClientError
        For an extension that stands for no format; an empty file is left then, as the Java client does.
    StorageError
        When the file cannot be written.
    """
    form = FORMS.get(path.suffix.lower().removeprefix("."))
    if form is None:
        write_bytes(str(path), b"")
        raise ClientError(f"{path}: no image format has this extension; there are {', '.join(FORMS)}")
    write_bytes(str(path), _encoded(form, canvas, parameters, resolution))
    logger.info("%s: %d x %d pixels", path, canvas.width, canvas.height)


def _encoded(form: str, canvas: Canvas, parameters: RenderParameters, resolution: Resolution | None) -> bytes:
    if form == "png-image" and parameters.convert_to_gray:
        # the service has no form for a PNG of one component
        gray: Any = canvas.gray8()
        if gray is None:
            on_black = replace(parameters, background_rgb_color=parameters.background_rgb_color or 0)
            gray = cv2.cvtColor(_rgb(canvas, on_black), cv2.COLOR_RGB2GRAY)
        return cv2.imencode(".png", gray)[1].tobytes()
    if form == "tiff-image" and resolution is not None:
        return _tiff_with_resolution(_rgb(canvas, parameters), resolution)
    return encode(canvas, form, parameters)[1]


def _rgb(canvas: Canvas, parameters: RenderParameters) -> NDArray[np.uint8]:
    """The finished picture, shape (height, width, 3)."""
    argb = np.frombuffer(encode(canvas, "raw-image", parameters)[1], np.uint8)
    return np.ascontiguousarray(argb.reshape(canvas.height, canvas.width, 4)[..., 1:])


def _tiff_with_resolution(rgb: NDArray[np.uint8], resolution: Resolution) -> bytes:
    """ImageJ takes the unit from the description: TIFF itself knows only inches and centimetres."""
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        rgb,
        photometric="rgb",
        metadata=None,
        software=False,
        rowsperstrip=len(rgb),
        description=f"ImageJ=1.53c\nunit={resolution.unit}\n",
        resolution=(resolution.x, resolution.y),
        resolutionunit="NONE",
    )
    return file.getvalue()
