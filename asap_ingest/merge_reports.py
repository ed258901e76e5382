"""Merge the output JSON of all shards of a run into one, which is an input of the next step."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import command_line, program, say_next
from asap_ingest.errors import EXIT_DONE, EXIT_FAILURES, ParameterError, StorageError, describe_value
from asap_ingest.execution.image_warnings import ImageWarning, add_warning
from asap_ingest.execution.work_shards import Shard
from asap_ingest.storage.json_documents import read_object, write_object

Output = dict[str, Any]
#: Step -> the fields of its output that are the same in all shards; they identify the step.
STEPS = {
    "generate_mipmaps": ("input_stack", "output_dir", "levels", "imgformat", "zValues"),
    "apply_mipmaps_to_render": ("output_stack", "mipmap_dir", "levels", "imgformat"),
    "ingest_sections": ("stack", "output_dir", "levels", "imgformat"),
}
_NAMED_IN_A_LINE = 8


def merge(outputs: Mapping[str, Output]) -> Output:
    """The output of the whole run, from the outputs of its shards, by file name.

    In the report, numbers are summed, except `seconds`, which is the largest; lists are joined and sorted;
    `shards` is the number of shards. Other fields must be the same in all.

    Raises
    ------
    ParameterError
        They are not the shards of one run, or not all of them.
    """
    first_name, first = next(iter(outputs.items()))
    step = _step_of(first_name, first)
    for name, output in outputs.items():
        if "interrupted" in output:
            raise _refused(f"{name}: its run was interrupted; run that shard again, then merge all")
        if _step_of(name, output) != step:
            raise _refused(f"{first_name} is an output of {step}, {name} is not")
        for field in STEPS[step]:
            here, there = describe_value(first[field]), describe_value(output[field])
            if first[field] != output[field]:
                raise _refused(f"are not of one run: {field} is {here} in {first_name}, {there} in {name}")
    count = _shard_count(outputs)
    report = merged_report({name: output["report"] for name, output in outputs.items()})
    merged = first | {"report": report | {"shards": count}}
    if "zValues" not in STEPS[step] and "zValues" in first:
        merged["zValues"] = sorted({z for output in outputs.values() for z in output.get("zValues", [])})
    if "sections" in first:
        sections = [section for output in outputs.values() for section in output.get("sections", [])]
        merged["sections"] = sorted(sections, key=lambda section: section["z"])
    return merged


def merged_report(reports: Mapping[str, Output]) -> Output:
    """The report of the whole run, from those of its shards, by file name; see `merge`."""
    merged: Output = {}
    for field in dict.fromkeys(["failures", *chain(*reports.values())]):
        if field in ("shard", "slowest_stage"):
            continue
        absent: list[Any] | None = [] if field in ("changes", "warnings") else None
        values = {file: report.get(field, absent) for file, report in reports.items()}
        (first_file, first), *others = values.items()
        for file, value in others:
            if _common_part(field, value) != _common_part(field, first):
                here, there = describe_value(first), describe_value(value)
                raise _refused(f"report.{field} is {here} in {first_file}, {there} in {file}")
        merged[field] = _merged_field(field, list(values.values()))
    if "stage_seconds" in merged:
        seconds = merged["stage_seconds"]
        merged["slowest_stage"] = max(seconds, key=seconds.__getitem__, default=None)
    return merged


def _common_part(field: str, value: Any) -> Any:
    """What must be equal in all reports: the type of a field that is merged, the value of any other."""
    if isinstance(value, int | float):
        return float
    return type(value) if isinstance(value, list) or field == "stage_seconds" else value


def _merged_field(field: str, values: Sequence[Any]) -> Any:
    """The value of a field in the merged report, from its values in all reports."""
    if field == "seconds":
        return max(values)
    if field == "stage_seconds":
        return {stage: sum(value.get(stage, 0) for value in values) for stage in chain(*values)}
    if field == "warnings":
        warnings: list[ImageWarning] = []
        for entry in chain(*values):
            add_warning(warnings, ImageWarning(**entry))
        return [asdict(warning) for warning in sorted(warnings, key=lambda warning: warning.text)]
    if isinstance(values[0], list):
        return sorted(chain(*values), key=lambda entry: (entry.get("tileId", ""), entry.get("image", "")))
    return sum(values) if isinstance(values[0], int | float) else values[0]


def _step_of(name: str, output: Output) -> str:
    """The step that wrote an output; `name` is that of its file, for errors."""
    for step, fields in STEPS.items():
        if set(fields) <= output.keys() and isinstance(output.get("report"), dict):
            return step
    raise _refused(f"{name}: is not an output of {' or '.join(STEPS)}")


def _shard_of(name: str, output: Output) -> Shard:
    text = output["report"].get("shard")
    if not isinstance(text, str):
        raise _refused(f"{name}: names no shard; only outputs of runs with a shard (i/n) can be merged")
    try:
        return Shard.parse(text)
    except ParameterError as error:
        raise _refused(f"{name}: {error}") from error


def _shard_count(outputs: Mapping[str, Output]) -> int:
    """The number of shards; raises ParameterError unless each of them is there once."""
    names: dict[Shard, str] = {}
    for name, output in outputs.items():
        shard = _shard_of(name, output)
        first = next(iter(names), shard)
        if shard.count != first.count:
            raise _refused(f"are not of one run: {names[first]} is shard {first}, {name} is shard {shard}")
        if shard in names:
            raise _refused(f"{names[shard]} and {name} are both shard {shard}")
        names[shard] = name
    numbers = range(1, first.count + 1)
    missing = [str(each) for each in (Shard(number, first.count) for number in numbers) if each not in names]
    if missing:
        rest = len(missing) - _NAMED_IN_A_LINE
        named = ", ".join(missing[:_NAMED_IN_A_LINE]) + (f" and {rest} more" if rest > 0 else "")
        raise _refused(f"{len(missing)} of {first.count} shards missing: {named}; run them, then merge all")
    return first.count


def _refused(problem: str) -> ParameterError:
    return ParameterError("inputs", problem)


def run(inputs: Sequence[str], output_json: str) -> int:
    """Merge files into one; returns the exit code, 1 if the report has failures.

    Raises
    ------
    ParameterError, StorageError
        See `merge`; nothing is written then.
    """
    try:
        outputs = {name: read_object(name) for name in inputs}
    except StorageError as error:
        raise _refused(str(error)) from error
    merged = merge(outputs)
    write_object(output_json, merged)
    failures = merged["report"]["failures"]
    if failures:
        sys.stderr.write(
            f"asap_ingest.merge_reports: {len(failures)} failed; all are listed in {output_json}\n"
        )
    elif "output_dir" in merged:
        say_next(command_line("apply_mipmaps_to_render", input_json=output_json))
    return EXIT_FAILURES if failures else EXIT_DONE


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code."""
    arguments = build_parser().parse_args(args)
    return run(arguments.inputs, arguments.output_json)


def build_parser() -> CommandParser:
    parser = CommandParser("merge_reports", __doc__)
    parser.add_argument(
        "--inputs", nargs="+", required=True, metavar="FILE", help="output JSON of every shard"
    )
    parser.add_argument(
        "--output_json", required=True, metavar="FILE", help="file for the output of the whole run"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
