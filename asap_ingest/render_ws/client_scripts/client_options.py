"""Options of the clients, as Java's clients take them: `--name value`; other arguments are the main list.

A client declares its options as a dataclass, whose fields hold settings of argparse in their metadata. An
option for a list takes all values up to the next option, also several joined by commas, and may be repeated.
A flag takes no value. Arguments that start with a single hyphen, such as `-5`, are values.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from itertools import chain
from typing import Any, NoReturn, TypeVar

from asap_ingest.errors import AsapIngestError

T = TypeVar("T")
Read = Callable[[str], Any]


class ClientError(AsapIngestError):
    """Input or data that a client cannot use."""


class OptionError(ClientError):
    """An option, or member of the main list, that is missing, unknown or cannot be read."""


class _Parser(argparse.ArgumentParser):
    def _parse_optional(self, arg_string: str) -> Any:
        return super()._parse_optional(arg_string) if arg_string.startswith("--") else None

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


class _Once(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, name: Any = None
    ) -> None:
        if hasattr(namespace, self.dest):
            raise argparse.ArgumentError(self, "is given twice")
        setattr(namespace, self.dest, values)


def option(name: str, about: str = "", read: Read = str, default: Any = None, **settings: Any) -> Any:
    """A field of a dataclass of options.

    Parameters
    ----------
    read : callable
        Turns a text into a value; ValueError for one that cannot be used.
    default : object
        Value without the option.
    settings
        Of the argument, such as `choices`.
    """
    notes = filter(None, (about, "" if default in (None, ()) else f"default {default}"))
    argument = {"action": _Once, "type": _reader(read), "metavar": "<value>", "help": "; ".join(notes)}
    return field(default=default, metadata={"flag": f"--{name}", **argument, **settings})


def required(name: str, about: str, read: Read = str, **settings: Any) -> Any:
    """A field whose option must be given."""
    needed = option(name, f"{about}; required", read, **settings, required=True)
    return field(metadata=needed.metadata)


def values(name: str, about: str, read: Read) -> Any:
    """A field for a list of values."""
    reader = _reader(lambda text: tuple(map(read, text.split(","))))
    return option(name, about, default=(), type=reader, nargs="+", action="extend")


def main_list(name: str, read: Read = str) -> Any:
    """A field for the main list, which must not be empty; `name` says what its members are."""
    reader = _reader(lambda text: (read(text),))
    return field(metadata={"type": reader, "nargs": "+", "metavar": name, "help": "required"})


def flag(name: str, about: str = "") -> Any:
    """A field that is True where `--name` is given."""
    return field(default=False, metadata={"flag": f"--{name}", "action": "store_true", "help": about})


def _reader(read: Read) -> Read:
    """The same, with the reason in argparse's message."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} cannot be used: {error}") from error

    return convert


def truth(text: str) -> bool:
    """Read `true` or `false`, in any case."""
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def parse(options: type[T], texts: Sequence[str]) -> T:
    """Read the arguments of a client into its dataclass of options.

    Raises
    ------
    OptionError
        For what is unknown, missing, given twice, or has a value that cannot be read.
    """
    given = vars(_parser(options).parse_intermixed_args(texts))
    lists = {name: tuple(chain.from_iterable(value)) for name, value in given.items() if type(value) is list}
    return options(**{**given, **lists})


def _parser(options: type[Any]) -> _Parser:
    parser = _Parser(
        usage=argparse.SUPPRESS, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    for entry in fields(options):
        settings = dict(entry.metadata)
        flag = settings.pop("flag", None)
        if flag is None:
            parser.add_argument(entry.name, **settings)
        else:
            parser.add_argument(flag, dest=entry.name, **settings)
    return parser


def usage(options: type[Any]) -> str:
    """The options of a client."""
    return _parser(options).format_help()
