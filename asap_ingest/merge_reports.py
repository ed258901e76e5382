"""One output of the outputs that the shards of a run left; it is an input of the next step as theirs are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.next_command import command_line, say_next
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_DONE, EXIT_FAILURES, AsapIngestError, ParameterError
from asap_ingest.execution.work_shards import Shard
from asap_ingest.secrets import without_secrets
from asap_ingest.storage.json_documents import parse_json

Output = dict[str, Any]
#: Lists of a report, one object a tile: joined, and sorted by tile and image.
LISTS = ("failures", "changes")
#: Fields of a report that are made anew.
_DERIVED = ("seconds", "stage_seconds", "slowest_stage", "shard", "warnings")
_NAMED_IN_A_LINE = 8


@dataclass(frozen=True)
class Form:
    """What a step's output looks like.

    Attributes
    ----------
    same : tuple of str
        Fields that all shards have alike.
    counts : tuple of str
        Fields of the report that are added.
    own_sections : bool
        Shards split the sections, not the images of each: `zValues` are joined.
    joined : tuple of str
        Lists of objects with a z, of all shards.
    """

    step: str
    same: tuple[str, ...]
    counts: tuple[str, ...]
    own_sections: bool = False
    joined: tuple[str, ...] = ()


FORMS = (
    Form(
        "generate_mipmaps",
        ("input_stack", "output_dir", "levels", "imgformat", "zValues"),
        ("tiles", "files_written", "files_skipped", "bytes_read", "bytes_written"),
    ),
    Form(
        "apply_mipmaps_to_render",
        ("output_stack", "mipmap_dir", "levels", "imgformat"),
        ("tiles", "tiles_with_levels"),
        own_sections=True,
    ),
    Form(
        "ingest_sections",
        ("stack", "output_dir", "levels", "imgformat"),
        (
            *("sections", "tiles", "added", "replaced", "removed", "tiles_with_levels"),
            *("files_written", "files_skipped", "bytes_read", "bytes_written"),
        ),
        joined=("sections",),
    ),
)


def merge(outputs: Mapping[str, Output]) -> Output:
    """The output of the whole run, of its shards' outputs by the names of their files.

    Counts and seconds of stages are sums, `seconds` is the longest, `failures` are all of them, sorted;
    the report tells the number of `shards`. What else a report holds must be alike in all.

    Raises
    ------
    ParameterError
        They are not the shards of one run, or not all of them.
    """
    if not outputs:
        raise _refused("name the outputs to merge")
    first_name, first = next(iter(outputs.items()))
    form = _form_of(first_name, first)
    for name, output in outputs.items():
        if "interrupted" in output:
            raise _refused(f"{name}: its run was interrupted; run that shard again, then merge all")
        _check_same(form, (first_name, first), (name, output))
    count = _check_shards({name: _shard_of(name, output) for name, output in outputs.items()})
    for name, output in outputs.items():
        _check_numbers(form, name, output["report"])
    merged = first | {"report": _report(form, {name: output["report"] for name, output in outputs.items()})}
    merged["report"]["shards"] = count
    if form.own_sections:
        merged["zValues"] = sorted({z for output in outputs.values() for z in output.get("zValues", [])})
    for name in form.joined:
        entries = [entry for output in outputs.values() for entry in output.get(name, [])]
        merged[name] = sorted(entries, key=lambda entry: entry["z"])
    return merged


def _form_of(name: str, output: Output) -> Form:
    for form in FORMS:
        if set(form.same) <= output.keys() and isinstance(output.get("report"), dict):
            return form
    steps = " or ".join(form.step for form in FORMS)
    raise _refused(f"{name}: is not an output of {steps}")


def _check_same(form: Form, first: tuple[str, Output], other: tuple[str, Output]) -> None:
    if _form_of(*other) is not form:
        raise _refused(f"{first[0]} is an output of {form.step}, {other[0]} is not")
    for field in form.same:
        here, there = first[1][field], other[1][field]
        if here != there:
            raise _refused(
                f"are not of one run: {field} is {_short(here)} in {first[0]}, {_short(there)} in {other[0]}"
            )


def _shard_of(name: str, output: Output) -> Shard:
    text = output["report"].get("shard")
    if not isinstance(text, str):
        raise _refused(f"{name}: names no shard; only outputs of runs with a shard (i/n) can be merged")
    try:
        return Shard.parse(text)
    except ParameterError as error:
        raise _refused(f"{name}: {error}") from error


def _check_shards(shards: Mapping[str, Shard]) -> int:
    """How many shards there are; ParameterError unless each of them is there once."""
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


def _check_numbers(form: Form, name: str, report: Output) -> None:
    """What is added must be numbers, what is joined lists: found out before, and by name."""
    for field in (*form.counts, "seconds"):
        if not _is_number(report.get(field)):
            raise _refused(f"{name}: report.{field} is {_short(report.get(field))}, not a number")
    stages = report.get("stage_seconds", {})
    if not isinstance(stages, dict) or not all(map(_is_number, stages.values())):
        raise _refused(f"{name}: report.stage_seconds is {_short(stages)}, not numbers by name")
    for field in LISTS:
        entries = report.get(field, [] if field != "failures" else None)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _refused(f"{name}: report.{field} is {_short(entries)}, not a list of objects")


def _report(form: Form, named: Mapping[str, Output]) -> Output:
    reports = list(named.values())
    merged = _alike(named, leave_out={*form.counts, *LISTS, *_DERIVED})
    merged |= {field: sum(report[field] for report in reports) for field in form.counts}
    merged["seconds"] = max(report["seconds"] for report in reports)
    stages: dict[str, float] = {}
    for report in reports:
        for stage, seconds in report.get("stage_seconds", {}).items():
            stages[stage] = stages.get(stage, 0.0) + seconds
    if stages:
        merged |= {"stage_seconds": stages, "slowest_stage": max(stages, key=stages.__getitem__)}
    if any("warnings" in report for report in reports):
        merged["warnings"] = _warnings(reports)
    for field in LISTS:
        if any(field in report for report in reports):
            entries = [entry for report in reports for entry in report.get(field, [])]
            merged[field] = sorted(entries, key=_tile_and_image)
    return merged


def _warnings(reports: Sequence[Output]) -> list[Output]:
    """Warnings of the same text as one."""
    merged: dict[str, Output] = {}
    for warning in (warning for report in reports for warning in report.get("warnings", [])):
        known = merged.setdefault(warning["text"], {**warning, "images": 0})
        known["images"] += warning["images"]
        known["first"] = min(known["first"], warning["first"])
    return [merged[text] for text in sorted(merged)]


def _alike(named: Mapping[str, Output], leave_out: set[str]) -> Output:
    first_name, first = next(iter(named.items()))
    for name, report in named.items():
        for field in sorted((first.keys() | report.keys()) - leave_out):
            here, there = first.get(field), report.get(field)
            if here != there:
                raise _refused(f"report.{field} is {_short(here)} in {first_name}, {_short(there)} in {name}")
    return {field: value for field, value in first.items() if field not in leave_out}


def _tile_and_image(entry: Output) -> tuple[str, str]:
    return str(entry.get("tileId", "")), str(entry.get("image", ""))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refused(problem: str) -> ParameterError:
    return ParameterError("inputs", problem)


def _read(name: str) -> Output:
    try:
        output = parse_json(storage.read_bytes(name))
    except ValueError as error:
        raise _refused(f"{name}: is not JSON: {error}") from error
    except AsapIngestError as error:
        raise _refused(str(error)) from error
    if not isinstance(output, dict):
        raise _refused(f"{name}: holds a {type(output).__name__}; it must hold an object")
    return output


def run(inputs: Sequence[str], output_json: str) -> int:
    """Merge files into one; the exit code: 1 where the report has failures.

    Raises
    ------
    ParameterError, StorageError
        See `merge`; nothing is written then.
    """
    merged = merge({name: _read(name) for name in inputs})
    storage.write_bytes(
        output_json, orjson.dumps(without_secrets(merged), option=orjson.OPT_INDENT_2) + b"\n"
    )
    failures = merged["report"]["failures"]
    if failures:
        sys.stderr.write(f"{__name__}: {len(failures)} failed; all are listed in {output_json}\n")
    elif "output_dir" in merged:
        say_next(command_line("apply_mipmaps_to_render", input_json=output_json))
    return EXIT_FAILURES if failures else EXIT_DONE


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code."""
    arguments = build_parser().parse_args(args)
    try:
        return run(arguments.inputs, arguments.output_json)
    except AsapIngestError as error:
        sys.stderr.write(f"asap_ingest.merge_reports: error: {error}\n")
        return error.exit_code


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
