"""Every parameter of the steps that write volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from argschema.schemas import DefaultSchema
from marshmallow import ValidationError, fields, validate, validates_schema

from asap_ingest.commands.common_schemas import (
    CommonParameters,
    SectionSelection,
    StepParameters,
)
from asap_ingest.commands.fields import (
    INT32_MAX,
    RENDER_NAME,
    FileNames,
    Flag,
    FolderName,
    Text,
    Triple,
    WholeNumber,
    at_least,
    from_to,
    one_of,
    optional,
    required,
)
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.images.plane_reductions import REDUCTIONS
from asap_ingest.images.voxel_size import NM_OF_UNITS
from asap_ingest.volumes.chunk_formats import CHUNK_FORMATS
from asap_ingest.volumes.grid import AUTO_FACTOR
from asap_ingest.volumes.sources.missing_planes import ON_MISSING

#: Values of `format`; `zarr_format` chooses between zarr and zarr2.
VOLUME_FORMATS = tuple(name for name in CHUNK_FORMATS if name != "zarr2")
_NUMBER = r"\s*([0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?|\.[0-9]+)\s*"
_LENGTH = re.compile(rf"{_NUMBER}([^\W\d_]+)\s*")
_BYTES = re.compile(rf"{_NUMBER}(?:([KMGT])(I?)B|B?)\s*", re.IGNORECASE)


class VoxelSize(Triple):
    """Sides of a voxel in nm, or with units, like `4nm,4nm,0.04um`; a single one is for all axes."""

    number = fields.Float

    default_error_messages = {
        "unit": "must be three numbers, x,y,z, in nm or each with one of the units nm, um, mm, cm"
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        sides = value.strip("[]() ").split(",") if isinstance(value, str) else value
        if isinstance(sides, list | tuple):
            if isinstance(value, str) and len(sides) == 1 and _LENGTH.fullmatch(value):
                sides = sides * 3
            sides = [self._in_nm(side) for side in sides]
        return super()._deserialize(sides, attr, data, **kwargs)

    def _in_nm(self, side: Any) -> Any:
        match = _LENGTH.fullmatch(str(side))
        if match is None:
            return side
        if match[2] not in NM_OF_UNITS:
            raise self.make_error("unit")
        return round(float(match[1]) * NM_OF_UNITS[match[2]], 9)


class ScaleFactor(Triple):
    """Three whole numbers, or `auto`."""

    metavar = "X,Y,Z|auto"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return value if value == AUTO_FACTOR else super()._deserialize(value, attr, data, **kwargs)


class MemorySize(fields.Raw):
    """Bytes: a number, or text like `4GB` or `4GiB`."""

    metavar = "BYTES"

    default_error_messages = {"invalid": "must be a number of bytes, or text like 500MB, 4GB or 4GiB"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        match = _BYTES.fullmatch(str(value))
        base = 1024 if match and match[3] else 1000
        size = int(float(match[1]) * base ** " KMGT".index((match[2] or " ").upper())) if match else 0
        if size <= 0:
            raise self.make_error("invalid")
        return size


class VolumeParameters(CommonParameters):
    """Parameters of both steps that make a volume."""

    common: ClassVar[tuple[str, ...]] = (
        *("voxel_size", "levels", "format", "factor", "type", "chunk_size", "memory", "pool_size", "dry_run"),
    )
    aliases: ClassVar[dict[str, str]] = {"n_cores": "pool_size"}

    dest = required(FolderName, "folder of the volume, path or URI")
    levels = optional(
        WholeNumber,
        "number of scales, full resolution included (default: until a few chunks hold all)",
        validate=from_to(1, 32),
    )
    format = optional(
        Text,
        "tiff: chunks that Fiji opens, shown through precomputed-webserver; raw: any web server will do; "
        "sharded: few large files; zarr: OME-Zarr",
        validate=one_of(VOLUME_FORMATS),
        default="tiff",
    )
    zarr_format = optional(
        WholeNumber,
        "of format zarr: 3 writes OME-Zarr 0.5, 2 writes OME-Zarr 0.4, for older readers",
        validate=one_of((2, 3)),
        default=3,
    )
    chunk_size = optional(
        Triple, "voxels of a chunk along x,y,z", allowed=from_to(1, 65536), default=(64, 64, 64)
    )
    factor = optional(
        ScaleFactor,
        "from one scale to the next along x,y,z; auto halves z only once voxels are nearly as long in x and "
        "y",
        allowed=from_to(1, 64),
        default=(2, 2, 2),
    )
    voxel_size = optional(
        VoxelSize,
        "size of a voxel along x,y,z, in nm or with units, like 4,4,40 or 4nm,4nm,0.04um; spelled "
        "--voxel-size, as in older programs, it must have units",
        allowed=validate.Range(0, 1e9, min_inclusive=False, error="must be above 0 and at most 1e9"),
    )
    type = optional(
        Text,
        "image: scales are means; segmentation: the most frequent label",
        validate=one_of(REDUCTIONS),
        default="image",
    )
    memory = optional(
        MemorySize, "for the arrays of all workers, like 4GB (default: half of the usable memory)"
    )
    pool_size = optional(
        WholeNumber,
        "number of parallel worker processes (default: one per core)",
        validate=at_least(1),
        default=usable_cores(),
    )
    dask_scheduler = optional(Text, "tcp://host:port of a Dask scheduler, or local, for the workers")
    force_redo = optional(
        Flag, "false keeps existing chunks, and rewrites those of changed planes", default=False
    )
    dry_run = optional(Flag, "print the plan of the volume, and write nothing", default=False)


class PrecomputedTifParameters(VolumeParameters):
    """Make a volume for Neuroglancer of a z-stack: TIFF, PNG or JPEG planes, or one TIFF with many pages."""

    source = required(
        FileNames,
        'glob of planes, like "stack/img_*.tif", or names, sorted naturally; or one TIFF with many pages',
    )
    on_missing = optional(
        Text,
        "files that cannot be read, and gaps in the numbers of file names: refuse them, put a black plane, "
        "or repeat the plane before (default: refuse files, close gaps with a warning)",
        validate=one_of(ON_MISSING),
    )
    voxel_offset = optional(
        Triple,
        "position x,y,z of the first voxel, where the planes are a part of something",
        allowed=from_to(-INT32_MAX, INT32_MAX),
        default=(0, 0, 0),
    )

    channel = optional(
        WholeNumber, "which channel, where the files have several; counted from 0", validate=at_least(0)
    )
    time = optional(
        WholeNumber, "which time, where the files have several and z; counted from 0", validate=at_least(0)
    )
    series = optional(
        WholeNumber, "which image series, where a file has several; counted from 0", validate=at_least(0)
    )

    @validates_schema(skip_on_field_errors=True)
    def check_source(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if any("://" in name for name in data["source"]):
            raise ValidationError("must be files of this machine", "source")


class ExportToPrecomputedParameters(VolumeParameters, SectionSelection, StepParameters):
    """Make a volume for Neuroglancer of a stack, at its world coordinates, as the render service draws it."""

    input_stack = required(Text, "stack to export", validate=RENDER_NAME)
    dtype = optional(
        Text,
        "type of the voxels: uint8, or uint16 as the images have it",
        validate=one_of(("uint8", "uint16")),
        default="uint8",
    )
    min_intensity = optional(fields.Float, "grey value that becomes black (default: that of the tiles)")
    max_intensity = optional(fields.Float, "grey value that becomes white (default: that of the tiles)")
    filter = optional(
        Flag, "have the service normalise contrast; it adds noise, so two runs differ", default=False
    )
    channels = optional(Text, "channel, or a mix like A__0.9__B__0.1 (default: that of the stack)")
    minX = optional(WholeNumber, "first column, in world coordinates (default: of the stack)")  # noqa: N815
    maxX = optional(WholeNumber, "column after the last (default: of the stack)")  # noqa: N815
    minY = optional(WholeNumber, "first row (default: of the stack)")  # noqa: N815
    maxY = optional(WholeNumber, "row after the last (default: of the stack)")  # noqa: N815
    z_gaps = optional(
        Text,
        "planes between the sections that have none: keep leaves them black, fill repeats the section before",
        validate=one_of(("keep", "fill")),
        default="keep",
    )
    box_size = optional(
        WholeNumber,
        "pixels along x and y of one request to the service, at most",
        validate=from_to(64, 8192),
        default=4096,
    )

    aliases: ClassVar[dict[str, str]] = {
        "minIntensity": "min_intensity",
        "maxIntensity": "max_intensity",
    }

    @validates_schema(skip_on_field_errors=True)
    def check_intensity(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        given = [name for name in ("min_intensity", "max_intensity") if name in data]
        if given and data["dtype"] == "uint16":
            raise ValidationError(
                "has no effect on 16-bit images; leave it out, or set dtype uint8", given[0]
            )


class VolumeOutput(DefaultSchema):
    """Output of a step that made a volume."""

    dest = required(Text, "folder of the volume")
    format = required(Text, "format of its chunks")
    report = optional(fields.Dict, "scales, units, chunks, bytes, seconds, failures")
