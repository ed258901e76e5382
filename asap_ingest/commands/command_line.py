"""The parser of command lines, with help in groups, defaults of a config file, and messages for mistakes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from asap_ingest import __version__
from asap_ingest.commands.command_help import HelpText
from asap_ingest.commands.config_file import config_defaults
from asap_ingest.commands.program import program_name
from asap_ingest.errors import ParameterError, did_you_mean
from asap_ingest.secrets import masked

Action = TypeVar("Action", bound=argparse.Action)

#: Messages of argparse that quote the values of flags that are unknown, or take no value.
_UNKNOWN_FLAGS = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_AMBIGUOUS_FLAG = re.compile(r"(ambiguous option: [^=\s]+)=.*( could match )", re.DOTALL)
_USELESS_VALUE = re.compile(r"ignored explicit argument .*", re.DOTALL)
#: Flags that every command has.
_SHARED = ("help", "version", "config")


class CommandParser(argparse.ArgumentParser):
    """The parser of a command: `-` and `_` alike, defaults of a config file, help in groups.

    `parse_args` raises ParameterError, whose message shows no value that may be a secret.

    Parameters
    ----------
    command : a key of `COMMANDS`
    doc : what the command does: its module's docstring
    common : names of arguments that most users need; help lists them before others that are not required
    aliases : older name -> today's
    """

    def __init__(
        self,
        command: str,
        doc: str | None,
        common: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            prog=program_name(command),
            usage=argparse.SUPPRESS,  # `format_help` starts with one of its own
            description=doc,
            formatter_class=HelpText,
            add_help=False,
        )
        self.command, self.common, self.aliases = command, tuple(common), dict(aliases or {})
        titles = ("required", "common", "connection", "rare", "every command")
        self.groups = {title: self.add_argument_group(title) for title in titles}
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

    def _add_action(self, action: Action) -> Action:
        """Add an argument to its group of the help."""
        if action.metavar is None and action.option_strings and action.nargs != 0:
            action.metavar = _value_name(action)
        title = "required" if action.required else "common" if _name(action) in self.common else "rare"
        return self.groups["every command" if action.dest in _SHARED else title]._add_action(action)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        arguments = list(sys.argv[1:] if args is None else args)
        if not {"-h", "--help", "--version"} & set(arguments):
            self.take_defaults(arguments)
        return super().parse_args(arguments, namespace)

    def _parse_optional(self, argument: str) -> Any:
        """Tell argparse which flag an argument is, if any; but for -h, flags have two hyphens."""
        if not argument.startswith("--"):
            return super()._parse_optional(argument) if argument == "-h" else None
        flag, separator, value = argument.partition("=")
        if flag not in self._option_string_actions:
            name = flag[2:].replace("-", "_")
            flag = f"--{self.aliases.get(name, name)}"
        return super()._parse_optional(f"{flag}{separator}{value}")

    @property
    def field_names(self) -> set[str]:
        """Names of the parameters, older ones too; those of the connection are like `render.host`."""
        flags = {
            flag[2:]
            for flag, action in self._option_string_actions.items()
            if action.dest not in _SHARED and (action.help != argparse.SUPPRESS or action.dest == flag[2:])
        }
        return flags | self.aliases.keys()

    def take_defaults(self, arguments: Sequence[str]) -> None:
        """Replace the defaults of arguments by those of the config file."""
        file, defaults = config_defaults(self._config_path(arguments), self.command, self.field_names)
        for name, value in defaults.items():
            action = self._option_string_actions[f"--{name}"]
            try:
                self.set_defaults(**{action.dest: self._converted(action, value)})
            except argparse.ArgumentError as error:
                raise ParameterError(file, f"{name}: {without_values(error.message)}") from error
            action.required = False

    def _config_path(self, arguments: Sequence[str]) -> str | None:
        """The value of `--config`, of which argparse accepts abbreviations; None without one."""
        path = None
        for number, argument in enumerate(arguments, start=1):
            flag, separator, value = argument.partition("=")
            if [known for known in self._option_string_actions if known.startswith(flag)] == ["--config"]:
                path = value if separator else next(iter(arguments[number:]), None)
        return path

    def _converted(self, action: argparse.Action, value: Any) -> Any:
        """A value of a config file as the command line would give it."""
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise argparse.ArgumentError(None, "must be true or false")
            return action.const if value else action.default
        is_list = action.nargs in ("+", "*")
        values = value if is_list and isinstance(value, list) else [value]
        converted = [self._get_value(action, str(entry)) for entry in values]
        for entry in converted:
            self._check_value(action, entry)
        return converted if is_list else converted[0]

    def error(self, message: str) -> NoReturn:
        known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
        raise ParameterError("command line", f"{without_values(message, known)}; --help lists the parameters")

    def format_usage(self) -> str:
        text = HelpText()
        required = self.groups["required"]._group_actions
        needed = [" ".join([*action.option_strings[:1], text.value_of(action)]) for action in required]
        ways = [[self.prog, *needed, "[--field value ...]"]]
        if "--input_json" in self._option_string_actions:
            ways.append([self.prog, "--input_json FILE", "[--field value ...]"])
        return f"{text.usage(ways)}\n"

    def format_help(self) -> str:
        self.groups["common"]._group_actions.sort(key=lambda action: self.common.index(_name(action)))
        return f"{self.format_usage()}\n{super().format_help()}"


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1].lstrip("-") if action.option_strings else action.dest


def _value_name(action: argparse.Action) -> str:
    """The metavar of an argument that gives none: its choices, or its type."""
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    if action.type is Path:
        return "PATH"
    return "TEXT" if action.type in (None, str, str.upper) else "N"


def without_values(message: str, known: Sequence[str] = ()) -> str:
    """A message of argparse without values of unknown parameters, which may be secrets.

    If a known name is near to the first unknown one, it is added.
    """
    unknown = _UNKNOWN_FLAGS.fullmatch(message)
    if unknown is None:
        return masked(_USELESS_VALUE.sub("takes no value", _AMBIGUOUS_FLAG.sub(r"\1\2", message)))
    flags = [word.partition("=")[0] for word in unknown[1].split() if word.startswith("--")]
    if not flags:
        return "unrecognized arguments: a value without a parameter"
    near = did_you_mean(flags[0][2:], known, "--").rstrip("?")
    return f"unrecognized arguments: {' '.join(flags)}{near}"
