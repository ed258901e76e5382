"""Every parameter of the steps that write volumes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from argschema.schemas import DefaultSchema
from marshmallow import ValidationError, fields, validate, validates_schema

from asap_ingest.images.volumes import REDUCTIONS
from asap_ingest.precomputed.grid import AUTO_FACTOR
from asap_ingest.schema_fields import (
    RENDER_NAME,
    Flag,
    Text,
    WholeNumber,
    at_least,
    from_to,
    one_of,
    optional,
    required,
)
from asap_ingest.schemas import CommonParameters, SectionSelection, StepParameters

VOLUME_FORMATS = ("tiff", "raw", "sharded", "zarr")
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Triple(fields.List):
    """Three numbers x, y, z: a JSON list, or text like `4,4,40`."""

    default_error_messages = {"invalid": "must be three numbers, x,y,z"}

    def __init__(self, kind: type[fields.Field], allowed: validate.Validator, **kwargs: Any) -> None:
        super().__init__(kind(validate=allowed), **kwargs)
        self.metadata["cli_as_single_argument"] = True

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.strip("[]()").split(",")]
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise self.make_error("invalid")
        return tuple(super()._deserialize(list(value), attr, data, **kwargs))


class FactorField(Triple):
    """Three whole numbers, or `auto`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if value == AUTO_FACTOR:
            return value
        return super()._deserialize(value, attr, data, **kwargs)


class MemorySize(fields.Raw):
    """Bytes: a number, or text like `4GB`."""

    default_error_messages = {"invalid": "must be a number of bytes, or text like 500MB or 4GB"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        found = re.fullmatch(r"\s*([0-9.]+)\s*(KB|MB|GB|TB|)\s*", str(value).upper())
        try:
            size = int(float(found[1]) * _UNITS.get(found[2], 1)) if found else 0
        except ValueError as error:
            raise self.make_error("invalid") from error
        if size <= 0:
            raise self.make_error("invalid")
        return size


def _positive() -> validate.Range:
    return validate.Range(0, 1e9, min_inclusive=False, error="must be above 0 and at most 1e9")


class VolumeParameters(CommonParameters):
    """What both ways of making a volume have."""

    dest = required(Text, "folder of the volume, path or URI")
    levels = optional(
        WholeNumber,
        "number of scales, full resolution included (default: until a few chunks hold all)",
        validate=from_to(1, 32),
    )
    format = optional(
        Text,
        "tiff: chunks that Fiji opens, shown through precomputed-webserver; raw: any web server will do; "
        "sharded: few large files; zarr: OME-Zarr 0.5",
        validate=one_of(VOLUME_FORMATS),
        default="tiff",
    )
    chunk_size = Triple(
        WholeNumber,
        from_to(1, 65536),
        load_default=(64, 64, 64),
        dump_default=(64, 64, 64),
        metadata={"description": "voxels of a chunk along x,y,z"},
    )
    factor = FactorField(
        WholeNumber,
        from_to(1, 64),
        load_default=(2, 2, 2),
        dump_default=(2, 2, 2),
        metadata={
            "description": "from one scale to the next along x,y,z; auto halves z only once voxels are "
            "nearly as long in x and y"
        },
    )
    voxel_size = Triple(
        fields.Float, _positive(), metadata={"description": "size of a voxel in nm along x,y,z"}
    )
    type = optional(
        Text,
        "image: scales are means; segmentation: the most frequent label",
        validate=one_of(REDUCTIONS),
        default="image",
    )
    memory = MemorySize(
        metadata={"description": "for the arrays of all workers, like 4GB (default: half of this machine's)"}
    )
    pool_size = optional(
        WholeNumber,
        "number of parallel worker processes (default: one per core)",
        validate=at_least(1),
        default=os.cpu_count() or 1,
    )
    dask_scheduler = optional(Text, "tcp://host:port of a Dask scheduler, or local, for the workers")
    force_redo = optional(Flag, "false keeps chunks that are there", default=False)
    dry_run = optional(Flag, "say what would be made, and make nothing", default=False)


class PrecomputedTifParameters(VolumeParameters):
    """precomputed-tif."""

    source = required(
        Text,
        'glob of planes, like "stack/img_*.tif" (quotes!), sorted naturally; or one TIFF with many pages',
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
        if "://" in data["source"]:
            raise ValidationError("must be files of this machine", "source")


class ExportToPrecomputedParameters(VolumeParameters, SectionSelection, StepParameters):
    """export_to_precomputed."""

    input_stack = required(Text, "stack to export", validate=RENDER_NAME)
    dtype = optional(
        Text,
        "type of the voxels: uint8, or uint16 as the images have it",
        validate=one_of(("uint8", "uint16")),
        default="uint8",
    )
    min_intensity = optional(fields.Float, "grey value that becomes black (default: what the tiles say)")
    max_intensity = optional(fields.Float, "grey value that becomes white (default: what the tiles say)")
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
        "pixels along x and y that are asked of the service at once, at most",
        validate=from_to(64, 8192),
        default=4096,
    )

    aliases: ClassVar[dict[str, str]] = {
        "minIntensity": "min_intensity",
        "maxIntensity": "max_intensity",
        **SectionSelection.aliases,
    }

    @validates_schema(skip_on_field_errors=True)
    def check_intensity(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        given = [name for name in ("min_intensity", "max_intensity") if name in data]
        if given and data["dtype"] == "uint16":
            raise ValidationError(
                "has no effect on 16-bit images; leave it out, or set dtype uint8", given[0]
            )


class VolumeOutput(DefaultSchema):
    """What a step that made a volume leaves."""

    dest = required(Text, "folder of the volume")
    format = required(Text, "how its chunks lie there")
    report = optional(fields.Dict, "scales, units, chunks, bytes, seconds, failures")
