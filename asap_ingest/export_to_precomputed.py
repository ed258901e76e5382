"""A stack of a render service as a volume for Neuroglancer, at the stack's world coordinates."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from math import isqrt
from typing import Any

from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.step import run_as_program
from asap_ingest.commands.volume_schemas import ExportToPrecomputedParameters
from asap_ingest.commands.volume_step import VolumeStep
from asap_ingest.errors import ParameterError, ServiceUnreachableError
from asap_ingest.execution import Executor, Outcomes
from asap_ingest.render.box_images import BOX_FORMS, Drawing
from asap_ingest.render.stack import Stack
from asap_ingest.volumes.axes import Lengths
from asap_ingest.volumes.grid import Box
from asap_ingest.volumes.sources.stack_planes import (
    StackPlanes,
    modified_of,
    sections_of_planes,
    stack_bounds,
    whole_extent,
)
from asap_ingest.volumes.writing.write_plan import Budget, whole_source

#: Copies of a response in memory while it arrives.
_ANSWER_COPIES = 2
#: Parameters that determine the voxels, besides extent and layout.
_ORIGIN_PARAMETERS = ("dtype", "min_intensity", "max_intensity", "filter", "channels", "z_gaps")
_QUERY = {
    "min_intensity": "minIntensity",
    "max_intensity": "maxIntensity",
    "channels": "channels",
    "filter": "filter",
}


@dataclass(frozen=True)
class WhileServed:
    """An executor whose run ends with an error if the service of a stack no longer answers."""

    executor: Executor
    stack: Stack

    def run(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Outcomes[Any, Any]:
        with closing(self.executor.run(function, items)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome.error, ServiceUnreachableError):
                    self.stack.state()  # raises, unless the service answers again
                yield outcome


class ExportToPrecomputed(VolumeStep, RenderStep):
    """Sections drawn by the service to a volume."""

    default_schema = ExportToPrecomputedParameters

    def work(self) -> int:
        stack = self.stack(self.args["input_stack"])
        metadata = stack.require()
        z_values = whole_z_values(stack.name, self.sections(stack))
        voxel_size_nm = self._voxel_size(stack, metadata)
        extent = whole_extent(self._bounds(stack, z_values), z_values)
        extent, scales = self.grid(extent, voxel_size_nm)
        self.print_size(voxel_size_nm, extent.size)
        for line in export_lines(stack.name, metadata["state"], z_values, extent):
            sys.stdout.write(f"{line}\n")
        sections = sections_of_planes(extent, z_values, self.args["z_gaps"] == "fill")
        source = StackPlanes(stack, self._drawing(metadata), extent, sections, self._box_side)
        # the service draws only the finest scale
        whole = replace(whole_source(source, scales, self.settings), drawn=True)
        return self.make(whole, self._origin(stack, metadata, z_values))

    @cached_property
    def executor(self) -> Executor:
        """One that ends the run if the service is gone, as otherwise each unit would wait for it."""
        return WhileServed(super().executor, self.stack(self.args["input_stack"]))

    @property
    def budget(self) -> Budget:
        """The budget without the memory that the service's responses take."""
        whole = super().budget
        answers = self._box_side**2 * self._pixel_bytes * whole.workers
        return replace(whole, memory_bytes=whole.memory_bytes - answers)

    @property
    def _pixel_bytes(self) -> int:
        return BOX_FORMS[self.args["dtype"]].pixel_bytes * _ANSWER_COPIES

    @property
    def _box_side(self) -> int:
        affordable = isqrt(super().budget.bytes_per_worker // 2 // self._pixel_bytes)
        return max(1, min(self.args["box_size"], affordable))

    def _voxel_size(self, stack: Stack, metadata: Mapping[str, Any]) -> Lengths:
        version = metadata.get("currentVersion") or {}
        x, y, z = (version.get(f"stackResolution{axis}") for axis in "XYZ")
        if "voxel_size" in self.args:
            return self.args["voxel_size"]
        if not (x and y and z and min(x, y, z) > 0):
            problem = (
                f"is required, as the resolution of stack {stack.name!r} is {x}, {y}, {z}: "
                "x,y,z in nm, like --voxel_size 4,4,40"
            )
            raise ParameterError("voxel_size", problem)
        return x, y, z

    def _bounds(self, stack: Stack, z_values: Sequence[int]) -> dict[str, float]:
        names = ("minX", "minY", "maxX", "maxY")
        given = {name: self.args[name] for name in names if name in self.args}
        bounds = given if len(given) == len(names) else {**stack_bounds(stack, z_values), **given}
        for low, high in (("minX", "maxX"), ("minY", "maxY")):
            if bounds[low] >= bounds[high]:
                problem = f"{bounds[low]:g} is not below {high} ({bounds[high]:g}): the extent is empty"
                raise ParameterError(low, problem)
        return bounds

    def _drawing(self, metadata: Mapping[str, Any]) -> Drawing:
        query = {asked: self.args[name] for name, asked in _QUERY.items() if self.args.get(name) is not None}
        query["filter"] = "true" if query.get("filter") else "false"
        return Drawing(self.args["dtype"], query, modified_of(dict(metadata)))

    def _origin(self, stack: Stack, metadata: Mapping[str, Any], z_values: Sequence[int]) -> dict[str, Any]:
        """Everything that determines the voxels, so that a changed stack is another volume."""
        described = {
            "render": stack.connection.base_url,
            "owner": stack.connection.owner,
            "project": stack.connection.project,
            "stack": stack.name,
            "version": metadata.get("currentVersionNumber"),
            "modified": metadata.get("lastModifiedTimestamp"),
        }
        return {
            "sources": [stack.url],
            "step": "export_to_precomputed",
            "stack": described,
            "sections": z_ranges(z_values),
            **{name: self.args[name] for name in _ORIGIN_PARAMETERS if name in self.args},
        }


def whole_z_values(stack: str, z_values: Sequence[float]) -> list[int]:
    """z of sections as whole numbers, at which planes lie.

    Raises
    ------
    ParameterError
        Some z are not whole numbers.
    """
    between = [z for z in z_values if z != int(z)]
    if between:
        shown = ", ".join(f"{z:g}" for z in between[:3])
        problem = (
            f"stack {stack!r} has {len(between)} of the selected sections between whole z ({shown}), "
            "and planes of a volume lie at whole z; name the others in zValues"
        )
        raise ParameterError("zValues", problem)
    return [int(z) for z in z_values]


def z_ranges(z_values: Sequence[int]) -> str:
    """Ascending whole z as ranges, like `1..3, 7`."""
    runs: list[list[int]] = []
    for z in z_values:
        if runs and z == runs[-1][-1] + 1:
            runs[-1][1:] = [z]
        else:
            runs.append([z])
    return ", ".join("..".join(str(end) for end in run) for run in runs)


def export_lines(stack: str, state: str, z_values: Sequence[int], extent: Box) -> list[str]:
    """Lines about the extent of the volume and the planes that have sections."""
    (left, top, first), (right, bottom, end) = extent.begin, extent.end
    missing = z_values[-1] - z_values[0] + 1 - len(z_values)
    lines = [
        f"stack {stack}: x {left}..{right}, y {top}..{bottom}, z {first}..{end - 1}",
        f"sections at z {z_ranges(z_values)}; {missing} planes between them have none",
    ]
    if state == "LOADING":
        lines.append("the stack is LOADING: changes of its tiles are not detected; complete it first")
    return lines


main = ExportToPrecomputed.main

if __name__ == "__main__":
    run_as_program("export_to_precomputed")
