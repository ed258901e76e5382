"""Parameters and outputs that several steps share: workers, sections, pyramids, tiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from argschema import ArgSchema
from argschema.schemas import DefaultSchema
from marshmallow import ValidationError, fields, pre_load, validates_schema

from asap_ingest import storage
from asap_ingest.commands.connection_schema import RenderParameters
from asap_ingest.commands.fields import (
    Flag,
    JsonObject,
    LogLevelName,
    NotRead,
    Text,
    WholeNumber,
    ZValue,
    ZValues,
    at_least,
    from_to,
    one_of,
    optional,
    required,
)
from asap_ingest.images.downsample import BLOCK_FUNCTIONS, DOWNSAMPLE_METHODS, PIL_FILTERS
from asap_ingest.images.formats import TIFF_COMPRESSIONS
from asap_ingest.mipmaps.levels import EXTENSIONS


class AliasedSchema(DefaultSchema):
    """A schema whose fields may also be given under older names.

    A subclass has the `aliases` and `common` of its bases as well.
    """

    #: older name -> today's
    aliases: ClassVar[dict[str, str]] = {}
    #: fields that most users need, besides the required ones: help lists them before the rare ones
    common: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        older = (vars(kind).get("aliases", {}) for kind in reversed(cls.__mro__))
        cls.aliases = {old: new for aliases in older for old, new in aliases.items()}
        common = (vars(kind).get("common", ()) for kind in cls.__mro__)
        cls.common = tuple(dict.fromkeys(name for names in common for name in names))

    @pre_load
    def apply_aliases(self, data: Any, **kwargs: Any) -> Any:
        for old, new in self.aliases.items():
            if old in data and old not in self.fields:
                if not _mean_the_same(data.get(new, data[old]), data[old]):
                    raise ValidationError(f"means {new}, which is given too, as {data[new]!r}", old)
                data[new] = data.pop(old)
        return data


def _mean_the_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, or name the same file as path and as URI."""
    return one == other or (
        isinstance(one, str) and isinstance(other, str) and storage.as_uri(one) == storage.as_uri(other)
    )


class CommonParameters(ArgSchema, AliasedSchema):
    """The parameters of every step."""

    common: ClassVar[tuple[str, ...]] = ("input_json", "output_json")

    input_json = optional(Text, "file path of input json file")
    log_level = LogLevelName(
        dump_default="ERROR",
        load_default="ERROR",
        metadata={"description": "set the logging level of the module"},
    )
    output_json = optional(Text, "file path to output json file")
    storage_options = optional(
        JsonObject,
        'options for s3:// and other URIs, like {"endpoint_url": "http://localhost:9000"}',
        default={},
    )


class StepParameters(CommonParameters):
    """The parameters of every step on stacks."""

    render = fields.Nested(
        RenderParameters, metadata={"description": "parameters to connect to render server"}
    )

    report = optional(NotRead, "report of the step whose output this input was made of; not read")
    interrupted = optional(Text, "why that step ended before it was done: its output is refused")

    @validates_schema(skip_on_field_errors=True)
    def check_whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "interrupted" in data:
            raise ValidationError("is how the step before ended: run that again first", "interrupted")

    @pre_load
    def have_render(self, data: Any, **kwargs: Any) -> Any:
        data.setdefault("render", {})
        return data


class SectionSelection(AliasedSchema):
    """Which sections of a stack: all, unless z, zValues, or zstart and zend say otherwise."""

    common: ClassVar[tuple[str, ...]] = ("z", "zstart", "zend", "zValues")

    zstart = optional(ZValue, "start z-index in the stack")
    zend = optional(ZValue, "end z-index in the stack")

    zValues = optional(ZValues, "z values of the sections")  # noqa: N815

    aliases: ClassVar[dict[str, str]] = {
        "stack": "input_stack",
        "inputStack": "input_stack",
        "minZ": "zstart",
        "maxZ": "zend",
        "zs": "zValues",
        "z_index": "z",
    }

    @validates_schema(skip_on_field_errors=True)
    def check_selection(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        given = [name for name in ("z", "zValues") if name in data]
        if any(name in data for name in ("zstart", "zend")):
            given.append("zstart/zend")
        if len(given) > 1:
            raise ValidationError(f"only one of {', '.join(given)} can be given", given[0])
        if data.get("zstart", float("-inf")) > data.get("zend", float("inf")):
            raise ValidationError(f"is above zend ({data['zend']})", "zstart")


class ClusterFields(AliasedSchema):
    """Work beyond one process."""

    common: ClassVar[tuple[str, ...]] = ("pool_size",)

    dask_scheduler = optional(
        Text,
        "tcp://host:port of a Dask scheduler whose workers work, or local; left out: pool_size processes",
    )
    pool_size = optional(WholeNumber, "number of cores to be used", default=20, validate=at_least(1))
    shard = optional(Text, "i/n: the i-th of n parts of the work, 1 to n; the others are done by other runs")


class PyramidFields(AliasedSchema):
    """The parameters of the levels."""

    common: ClassVar[tuple[str, ...]] = ("levels", "method", "imgformat", "convert_to_8bit", "force_redo")

    method = required(
        Text,
        "method to downsample mipmapLevels, can be 'block_reduce' for skimage based area downsampling, "
        "'PIL' for PIL Image (currently NEAREST) filtered resize, 'render' for render-ws based rendering.  "
        "Currently only PIL is implemented, while others may fall back to this.",
        dump_default="block_reduce",
        validate=one_of([*DOWNSAMPLE_METHODS, "render"]),
        note="Today each of the three is implemented, and none falls back to another: block_reduce takes "
        "exact means or medians (block_func), PIL resizes with PIL_filter, render has the service draw",
    )
    imgformat = optional(
        Text, "image format for mipmaps (default tiff)", default="tiff", validate=one_of(EXTENSIONS)
    )
    convert_to_8bit = optional(
        Flag,
        "convert the data from 16 to 8 bit (default True)",
        default=True,
        note="Tiles of 8 bits stay as they are",
    )
    force_redo = optional(
        Flag,
        "force re-generation of existing mipmaps",
        default=True,
        note="false leaves files that are there and not older than their image: after a crash",
    )
    levels = optional(
        WholeNumber,
        "number of levels of mipmaps, default is 6",
        default=6,
        validate=from_to(1, 24),
    )

    PIL_filter = optional(
        Text, "Pillow filter that method PIL resizes with", default="NEAREST", validate=one_of(PIL_FILTERS)
    )
    block_func = optional(
        Text, "what method block_reduce takes of a block", default="mean", validate=one_of(BLOCK_FUNCTIONS)
    )
    compression = optional(
        Text,
        "compression of TIFF levels; render cannot read zstd",
        default="none",
        validate=one_of(TIFF_COMPRESSIONS),
    )
    verify = optional(
        Flag, "read every level again: it decodes and has the expected size and type", default=False
    )
    report_dir = optional(
        Text, "folder for a page on each section, section_<z>.html, and sections.html; left out: none"
    )


class StepOutput(DefaultSchema):
    """What every step's output passes on to the next step."""

    storage_options = optional(fields.Dict, "options for s3:// and other URIs")
    render = optional(fields.Dict, "connection to the render service")


class PyramidOutput(StepOutput):
    """The pyramids that exist after a step."""

    levels = required(WholeNumber, "number of levels of mipmaps")
    imgformat = required(Text, "image format of the mipmaps")
    interrupted = optional(Text, "why the run ended before it was done")
    zValues = optional(ZValues, "z values of the sections")  # noqa: N815
