"""RenderSectionClient: draws whole layers of a stack into image files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asap_ingest.render_ws.client_scripts.client_json import get_json
from asap_ingest.render_ws.client_scripts.client_options import (
    ClientError,
    flag,
    main_list,
    option,
    required,
    truth,
)
from asap_ingest.render_ws.client_scripts.render_file import Resolution, draw_here, write_image
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions
from asap_ingest.render_ws.drawing.filter_lists import named_filters
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters, from_json
from asap_ingest.render_ws.wire.java_numbers import double_text

#: Length of each unit in nanometres.
UNITS_NM = {"nm": 1.0, "um": 1e3, "mm": 1e6, "cm": 1e7, "m": 1e9}
BOUND_NAMES = ("minX", "maxX", "minY", "maxY")


def _bounds(text: str) -> Mapping[str, float]:
    """Read `minX,maxX,minY,maxY`."""
    parts = text.split(",")
    if len(parts) != len(BOUND_NAMES):
        raise ValueError(f"must be {','.join(BOUND_NAMES)}")
    return dict(zip(BOUND_NAMES, map(float, map(int, parts)), strict=True))


@dataclass(frozen=True, kw_only=True)
class Options(StackOptions):
    """Options of RenderSectionClient."""

    root_directory: str = required("rootDirectory", "folder for the pictures")
    scale: float = option("scale", "pixels of the picture per pixel of the stack", float, 0.02)
    format: str = option("format", "extension: png, jpg, jpeg, tif, tiff", str.lower, "png")
    do_filter: bool = option("doFilter", "filter the pixels", truth, True)
    filter_list_name: str | None = option("filterListName", "name of a list of filters")
    channels: str | None = option("channels", "NAME, or A__0.9__B__0.1")
    min_intensity: float | None = option("minIntensity", "value that becomes black", float)
    max_intensity: float | None = option("maxIntensity", "value that becomes white", float)
    resolution_unit: str | None = option(
        "resolutionUnit", "unit of the resolution in a TIFF", str.lower, choices=[*UNITS_NM]
    )
    fill_with_noise: bool = option("fillWithNoise", "noise where no tile is", truth, True)
    bounds: Mapping[str, float] | None = option("bounds", "draw this box: minX,maxX,minY,maxY", _bounds)
    use_stack_bounds: bool = flag("useStackBounds", "draw the box of the stack, not of the layer")
    custom_folder: str | None = option(
        "customOutputFolder", "folder below the root, instead of project, stack, scale and numbers"
    )
    custom_subfolder: str | None = option("customSubFolder", "folder below the custom one")
    pad_file_names: bool = flag("padFileNamesWithZeros", "name files by z as integer of 5 digits")
    z_values: tuple[float, ...] = main_list("z value", float)


def run(options: Options) -> None:
    """Draw the layers one by one."""
    resolution = _resolution(options)
    fixed = options.bounds
    if fixed is None and options.use_stack_bounds:
        fixed = get_json(options.source.url("/bounds"))
    for z in options.z_values:
        bounds = get_json(options.source.layer_url(z, "/bounds")) if fixed is None else fixed
        parameters = _with_options(_box_parameters(options, z, bounds), options)
        if not parameters.tile_specs:
            box = ", ".join(f"{name} {bounds[name]}" for name in BOUND_NAMES)
            raise ClientError(f"{options.source} has no tiles in layer {z} within {box}")
        write_image(output_path(options, z), draw_here(parameters), parameters, resolution)


def _box_parameters(options: Options, z: float, bounds: Mapping[str, float]) -> RenderParameters:
    width, height = (int(bounds[f"max{axis}"] - bounds[f"min{axis}"] + 0.5) for axis in "XY")
    box = f"{bounds['minX']},{bounds['minY']},{width},{height},{options.scale}"
    return from_json(get_json(options.source.layer_url(z, f"/box/{box}/render-parameters")))


def _with_options(parameters: RenderParameters, options: Options) -> RenderParameters:
    filters = options.filter_list_name
    given: dict[str, Any] = {
        "channels": options.channels,
        "min_intensity": options.min_intensity,
        "max_intensity": options.max_intensity,
        "filter_specs": None if filters is None else named_filters(filters),
    }
    return replace(
        parameters,
        do_filter=options.do_filter,
        fill_with_noise=options.fill_with_noise,
        convert_to_gray=True,
        **{name: value for name, value in given.items() if value is not None},
    )


def _resolution(options: Options) -> Resolution | None:
    unit = options.resolution_unit
    if unit is None:
        return None
    version = get_json(options.source.url()).get("currentVersion") or {}
    sizes_nm: list[Any] = [version.get(f"stackResolution{axis}") for axis in "XY"]
    if None in sizes_nm:
        problem = "has no stackResolutionX and Y, which --resolutionUnit needs"
        raise ClientError(f"{options.source} {problem}")
    pixels = options.scale * UNITS_NM[unit]
    return Resolution(pixels / sizes_nm[0], pixels / sizes_nm[1], unit)


def output_path(options: Options, z: float) -> Path:
    """Where the picture of a layer is written."""
    name = f"{int(z):05d}" if options.pad_file_names else double_text(z)
    return _folder(options, z) / f"{name}.{options.format}"


def _folder(options: Options, z: float) -> Path:
    root, custom = Path(options.root_directory), options.custom_folder
    if custom is not None:
        return root / custom / (options.custom_subfolder or "")
    scale = f"sections_at_{double_text(options.scale)}"
    thousands, hundreds = int(z / 1000), int(math.fmod(z, 1000) / 100)
    return root / options.project / options.stack / scale / f"{thousands:03d}" / str(hundreds)
