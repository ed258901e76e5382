"""The parameters of the commands that run the three steps at once: for one section, and for many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from argschema.schemas import DefaultSchema
from marshmallow import ValidationError, fields, validate, validates_schema

from asap_ingest.commands.common_schemas import (
    AliasedSchema,
    ClusterFields,
    PyramidFields,
    PyramidOutput,
    StepParameters,
)
from asap_ingest.commands.fields import (
    RENDER_NAME,
    FileNames,
    Flag,
    Text,
    WholeNumber,
    at_least,
    optional,
    required,
)
from asap_ingest.commands.tile_schemas import MetafileFields, TileFields
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.sections.section_list import ORDER


class IngestFields(AliasedSchema):
    """Folder, stacks and workers of the three steps in one run."""

    output_dir = required(Text, "directory to which the mipmaps will be stored")
    output_stack = optional(
        Text,
        "stack that gets the tiles with mipmaps; left out: `stack` itself",
        default=None,
        allow_none=True,
        validate=RENDER_NAME,
    )
    close_stack = optional(Flag, "whether to set the last stack to 'COMPLETE'", default=True)
    pool_size = optional(
        WholeNumber,
        "number of cores to be used (default: one per core)",
        default=usable_cores(),
        validate=at_least(1),
    )


class IngestSectionParameters(IngestFields, MetafileFields, PyramidFields, StepParameters):
    """Metafile to stack to mipmaps to a stack that has them registered: the three steps in one run."""

    common: ClassVar[tuple[str, ...]] = ("output_stack",)

    run_dir = optional(
        Text, "folder for the steps' input and output JSON; left out: `runs/<stack>_z<z>` below output_dir"
    )

    aliases: ClassVar[dict[str, str]] = {"output_prefix": "output_dir", "outputStack": "output_stack"}


class IngestSectionOutput(DefaultSchema):
    """The output JSON of ingest_section."""

    stack = required(Text, "stack whose tiles have their mipmaps registered")
    run_dir = required(Text, "folder that holds the steps' input and output JSON")
    report = optional(fields.Dict, "one entry a step; failures and warnings of all steps")
    interrupted = optional(Text, "why the run ended before it was done")


class IngestSectionsParameters(IngestFields, TileFields, PyramidFields, ClusterFields, StepParameters):
    """Many metafiles to a stack with mipmaps, in a run that resumes where it was interrupted."""

    common: ClassVar[tuple[str, ...]] = ("z_from", "watch", "dry_run")

    metafiles = required(
        FileNames,
        "folder (all _metadata_*.json in it and below), pattern, or list of metafiles, folders and patterns",
    )
    z_from = optional(
        Text,
        "how z follows from a metafile: 'order' numbers them by path; a .csv or .tsv with rows of path,z; "
        "else a regular expression on the path, whose group is the number",
        default=ORDER,
    )
    z_start = optional(WholeNumber, "z of the first section with z_from order", default=1)
    force_redo = optional(
        Flag, "ingest sections again that are done; false continues from the state file", default=False
    )
    state_file = optional(
        Text, "file with the state of each section; left out: `runs/<stack>_sections.json` below output_dir"
    )
    dry_run = optional(Flag, "print what would be done, with an estimate of the time", default=False)

    watch = optional(Flag, "wait for metafiles and their images, and ingest them as they come", default=False)
    once = optional(Flag, "watch, but poll once: ingest what is complete, and end", default=False)
    settle_seconds = optional(
        fields.Float,
        "watch: a file is complete when size and time have not changed for this long",
        default=30.0,
        validate=validate.Range(min=0, error="must be 0 or more"),
    )
    poll_seconds = optional(
        fields.Float,
        "watch: seconds between two polls",
        default=10.0,
        validate=validate.Range(min=0, min_inclusive=False, error="must be above 0"),
    )

    aliases: ClassVar[dict[str, str]] = {"metafile": "metafiles", "output_prefix": "output_dir"}

    @validates_schema(skip_on_field_errors=True)
    def check_watch(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        for name in ("dry_run", "shard"):
            if (data["watch"] or data["once"]) and data.get(name):
                raise ValidationError("cannot go with watch", name)


class IngestSectionsOutput(PyramidOutput):
    """The output JSON of ingest_sections: with `stack` as input_stack, an input of generate_mipmaps."""

    stack = required(Text, "stack whose tiles have their mipmaps registered")
    output_dir = required(Text, "directory that holds the mipmaps")
    state_file = required(Text, "file that a rerun continues from")
    sections = fields.List(fields.Dict(), required=True, metadata={"description": "results of each metafile"})
    report = required(fields.Dict, "counts, bytes, seconds, failures and warnings of all sections")
