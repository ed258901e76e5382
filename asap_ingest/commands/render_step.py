"""The base of the steps on stacks: render connection and sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from asap_ingest.commands.common_schemas import StepParameters
from asap_ingest.commands.connection_schema import of_environment
from asap_ingest.commands.program import command_line
from asap_ingest.commands.step import Step
from asap_ingest.errors import NoSectionsError, describe_z_values
from asap_ingest.render.stack import RenderConnection, Stack


class RenderStep(Step):
    """A step that works on a stack of a render service."""

    default_schema = StepParameters

    @property
    def connection(self) -> RenderConnection:
        render, known = self.args["render"], {field.name for field in fields(RenderConnection)}
        # parameters that older inputs have beside these are accepted and ignored
        return RenderConnection(**{name: value for name, value in render.items() if name in known})

    def stack(self, name: str) -> Stack:
        return Stack(self.connection, name)

    def sections(self, stack: Stack) -> list[float]:
        """z of the sections of a stack that the parameters select, ascending.

        Raises
        ------
        StackNotFoundError, NoSectionsError
        """
        stack.require()
        return select_z_values(stack.name, stack.z_values(), self.args)

    def followed_by(self, command: str, handed_on: Mapping[str, Any], **added: Any) -> str:
        """The command of the next step: with this run's output JSON as input, or else with `handed_on`."""
        output_json = self.args.get("output_json")
        if output_json:
            return command_line(command, input_json=output_json, **added)
        return command_line(command, **self._connection_options, **handed_on, **added)

    def export_command(self, stack: str) -> str:
        """The command that makes a volume of a stack."""
        options = {**self._connection_options, "input_stack": stack, "dest": f"{stack}_volume"}
        return command_line("export_to_precomputed", **options)

    @property
    def _connection_options(self) -> dict[str, Any]:
        """The options of the connection that the config file and the environment do not already set."""
        options = {name: self.args["render"].get(name) for name in ("host", "port", "owner", "project")}
        return {
            f"render.{name}": value
            for name, value in options.items()
            if str(self.config.get(f"render.{name}", of_environment(name))) != str(value)
        }

    def report_failures(self, failures: Sequence[Any]) -> None:
        """Log one line: the number of failures, the first one, and where the others are listed."""
        if failures:
            first = failures[0]
            where = self.args.get("output_json") or "give output_json to have all listed"
            image = f"{first.image}: " if first.image else ""
            self.logger.error(
                "%d failed; the first: tile %s: %s%s (all: %s)",
                len(failures),
                first.tileId,
                image,
                first.reason,
                where,
            )


def _range_words(selection: Mapping[str, Any]) -> str:
    """The range that `zstart` and `zend` select, in words."""
    match selection.get("zstart"), selection.get("zend"):
        case None, None:
            return "any z"
        case low, None:
            return f"z from {low:g} on"
        case None, high:
            return f"z up to {high:g}"
        case low, high:
            return f"z {low:g}..{high:g}"


def select_z_values(stack: str, existing: Sequence[float], selection: Mapping[str, Any]) -> list[float]:
    """The z values that `z`, `zValues`, or `zstart` and `zend` (inclusive) select; all without them.

    Raises
    ------
    NoSectionsError
        Nothing is selected, or a z that is named is not in the stack.
    """
    if "z" in selection or "zValues" in selection:
        wanted = [float(z) for z in selection.get("zValues", [selection.get("z")])]
        missing = sorted(set(wanted) - set(existing))
        if missing or not wanted:
            raise NoSectionsError(stack, describe_z_values(missing), existing)
        return sorted(set(wanted))
    low, high = selection.get("zstart", float("-inf")), selection.get("zend", float("inf"))
    selected = [z for z in existing if low <= z <= high]
    if not selected:
        raise NoSectionsError(stack, _range_words(selection), existing)
    return selected
