"""Parameters of the step from a table of tiles to tilespecs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from asap_ingest.commands.common_schemas import OneSectionFields, StepOutput, StepParameters
from asap_ingest.commands.fields import (
    Text,
    WholeNumber,
    ZValue,
    ZValues,
    one_of,
    optional,
    required,
)
from asap_ingest.tile_tables.table_records import PIXEL, UNITS_NM


class TileTableFields(OneSectionFields):
    """What the tilespecs of a table of tiles, or of files with a pattern in their names, are made of."""

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
        "percent of a tile's side that its neighbour on a grid shows too; needed where there are no x and y",
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
    """What generate_tilespecs_from_table leaves: with an output_dir, an input of generate_mipmaps."""

    stack = required(Text, "stack to which generated tiles were added")
    zValues = required(ZValues, "z values of the sections")  # noqa: N815
    report = optional(fields.Dict, "tiles, replaced tiles, seconds, warnings")
