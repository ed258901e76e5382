"""Parameters of the steps from a metafile, or a table of tiles, to tilespecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from asap_ingest.commands.common_schemas import AliasedSchema, StepOutput, StepParameters
from asap_ingest.commands.fields import (
    RENDER_NAME,
    Flag,
    JsonObject,
    Text,
    WholeNumber,
    ZValue,
    ZValues,
    at_least,
    one_of,
    optional,
    required,
)
from asap_ingest.tile_tables.table_records import PIXEL, UNITS_NM


class TileFields(AliasedSchema):
    """The parameters of tilespecs besides their source, and the stack that they are uploaded to."""

    common: ClassVar[tuple[str, ...]] = (
        *("image_directory", "minimum_intensity", "maximum_intensity", "overwrite_zlayer", "close_stack"),
    )

    stack = required(Text, "stack to which tiles should be added", validate=RENDER_NAME)
    image_directory = optional(
        Text,
        "directory used in determining absolute paths to images. "
        "Defaults to parent directory containing metafile if omitted.",
    )
    minimum_intensity = optional(WholeNumber, "intensity value to interpret as black", default=0)
    maximum_intensity = optional(
        WholeNumber, "intensity value to interpret as white", default=255, note="65535 for tiles of 16 bits"
    )
    close_stack = optional(
        Flag, "whether to set stack to 'COMPLETE' after performing operation", default=False
    )
    overwrite_zlayer = optional(
        Flag, "whether to remove the existing layer from the target stack before uploading.", default=False
    )

    append = optional(
        Flag, "keep tiles of other sections that lie at z; they are refused otherwise", default=False
    )
    maskUrl = optional(Text, "path or URI of a mask for every tile: 8 bit, 255 where pixels are kept")  # noqa: N815
    output_stackVersion = optional(  # noqa: N815
        JsonObject, "version of a stack that is made: stackResolutionX, versionNotes, ..."
    )
    section_thickness = optional(
        fields.Float,
        "nm between sections, the z resolution of a stack that is made",
        default=40.0,
        validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"),
    )

    aliases: ClassVar[dict[str, str]] = {
        "image_prefix": "image_directory",
        "maskUrl_uri": "maskUrl",
    }

    @validates_schema(skip_on_field_errors=True)
    def check_intensities(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        low, high = data["minimum_intensity"], data.get("maximum_intensity")
        if high is not None and high <= low:
            raise ValidationError(f"must be above minimum_intensity ({low})", "maximum_intensity")

    @validates_schema(skip_on_field_errors=True)
    def check_occupied(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["append"] and data["overwrite_zlayer"]:
            raise ValidationError("cannot go with overwrite_zlayer, which removes what is there", "append")


class OneSectionFields(TileFields):
    """The parameters of the tilespecs of one section or one table."""

    sectionId = optional(  # noqa: N815
        Text,
        "sectionId to apply to tiles during ingest.  "
        "If unspecified will default to a string representation of the float value of z_index.",
    )
    pool_size = optional(
        WholeNumber, "processes to spawn for parallelization", default=1, validate=at_least(1)
    )
    aliases: ClassVar[dict[str, str]] = {
        "output_stack": "stack",
        "outputStack": "stack",
        "zValues": "z_index",
        "zs": "z_index",
        "z": "z_index",
    }

    @pre_load
    def single_z(self, data: Any, **kwargs: Any) -> Any:
        for name in ("zValues", "zs", "z_index"):
            if isinstance(data.get(name), list) and len(data[name]) == 1:
                data[name] = data[name][0]
        return data


class MetafileFields(OneSectionFields):
    """The parameters of the tilespecs of a metafile."""

    metafile = required(Text, "metadata file containing TEMCA acquisition data")
    z_index = required(ZValue, "z value to which tilespecs from ROI will be added")

    aliases: ClassVar[dict[str, str]] = {"metafile_uri": "metafile"}


class TileTableFields(OneSectionFields):
    """The parameters of the tilespecs of a table of tiles, or of files with a pattern in their names."""

    common: ClassVar[tuple[str, ...]] = (
        *("table", "pattern", "overlap_percent", "units", "pixel_size_nm", "z_index"),
    )

    table = optional(
        Text, "CSV, TSV, TileConfiguration.txt of Fiji or .mdoc of SerialEM with the positions of the tiles"
    )
    pattern = optional(
        Text,
        "names of files on a grid, like tiles/tile_{row}_{col}.tif, in place of a table; {z} may be in it",
    )
    overlap_percent = optional(
        fields.Float,
        "overlap of neighbours on a grid, in percent of a tile's side; needed where there are no x and y",
        validate=validate.Range(0, 100, max_inclusive=False, error="must be at least 0 and below 100"),
    )
    units = optional(
        Text,
        "of x and y; default: those of the table, else pixels",
        validate=one_of([PIXEL, *UNITS_NM]),
    )
    pixel_size_nm = optional(
        fields.Float,
        "nm of a pixel: needed where x and y are not in pixels; the resolution of a stack that is made",
        validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"),
    )
    y_axis = optional(
        Text,
        "down, or up: y grows upwards and is that of a tile's lower edge; default: up for .mdoc, else down",
        validate=one_of(("down", "up")),
    )
    z_index = optional(ZValue, "z of all tiles; default: from the table or the pattern")
    image_directory = optional(
        Text,
        "folder of relative paths; default: that of the table, or the working directory for a pattern",
    )
    maximum_intensity = optional(
        WholeNumber,
        "intensity value to interpret as white; default: 65535 for tiles of 16 bits, 255 for others",
    )

    @validates_schema(skip_on_field_errors=True)
    def check_source(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("table" in data) == ("pattern" in data):
            raise ValidationError("give this, or pattern in its place; just one of them", "table")


class GenerateTileSpecsFromTableParameters(TileTableFields, StepParameters):
    """Upload tilespecs to a new or existing stack, with positions from a table or from a pattern of
    file names."""


class GenerateTileSpecsFromTableOutput(StepOutput):
    """The output JSON of generate_tilespecs_from_table: with an output_dir, an input of generate_mipmaps."""

    stack = required(Text, "stack to which generated tiles were added")
    zValues = required(ZValues, "z values of the sections")  # noqa: N815
    report = optional(fields.Dict, "tiles, replaced tiles, seconds, warnings")
