"""The parser of command lines, with help in groups, defaults of a config file, and messages for mistakes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from asap_ingest import __version__
from asap_ingest.commands.command_help import HelpText, usage_text
from asap_ingest.commands.config_file import ConfigFile, FieldNames, config_file
from asap_ingest.commands.program import program_name
from asap_ingest.errors import ParameterError, did_you_mean
from asap_ingest.secrets import masked

#: Messages of argparse that contain values of flags that are unknown, or that take none.
_UNKNOWN_FLAGS = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_AMBIGUOUS_FLAG = re.compile(r"(ambiguous option: [^=\s]+)=.*( could match )", re.DOTALL)
_USELESS_VALUE = re.compile(r"ignored explicit argument .*", re.DOTALL)
#: Flags that every command has.
_SHARED = ("help", "version", "config")


class CommandParser(argparse.ArgumentParser):
    """The parser of a command: `-` and `_` alike, defaults of a config file, help in groups.

    Its error messages show no value that may be a secret.

    Parameters
    ----------
    command : a key of `COMMANDS`
    doc : what the command does: its module's docstring
    common : names of the arguments that most users need; others that are not required are rare

    Raises
    ------
    ParameterError
        By `parse_args`: which argument cannot be used, and the nearest known name.
    """

    def __init__(self, command: str, doc: str | None, common: Sequence[str] = ()) -> None:
        super().__init__(
            prog=program_name(command), description=doc, formatter_class=HelpText, add_help=False
        )
        self.command = command
        self.common = tuple(common)
        self.add_argument("-h", "--help", action="help", help="show this help")
        version = f"asap_ingest {__version__}"
        self.add_argument("--version", action="version", version=version, help="show the version")
        self.add_argument(
            "--config",
            metavar="FILE",
            help="TOML file of defaults, for all commands, for the connection in [render], and for one "
            "command in a table of its name; left out: the file that ASAP_INGEST_CONFIG names in the "
            "environment, if any",
        )

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        arguments = self.spelled(sys.argv[1:] if args is None else args)
        if not {"-h", "--help", "--version"} & set(arguments):
            self.take_defaults(arguments)
        return super().parse_args(arguments, namespace)

    def spelled(self, arguments: Sequence[str]) -> list[str]:
        """The command line that argparse parses."""
        return list(arguments)

    def flag_name(self, name: str) -> str:
        """The name of a flag as the parser has it, without the hyphens before it."""
        return name.replace("-", "_")

    def _parse_optional(self, argument: str) -> Any:
        """argparse's decision whether an argument is a flag: those with one hyphen are values, but for -h."""
        if not argument.startswith("--"):
            return super()._parse_optional(argument) if argument == "-h" else None
        flag, separator, value = argument[2:].partition("=")
        return super()._parse_optional(f"--{self.flag_name(flag)}{separator}{value}")

    @property
    def field_names(self) -> FieldNames:
        """Names whose default a config file may set."""
        flags = (flag[2:] for flag in self._option_string_actions if flag.startswith("--"))
        return {name: () for name in flags if name not in _SHARED}

    def take_defaults(self, arguments: Sequence[str]) -> None:
        """Set the defaults of the config file."""
        path = next((values[0] for flag, values in grouped(arguments) if flag == "--config" and values), None)
        config = config_file(path)
        if config is None:
            return
        for name, value in config.defaults(self.command, self.field_names).items():
            action = self._option_string_actions[f"--{name}"]
            self.set_defaults(**{action.dest: self._default(config, name, action, value)})
            action.required = False

    def _default(self, config: ConfigFile, name: str, action: argparse.Action, value: Any) -> Any:
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise ParameterError(config.name, f"{name}: must be true or false")
            return action.const if value else action.default
        is_list = action.nargs in ("+", "*")
        values = value if is_list and isinstance(value, list) else [value]
        try:
            converted = [self._get_value(action, str(entry)) for entry in values]
            for entry in converted:
                self._check_value(action, entry)
        except argparse.ArgumentError as error:
            raise ParameterError(config.name, f"{name}: {without_values(error.message)}") from error
        return converted if is_list else converted[0]

    def error(self, message: str) -> NoReturn:
        unknown = _UNKNOWN_FLAGS.fullmatch(message)
        near = self._near(unknown[1]) if unknown else ""
        raise ParameterError("command line", f"{without_values(message)}{near}; --help lists the parameters")

    def _near(self, arguments: str) -> str:
        """The known flag that is nearest to the first unknown one."""
        flag = next((word.partition("=")[0] for word in arguments.split() if word.startswith("--")), "--")
        known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
        return did_you_mean(flag[2:], known, "--").rstrip("?")

    def format_usage(self) -> str:
        text = HelpText(self.prog)
        has_files = "--input_json" in self._option_string_actions
        return usage_text(self.prog, self._titled()["required"], text, has_files) + "\n"

    def format_help(self) -> str:
        text = self._get_formatter()
        text.add_text(self.description)
        for title, actions in self._titled().items():
            text.start_section(title)
            text.add_text(self.notes.get(title) if actions else None)
            text.add_arguments(actions)
            text.end_section()
        text.add_text(self.epilog)
        return f"{self.format_usage()}\n{text.format_help()}"

    @property
    def notes(self) -> Mapping[str, str]:
        """Heading of a group -> a note below it."""
        return {}

    def title_of(self, action: argparse.Action) -> str:
        """The heading of an argument's group."""
        if action.dest in _SHARED:
            return "every command"
        if action.required:
            return "required"
        return "common" if {action.dest, *_names(action)} & set(self.common) else "rare"

    def _titled(self) -> dict[str, list[argparse.Action]]:
        """Heading -> its arguments; common ones in the order in which `common` names them."""
        titled: dict[str, list[argparse.Action]] = {
            title: [] for title in ("required", "common", "connection", "rare", "every command")
        }
        for action in self._actions:
            if action.help != argparse.SUPPRESS:
                titled[self.title_of(action)].append(action)
        places = {name: place for place, name in enumerate(self.common)}
        titled["common"].sort(key=lambda action: min(places.get(name, 999) for name in _names(action)))
        return titled


def _names(action: argparse.Action) -> list[str]:
    return [flag.lstrip("-") for flag in action.option_strings] or [action.dest]


def without_values(message: str) -> str:
    """A message of argparse without the values of unknown parameters: they may be secrets."""
    unknown = _UNKNOWN_FLAGS.fullmatch(message)
    if unknown is None:
        shown = _AMBIGUOUS_FLAG.sub(r"\1\2", message)
        return masked(_USELESS_VALUE.sub("takes no value", shown))
    flags = [word.partition("=")[0] for word in unknown[1].split() if word.startswith("--")]
    return f"unrecognized arguments: {' '.join(flags) or 'a value without a parameter'}"


def grouped(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag with the values after it; first, with no flag, the values before all flags."""
    flag = ""
    values: list[str] = []
    for argument in arguments:
        if argument.startswith("--") and len(argument) > 2:
            yield flag, values
            flag, separator, value = argument.partition("=")
            values = [value] if separator else []
        else:
            values.append(argument)
    yield flag, values
