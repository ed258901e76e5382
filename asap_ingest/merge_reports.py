"""Merge the output JSON of all shards of a run into one, which is an input of the next step as theirs are."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.next_command import command_line, say_next
from asap_ingest.commands.program import program
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
    """The output of the whole run, given the outputs of its shards by the names of their files.

    In the report numbers are added, but `seconds` is the largest, and lists of objects are joined and sorted;
    `shards` is their number. Other fields must be the same in all.

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
    count = _check_shards({name: _shard_of(name, output) for name, output in outputs.items()})
    report = merged_report({name: output["report"] for name, output in outputs.items()})
    merged = first | {"report": report | {"shards": count}}
    if "zValues" not in STEPS[step] and "zValues" in first:
        merged["zValues"] = sorted({z for output in outputs.values() for z in output.get("zValues", [])})
    if "sections" in first:
        sections = [section for output in outputs.values() for section in output.get("sections", [])]
        merged["sections"] = sorted(sections, key=lambda section: section["z"])
    return merged


def merged_report(reports: Mapping[str, Output]) -> Output:
    """The report of all shards, given theirs by the names of their files; see `merge`."""
    merged: Output = {}
    for field in dict.fromkeys(["failures", *(field for report in reports.values() for field in report)]):
        values: dict[str, Any] = {name: report.get(field) for name, report in reports.items()}
        if field == "stage_seconds":
            _check(field, values, "numbers by name", _is_numbers)
            seconds: Counter[str] = Counter()
            for value in values.values():
                seconds.update(value)
            merged[field] = dict(seconds)
            merged["slowest_stage"] = max(merged[field], key=merged[field].__getitem__, default=None)
        elif field in ("failures", "changes", "warnings"):
            default: list[Any] | None = None if field == "failures" else []
            values = {name: report.get(field, default) for name, report in reports.items()}
            _check(field, values, "a list of objects", _is_objects)
            merge_lists = _merged_warnings if field == "warnings" else _sorted_by_tile
            merged[field] = merge_lists([entry for value in values.values() for entry in value])
        elif any(_is_number(value) for value in values.values()):
            _check(field, values, "a number", _is_number)
            merged[field] = max(values.values()) if field == "seconds" else sum(values.values())
        elif field not in ("shard", "slowest_stage"):
            merged[field] = _same(field, values)
    return merged


def _step_of(name: str, output: Output) -> str:
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


def _check_shards(shards: Mapping[str, Shard]) -> int:
    """The number of shards; raises ParameterError unless each of them is there once."""
    names: dict[Shard, str] = {}
    first_name, first = next(iter(shards.items()))
    for name, shard in shards.items():
        if shard.count != first.count:
            raise _refused(f"are not of one run: {first_name} is shard {first}, {name} is shard {shard}")
        if shard in names:
            raise _refused(f"{names[shard]} and {name} are both shard {shard}")
        names[shard] = name
    missing = [number for number in range(1, first.count + 1) if Shard(number, first.count) not in names]
    if missing:
        named = ", ".join(f"{number}/{first.count}" for number in missing[:_NAMED_IN_A_LINE])
        if len(missing) > _NAMED_IN_A_LINE:
            named += f" and {len(missing) - _NAMED_IN_A_LINE} more"
        raise _refused(f"{len(missing)} of {first.count} shards missing: {named}; run them, then merge all")
    return first.count


def _check(field: str, values: Mapping[str, Any], expected: str, is_expected: Any) -> None:
    for name, value in values.items():
        if not is_expected(value):
            raise _refused(f"{name}: report.{field} is {describe_value(value)}, not {expected}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _sorted_by_tile(entries: Sequence[Output]) -> list[Output]:
    return sorted(entries, key=lambda entry: (str(entry.get("tileId", "")), str(entry.get("image", ""))))


def _merged_warnings(entries: Sequence[Output]) -> list[Output]:
    warnings: list[ImageWarning] = []
    for entry in entries:
        add_warning(warnings, ImageWarning(**entry))
    return [asdict(warning) for warning in sorted(warnings, key=lambda warning: warning.text)]


def _same(field: str, values: Mapping[str, Any]) -> Any:
    (first_name, first), *others = values.items()
    for name, value in others:
        if value != first:
            here, there = describe_value(first), describe_value(value)
            raise _refused(f"report.{field} is {here} in {first_name}, {there} in {name}")
    return first


def _refused(problem: str) -> ParameterError:
    return ParameterError("inputs", problem)


def _read(name: str) -> Output:
    try:
        return read_object(name)
    except StorageError as error:
        raise _refused(str(error)) from error


def run(inputs: Sequence[str], output_json: str) -> int:
    """Merge files into one; the exit code: 1 where the report has failures.

    Raises
    ------
    ParameterError, StorageError
        See `merge`; nothing is written then.
    """
    merged = merge({name: _read(name) for name in inputs})
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
