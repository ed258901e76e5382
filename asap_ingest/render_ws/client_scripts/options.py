"""Options of the clients: `--name value`, and everything else in the main list.

A client states its options as a table. Lists take values up to the next option, and values joined by
commas, and may be repeated; flags take no value. A text that starts with `--` and names no option is taken
for a member of the main list, as the original does: it then fails as a file name or z value. Where there is
no main list, it is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from asap_ingest.errors import AsapIngestError


class OptionError(AsapIngestError):
    """An option, or member of the main list, that is missing, unknown or cannot be read."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        self.problem = problem


class HelpAskedError(AsapIngestError):
    """`--help` stands among the arguments; the text is the usage."""


class Takes(Enum):
    """How many values follow an option."""

    VALUE = " <value>"
    VALUES = " <value>..."
    NOTHING = ""


@dataclass(frozen=True)
class Option:
    """One option.

    `read` turns a text into a value, ValueError for one that cannot be used. `default` is the value
    without the option; lists default to `[]` and flags to False.
    """

    name: str
    about: str = ""
    read: Callable[[str], Any] = str
    default: Any = None
    takes: Takes = Takes.VALUE
    required: bool = False

    @property
    def value_without(self) -> Any:
        """What the arguments hold when the option is not given."""
        return {Takes.VALUE: self.default, Takes.VALUES: [], Takes.NOTHING: False}[self.takes]


@dataclass(frozen=True)
class Syntax:
    """What a client takes: its options, and what the members of its main list are ("" for no main list)."""

    options: tuple[Option, ...]
    main: str = ""
    main_required: bool = False
    help_exit_code: int = 1


@dataclass(frozen=True)
class Arguments:
    """Values by option name (`arguments["stack"]`), and the main list as texts."""

    values: Mapping[str, Any]
    main: list[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def truth(text: str) -> bool:
    """Read `true` or `false`, in any case."""
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError("must be true or false")
    return lowered == "true"


def one_of(*names: str) -> Callable[[str], str]:
    """Reader of one of the names, in any case; gives the name as listed."""
    known = {name.lower(): name for name in names}

    def read(text: str) -> str:
        if text.lower() not in known:
            raise ValueError(f"must be one of {', '.join(names)}")
        return known[text.lower()]

    return read


#: What every client of a stack needs to find it.
STACK_OPTIONS = (
    Option(
        "baseDataUrl",
        "address of the service up to the version: http://host:port/render-ws/v1",
        required=True,
    ),
    Option("owner", "owner of the stack", required=True),
    Option("project", "project of the stack", required=True),
    Option("stack", "name of the stack", required=True),
)


def parse(syntax: Syntax, texts: Sequence[str]) -> Arguments:
    """Read the arguments of a client.

    Raises
    ------
    OptionError
        For what is unknown, missing, given twice, or has a value that cannot be read.
    HelpAskedError
        For `--help`.
    """
    if "--help" in texts:
        raise HelpAskedError(usage(syntax))
    given, main = _sorted_out(syntax, texts)
    missing = [
        f"--{option.name}" for option in syntax.options if option.required and option.name not in given
    ]
    if missing:
        raise OptionError(", ".join(missing), "must be given")
    if syntax.main_required and not main:
        raise OptionError(syntax.main, "at least one must be given")
    without = {option.name: option.value_without for option in syntax.options}
    return Arguments({**without, **given}, main)


def _sorted_out(syntax: Syntax, texts: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    known = {f"--{option.name}": option for option in syntax.options}
    given: dict[str, Any] = {}
    main: list[str] = []
    position = 0
    while position < len(texts):
        text = texts[position]
        position += 1
        if text not in known:
            _check_main(syntax, text)
            main.append(text)
            continue
        count = _value_count(known[text], texts[position:])
        _take(given, known[text], texts[position : position + count])
        position += count
    return given, main


def _check_main(syntax: Syntax, text: str) -> None:
    if not syntax.main:
        known = ", ".join(f"--{option.name}" for option in syntax.options)
        raise OptionError(text.partition("=")[0], f"is no option of this client; there are {known}")


def _value_count(option: Option, following: Sequence[str]) -> int:
    if option.takes is Takes.NOTHING:
        return 0
    values = next((i for i, text in enumerate(following) if text.startswith("--")), len(following))
    if not values:
        raise OptionError(f"--{option.name}", "needs a value")
    return values if option.takes is Takes.VALUES else 1


def _take(given: dict[str, Any], option: Option, texts: Sequence[str]) -> None:
    if option.takes is Takes.NOTHING:
        given[option.name] = True
        return
    if option.takes is Takes.VALUE and option.name in given:
        raise OptionError(f"--{option.name}", "is given twice")
    if option.takes is Takes.VALUES:
        texts = [part for text in texts for part in text.split(",")]
    values = [_read(option, text) for text in texts]
    given[option.name] = [*given.get(option.name, []), *values] if option.takes is Takes.VALUES else values[0]


def _read(option: Option, text: str) -> Any:
    try:
        return option.read(text)
    except ValueError as error:
        raise OptionError(f"--{option.name}", f"{text!r} cannot be used: {error}") from error


def z_values(arguments: Arguments) -> list[float]:
    """The main list as z values; OptionError for a text that is no number."""
    found = []
    for text in arguments.main:
        try:
            found.append(float(text))
        except ValueError as error:
            raise OptionError(
                text.partition("=")[0], "is neither an option of this client nor a z value"
            ) from error
    return found


def usage(syntax: Syntax) -> str:
    """The options of a client, one per line."""
    lines = [f"arguments: [options]{f' {syntax.main}...' if syntax.main else ''}", "options:"]
    for option in syntax.options:
        notes = [option.about] if option.about else []
        notes += ["required"] if option.required else []
        notes += [f"default {option.default}"] if option.default is not None else []
        lines.append(f"  --{option.name}{option.takes.value}".ljust(36) + "; ".join(notes))
    return "\n".join(lines)
