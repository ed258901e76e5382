"""The base of all steps: parameters, workers, output, exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from argschema import ArgSchemaParser
from marshmallow import Schema, ValidationError

from asap_ingest import storage
from asap_ingest.commands.common_schemas import AliasedSchema, CommonParameters
from asap_ingest.commands.config_file import by_path, config_defaults, nested
from asap_ingest.commands.connection_schema import with_address_split
from asap_ingest.commands.parser import SchemaParser
from asap_ingest.commands.program import program, say_next
from asap_ingest.errors import (
    EXIT_DONE,
    EXIT_FAILURES,
    AsapIngestError,
    ParameterError,
    did_you_mean,
)
from asap_ingest.execution import Executor, executor
from asap_ingest.execution.end_signals import exit_on_signal
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.secrets import is_secret_name, without_secrets
from asap_ingest.storage.json_documents import read_object, write_object


class Step(ArgSchemaParser):
    """A step: parameters from JSON and command line in, `run`, JSON out.

    A parameter is taken from the command line, else from the input JSON, else from the config file.

    Parameters
    ----------
    input_data : dict, optional
        The input JSON, unless the command line names a file with it.
    args : list of str, optional
        The command line; None takes that of the process.

    Attributes
    ----------
    output : dict
        What the output JSON holds, after `run`.

    Raises
    ------
    ParameterError
        Names field, value and what is allowed, before any work.
    """

    default_schema: type[AliasedSchema] = CommonParameters
    default_output_schema: type[Schema] | None = None
    output: dict[str, Any]

    def __init__(
        self, input_data: Mapping[str, Any] | None = None, args: Sequence[str] | None = None
    ) -> None:
        self.schema = self.default_schema()
        self.output_schema_type = self.default_output_schema
        self.typed = list(sys.argv[1:] if args is None else args)
        parser = self.build_parser()
        command_line = vars(parser.parse_args(self.typed))
        path, input_json = command_line.pop("config"), command_line["input_json"]
        file, defaults = "", dict[str, Any]()
        if path or input_data is None:
            file, defaults = config_defaults(path, self.command(), parser.field_names)
        content = _read_input_json(input_json) if input_json else dict(input_data or {})
        #: Values of the config file by path, like `render.host`.
        self.config = self._named_today(defaults)
        explicit = self._named_today(by_path(content)) | self._named_today(command_line)
        given = self.config | explicit
        try:
            self.args: dict[str, Any] = self.load_schema_with_defaults(self.schema, nested(given))
        except ValidationError as error:
            field, problem = _first_complaint(error, given, parser)
            if field in self.config and field not in explicit:
                problem += f" (in {file})"
            raise ParameterError(field, problem) from error
        self.logger = self.initialize_logger("asap_ingest", self.args["log_level"])
        _check_output_json(self.args.get("output_json"))

    @classmethod
    def command(cls) -> str:
        """The name of the step as a command."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def build_parser(cls) -> SchemaParser:
        """The parser of the step's command line."""
        return SchemaParser(cls.command(), cls.default_schema())

    def _named_today(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters (by path) that are not null, under today's names, the port apart from the host."""
        named = {path: value for path, value in given.items() if value is not None}
        for old, new in self.schema.aliases.items():
            if old in named and old not in self.schema.fields and new not in named:
                named[new] = named.pop(old)
        return with_address_split(named)

    def run(self) -> int:
        """Do the work and write the output; returns the exit code."""
        with storage.options(self.args["storage_options"]):
            return self.work()

    def work(self) -> int:
        """Do the work of the step, which `run` calls with `storage_options` in use; returns the exit code."""
        raise NotImplementedError

    def next_command(self) -> str | None:
        """The command to type after a run without failures; None where nothing follows."""
        return None

    def retry_command(self) -> str | None:
        """The command to type after failures, once their causes are removed; None if it is the same."""
        return None

    @property
    def workers(self) -> int:
        """The number of workers: `pool_size`, but not more than there are cores."""
        return min(self.args["pool_size"], usable_cores())

    @cached_property
    def executor(self) -> Executor:
        """The executor of the step's jobs; a Dask scheduler that does not answer is an error."""
        return executor(self.workers, self.args.get("dask_scheduler"))

    def finish(self, output: dict[str, Any], failures: Sequence[Any] = ()) -> int:
        """Set `output`, and write it to `output_json` if that is given; returns the exit code."""
        self.output = self.get_output_json(without_secrets(output))
        if self.args.get("output_json"):
            write_object(self.args["output_json"], self.output)
        return EXIT_FAILURES if failures else EXIT_DONE

    @contextmanager
    def leaves_output(
        self, output: Callable[[], dict[str, Any]], how_to_resume: Callable[[], str]
    ) -> Iterator[None]:
        """If an error or a signal ends the block, write the output so far and print how to resume."""
        try:
            yield
        except (AsapIngestError, KeyboardInterrupt, SystemExit) as error:
            reason = str(error) if isinstance(error, AsapIngestError) else "ended by a signal"
            self.finish(output() | {"interrupted": reason})
            sys.stderr.write(f"interrupted: {how_to_resume()}\n")
            raise

    @classmethod
    @program
    def main(cls, args: Sequence[str] | None = None) -> int:
        """Run as a program; returns the exit code."""
        # a terminated run leaves through its context managers: the stack gets its state back
        signal.signal(signal.SIGTERM, exit_on_signal)
        step = cls(args=args)
        exit_code = step.run()
        say_next(step.next_command() if exit_code == EXIT_DONE else step.retry_command())
        return exit_code


def _read_input_json(path: str) -> dict[str, Any]:
    try:
        return read_object(path)
    except AsapIngestError as error:
        raise ParameterError("input_json", str(error)) from error


def _check_output_json(path: str | None) -> None:
    """Raise an error now, not after the work, if the output cannot be written."""
    folder = None if path is None else storage.local_path(storage.parent(path))
    if folder is not None and not folder.is_dir():
        raise ParameterError("output_json", f"{path!r}: the folder {folder} does not exist")
    if path is not None and Path(path).is_dir():
        raise ParameterError("output_json", f"{path!r}: is a folder; a file is written there")


def _first_complaint(
    error: ValidationError, given: Mapping[str, Any], parser: SchemaParser
) -> tuple[str, str]:
    """(field, problem) of a schema's first complaint, with the number of others; `given` is by path."""
    (field, message), *others = _flat(error.normalized_messages())
    # for an entry of a list the whole list is shown
    value = given.get(field, given.get(field.rpartition(".")[0]))
    # the value of an unknown parameter may be a secret
    is_secret = any(name == "storage_options" or is_secret_name(name) for name in field.split("."))
    shown = "" if value is None or message == "Unknown field." or is_secret else f"{value!r} "
    if message == "Unknown field.":
        names = parser.field_names
        near = did_you_mean(field, names - parser.aliases.keys()) or did_you_mean(field, names)
        message = f"is not a parameter{near}"
    elif message.startswith("Missing data"):
        message = "is required"
    more = f" ({len(others)} more: {', '.join(other for other, _ in others)})" if others else ""
    return field or "parameters", f"{shown}{message}{more}"


def _flat(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path of a field, message) of all complaints."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flat(inner, path if name == "_schema" else f"{path}.{name}".lstrip("."))
    else:
        for message in messages:
            yield path, str(message)


def run_as_program(module: str) -> NoReturn:
    """Run a module of this package under its own name, so that worker processes find its jobs."""
    sys.exit(import_module(f"asap_ingest.{module}").main())
