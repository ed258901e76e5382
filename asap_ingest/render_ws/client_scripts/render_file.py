"""Render: draws tile specs, or render parameters, into an image file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.json_files import read_json
from asap_ingest.render_ws.client_scripts.options import Arguments, Option, Syntax, Takes
from asap_ingest.render_ws.client_scripts.web import get_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asap_ingest.render_ws.drawing.canvas import Canvas
    from asap_ingest.render_ws.drawing.render_parameters import RenderParameters

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


class UnknownFormatError(AsapIngestError):
    """An image file has an extension that stands for no format."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: no image format has this extension; there are {', '.join(FORMS)}")
        self.path = str(path)


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit of length, in x and y, and the name of the unit."""

    x: float
    y: float
    unit: str


#: Option -> field of the render parameters, and how its value is read (None: a flag).
_PARAMETERS: dict[str, tuple[str, Callable[[str], Any] | None]] = {
    "in": ("in_path", str),
    "x": ("x", float),
    "y": ("y", float),
    "width": ("width", int),
    "height": ("height", int),
    "scale": ("scale", float),
    "res": ("mesh_cell_size", float),
    "minMeshCellSize": ("min_mesh_cell_size", float),
    "channels": ("channels", str),
    "quality": ("quality", float),
    "threads": ("number_of_threads", int),
    "background_color": ("background_rgb_color", int),
    "area_offset": ("area_offset", None),
    "gray": ("convert_to_gray", None),
    "skip_interpolation": ("skip_interpolation", None),
    "binary_mask": ("binary_mask", None),
    "exclude_mask": ("exclude_mask", None),
    "do_filter": ("do_filter", None),
    "fill_with_noise": ("fill_with_noise", None),
}


def _option(name: str, read: Callable[[str], Any] | None) -> Option:
    return Option(name, takes=Takes.NOTHING) if read is None else Option(name, read=read)


SYNTAX = Syntax(
    (
        Option("tile_spec_url", "file or URL with a list of tile specs"),
        Option("parameters_url", "file or URL with render parameters; options given here override them"),
        Option("out", f"image file to write: {', '.join(FORMS)}", required=True),
        *(_option(name, read) for name, (_, read) in _PARAMETERS.items()),
    ),
    help_exit_code=0,
)


def run(arguments: Arguments) -> None:
    """Draw and write the picture."""
    parameters = parameters_of(arguments)
    write_image(Path(arguments["out"]), draw_here(parameters), parameters)


def parameters_of(arguments: Arguments) -> RenderParameters:
    """The parameters of the file, if any, overridden by the options.

    Raises
    ------
    JsonFileError, ServiceError, NoAnswerError, UnreadableAnswerError, MalformedBodyError
        For a file or URL that cannot be read or holds something else.
    """
    from asap_ingest.render_ws.drawing.render_parameters import from_json

    source = arguments["parameters_url"]
    body = {} if source is None else load_json(source)
    tiles = arguments["tile_spec_url"]
    if tiles is None and isinstance(body, dict) and body.get("tileSpecs") is None:
        tiles = body.get("tileSpecUrl")
    if tiles is not None and isinstance(body, dict):
        body = {**body, "tileSpecs": load_json(tiles)}
    given = {
        field: arguments[name]
        for name, (field, _) in _PARAMETERS.items()
        if arguments[name] is not None and arguments[name] is not False
    }
    return replace(from_json(body), **given)


def load_json(source: str) -> Any:
    """Parsed content of a file, given as path or `file:` URL, or of an http(s) URL."""
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        return get_json(source)
    return read_json(unquote(parts.path) if parts.scheme == "file" else source)


def draw_here(parameters: RenderParameters) -> Canvas:
    """Draw in this process, which may read every file that its user may read.

    The image `parameters.in_path`, if any, lies behind the picture, with its corner at the picture's.
    """
    from asap_ingest.images.formats import MAX_BYTES
    from asap_ingest.render_ws.drawing.draw import draw
    from asap_ingest.render_ws.drawing.source_images import ImageSource, SourceImages

    images = SourceImages(None, IMAGE_CACHE_BYTES, MAX_BYTES)
    canvas = draw(parameters, images, LARGEST_PICTURE)
    if parameters.in_path is None:
        return canvas
    return _with_image_behind(canvas, images.load(ImageSource(parameters.in_path)))


def _with_image_behind(canvas: Canvas, image: NDArray[Any]) -> Canvas:
    import numpy as np

    from asap_ingest.render_ws.drawing.canvas import Canvas

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
    UnknownFormatError
        An empty file is left then, as the Java client does.
    StorageError
        When the file cannot be written.
    """
    from asap_ingest.storage import write_bytes

    form = FORMS.get(path.suffix.lower().removeprefix("."))
    if form is None:
        write_bytes(str(path), b"")
        raise UnknownFormatError(path)
    write_bytes(str(path), _encoded(form, canvas, parameters, resolution))
    logger.info("%s: %d x %d pixels", path, canvas.width, canvas.height)


def _encoded(form: str, canvas: Canvas, parameters: RenderParameters, resolution: Resolution | None) -> bytes:
    from asap_ingest.render_ws.drawing.image_forms import encode

    if form == "png-image" and parameters.convert_to_gray:
        return _gray_png(canvas, parameters)
    if form == "tiff-image" and resolution is not None:
        return _tiff_with_resolution(_argb(canvas, parameters)[..., 1:], resolution)
    return encode(canvas, form, parameters)[1]


def _argb(canvas: Canvas, parameters: RenderParameters) -> NDArray[np.uint8]:
    """The finished picture, shape (height, width, 4)."""
    import numpy as np

    from asap_ingest.render_ws.drawing.image_forms import encode

    raw = encode(canvas, "raw-image", parameters)[1]
    return np.frombuffer(raw, np.uint8).reshape(canvas.height, canvas.width, 4)


def _gray_png(canvas: Canvas, parameters: RenderParameters) -> bytes:
    """A PNG of one component, which the service has no form for: black shines through where not opaque."""
    import cv2
    import numpy as np

    gray = canvas.gray8()
    if gray is not None:
        return cv2.imencode(".png", gray)[1].tobytes()
    argb = _argb(canvas, parameters)
    opaque = np.floor(argb[..., 1:] * (argb[..., :1] / 255.0) + 0.5).astype(np.uint8)
    return cv2.imencode(".png", cv2.cvtColor(opaque, cv2.COLOR_RGB2GRAY))[1].tobytes()


def _tiff_with_resolution(rgb: NDArray[np.uint8], resolution: Resolution) -> bytes:
    """ImageJ takes the unit from the description: TIFF itself knows only inches and centimetres."""
    import io

    import numpy as np
    import tifffile

    file = io.BytesIO()
    tifffile.imwrite(
        file,
        np.ascontiguousarray(rgb),
        photometric="rgb",
        metadata=None,
        software=False,
        rowsperstrip=len(rgb),
        description=f"ImageJ=1.53c\nunit={resolution.unit}\n",
        resolution=(resolution.x, resolution.y),
        resolutionunit="NONE",
    )
    return file.getvalue()
