"""Spellings of older programs that the command line of a volume accepts too."""

from __future__ import annotations

from collections.abc import Sequence

from asap_ingest.commands.command_line import grouped
from asap_ingest.commands.parser import SchemaParser
from asap_ingest.errors import ParameterError

#: Older programs take micrometres.
_NM = 1000


class VolumeParser(SchemaParser):
    """The parser of a step that makes a volume."""

    def spelled(self, arguments: Sequence[str]) -> list[str]:
        return super().spelled(our_spelling(arguments))


def our_spelling(arguments: Sequence[str]) -> list[str]:
    """Arguments of a command line in our spelling: `--segmentation` becomes `--type segmentation`.

    Raises
    ------
    ParameterError
        `--voxel-size` without units: it was in micrometres, `--voxel_size` is in nm.
    """
    spelled: list[str] = []
    for flag, values in grouped(arguments):
        if flag == "--voxel-size":
            _require_units(values)
        if flag == "--segmentation":
            spelled += _type_of(values)
        else:
            spelled += [flag, *values] if flag else values
    return spelled


def _require_units(values: Sequence[str]) -> None:
    sides = ",".join(values).split(",")
    try:
        nm = ",".join(f"{float(side) * _NM:.9g}" for side in sides)
    except ValueError:  # it has units, or is not a number, which its field reports
        return
    problem = (
        f"{','.join(values)}: was in micrometres in older programs, and --voxel_size is in nm; "
        f"write --voxel_size {nm}, or the unit, like --voxel-size {'um,'.join(sides)}um"
    )
    raise ParameterError("voxel-size", problem)


def _type_of(values: Sequence[str]) -> list[str]:
    flag = values[0].lower() if values else "true"
    if len(values) > 1 or flag not in ("true", "false"):
        raise ParameterError("segmentation", f"{' '.join(values)!r}: takes no value, or true or false")
    return ["--type", "segmentation"] if flag == "true" else []
