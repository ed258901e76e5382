"""RenderSectionClient: draws whole layers of a stack into image files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.options import (
    STACK_OPTIONS,
    Arguments,
    Option,
    Syntax,
    Takes,
    one_of,
    truth,
    z_values,
)
from asap_ingest.render_ws.client_scripts.render_file import Resolution, draw_here, write_image
from asap_ingest.render_ws.client_scripts.web import WebStack, get_json, stack_of
from asap_ingest.render_ws.wire.java_numbers import double_text

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.render_parameters import RenderParameters

#: Length of each unit in nanometres.
UNITS_NM = {"nm": 1.0, "um": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9}
BOUND_NAMES = ("minX", "maxX", "minY", "maxY")


class EmptyLayerError(AsapIngestError):
    """No tile of a layer lies in what is to be drawn."""

    def __init__(self, stack: str, z: float, bounds: dict[str, float]) -> None:
        box = ", ".join(f"{name} {bounds[name]}" for name in BOUND_NAMES)
        super().__init__(f"{stack} has no tiles in layer {z} within {box}")
        self.z = z


class NoResolutionError(AsapIngestError):
    """A stack does not say how large its pixels are."""

    def __init__(self, stack: str) -> None:
        super().__init__(f"{stack} has no stackResolutionX and Y, which --resolutionUnit needs")


def _bounds(text: str) -> dict[str, float]:
    """Read `minX,maxX,minY,maxY`."""
    parts = text.split(",")
    if len(parts) != len(BOUND_NAMES):
        raise ValueError(f"must be {','.join(BOUND_NAMES)}")
    return dict(zip(BOUND_NAMES, map(float, map(int, parts)), strict=True))


SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        Option("rootDirectory", "folder for the pictures", required=True),
        Option("scale", "pixels of the picture per pixel of the stack", float, 0.02),
        Option("format", "extension: png, jpg, jpeg, tif, tiff", str.lower, "png"),
        Option("doFilter", "filter the pixels", truth, True),
        Option("filterListName", "name of a list of filters"),
        Option("channels", "NAME, or A__0.9__B__0.1"),
        Option("minIntensity", "value that becomes black", float),
        Option("maxIntensity", "value that becomes white", float),
        Option("resolutionUnit", "unit of the resolution in a TIFF", one_of(*UNITS_NM)),
        Option("fillWithNoise", "noise where no tile is", truth, True),
        Option("bounds", "draw this box: minX,maxX,minY,maxY", _bounds),
        Option("useStackBounds", "draw the box of the stack, not of the layer", takes=Takes.NOTHING),
        Option("customOutputFolder", "folder below the root, instead of project, stack, scale and numbers"),
        Option("customSubFolder", "folder below the custom one"),
        Option("padFileNamesWithZeros", "name files by z as integer of 5 digits", takes=Takes.NOTHING),
    ),
    main="z",
    main_required=True,
)


def run(arguments: Arguments) -> None:
    """Draw the layers one by one."""
    stack, asked = stack_of(arguments), z_values(arguments)
    resolution = _resolution(stack, arguments)
    fixed = arguments["bounds"]
    if fixed is None and arguments["useStackBounds"]:
        fixed = get_json(stack.url("/bounds"))
    for z in asked:
        bounds = get_json(stack.layer_url(z, "/bounds")) if fixed is None else fixed
        parameters = _with_options(_box_parameters(stack, z, bounds, arguments["scale"]), arguments)
        if not parameters.tile_specs:
            raise EmptyLayerError(str(stack), z, bounds)
        write_image(output_path(arguments, z), draw_here(parameters), parameters, resolution)


def _box_parameters(stack: WebStack, z: float, bounds: dict[str, float], scale: float) -> RenderParameters:
    from asap_ingest.render_ws.drawing.render_parameters import from_json

    width, height = (int(bounds[f"max{axis}"] - bounds[f"min{axis}"] + 0.5) for axis in "XY")
    box = f"{bounds['minX']},{bounds['minY']},{width},{height},{scale}"
    return from_json(get_json(stack.layer_url(z, f"/box/{box}/render-parameters")))


def _with_options(parameters: RenderParameters, arguments: Arguments) -> RenderParameters:
    from asap_ingest.render_ws.drawing.filter_lists import named_filters

    filters = arguments["filterListName"]
    given: dict[str, Any] = {
        "channels": arguments["channels"],
        "min_intensity": arguments["minIntensity"],
        "max_intensity": arguments["maxIntensity"],
        "filter_specs": None if filters is None else named_filters(filters),
    }
    return replace(
        parameters,
        do_filter=arguments["doFilter"],
        fill_with_noise=arguments["fillWithNoise"],
        convert_to_gray=True,
        **{name: value for name, value in given.items() if value is not None},
    )


def _resolution(stack: WebStack, arguments: Arguments) -> Resolution | None:
    unit = arguments["resolutionUnit"]
    if unit is None:
        return None
    version = get_json(stack.url()).get("currentVersion") or {}
    sizes_nm = [version.get(f"stackResolution{axis}") for axis in "XY"]
    if None in sizes_nm:
        raise NoResolutionError(str(stack))
    x, y = (arguments["scale"] * UNITS_NM[unit] / size_nm for size_nm in sizes_nm)
    return Resolution(x, y, unit)


def output_path(arguments: Arguments, z: float) -> Path:
    """Where the picture of a layer is written."""
    name = f"{int(z):05d}" if arguments["padFileNamesWithZeros"] else double_text(z)
    return _folder(arguments, z) / f"{name}.{arguments['format']}"


def _folder(arguments: Arguments, z: float) -> Path:
    root, custom = Path(arguments["rootDirectory"]), arguments["customOutputFolder"]
    if custom is not None:
        return root / custom / (arguments["customSubFolder"] or "")
    scale = f"sections_at_{double_text(arguments['scale'])}"
    thousands, hundreds = int(z / 1000), int(math.fmod(z, 1000) / 100)
    return root / arguments["project"] / arguments["stack"] / scale / f"{thousands:03d}" / str(hundreds)
