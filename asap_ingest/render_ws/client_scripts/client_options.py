"""Options of the clients: `--name value`, and everything else in the main list.

A client states its options as a dataclass; the metadata of a field say how it is read. Lists take values up
to the next option, and values joined by commas, and may be repeated; flags take no value. A text that starts
with `--` and names no option belongs to the main list, as in the Java clients: it then fails as a file name
or z value. Without a main list it is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, field, fields
from enum import Enum
from itertools import takewhile
from typing import Any, TypeVar

from asap_ingest.errors import AsapIngestError

T = TypeVar("T")


class ClientError(AsapIngestError):
    """Input or data that a client cannot use."""


class OptionError(ClientError):
    """An option, or member of the main list, that is missing, unknown or cannot be read."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option
        self.problem = problem


class Takes(Enum):
    """What follows an option, as the usage shows it."""

    VALUE = " <value>"
    VALUES = " <value>..."
    NOTHING = ""
    MAIN_LIST = "..."


def option(
    name: str,
    about: str = "",
    read: Callable[[str], Any] = str,
    default: Any = None,
    takes: Takes = Takes.VALUE,
) -> Any:
    """A field of a dataclass of options.

    Parameters
    ----------
    name : str
        Without the hyphens; of a main list, what its members are.
    read : callable
        Turns a text into a value; ValueError for one that cannot be used.
    default : object
        Value without the option; MISSING for an option that must be given.
    """
    flag = name if takes is Takes.MAIN_LIST else f"--{name}"
    return field(default=default, metadata={"flag": flag, "about": about, "read": read, "takes": takes})


def required(name: str, about: str, read: Callable[[str], Any] = str) -> Any:
    """A field whose option must be given."""
    return option(name, about, read, MISSING)


def main_list(name: str, read: Callable[[str], Any] = str) -> Any:
    """A field for the main list, which must not be empty; `name` says what its members are."""
    return option(name, "", read, MISSING, Takes.MAIN_LIST)


def flag(name: str, about: str = "") -> Any:
    """A field that is True where `--name` is given."""
    return option(name, about, bool, False, Takes.NOTHING)


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


def parse(options: type[T], texts: Sequence[str]) -> T:
    """Read the arguments of a client into its dataclass of options.

    Raises
    ------
    OptionError
        For what is unknown, missing, given twice, or has a value that cannot be read.
    """
    known = {entry.metadata["flag"]: entry for entry in fields(options)}  # type: ignore[arg-type]
    given = _texts_by_flag(known, texts)
    missing = [flag for flag, entry in known.items() if entry.default is MISSING and flag not in given]
    if missing:
        raise OptionError(", ".join(missing), "must be given")
    return options(**{known[flag].name: _value(known[flag], values) for flag, values in given.items()})


def _texts_by_flag(known: dict[str, Field[Any]], texts: Sequence[str]) -> dict[str, list[str]]:
    """The texts that follow each option that is given; those of the main list by its name."""
    main = next((flag for flag, entry in known.items() if entry.metadata["takes"] is Takes.MAIN_LIST), None)
    given: dict[str, list[str]] = {}
    position = 0
    while position < len(texts):
        text = texts[position]
        position += 1
        if text not in known or text == main:
            if main is None:
                problem = f"is no option of this client; there are {', '.join(known)}"
                raise OptionError(text.partition("=")[0], problem)
            given.setdefault(main, []).append(text)
            continue
        takes = known[text].metadata["takes"]
        if takes is Takes.VALUE and text in given:
            raise OptionError(text, "is given twice")
        following = list(takewhile(lambda value: not value.startswith("--"), texts[position:]))
        if takes is not Takes.NOTHING and not following:
            raise OptionError(text, "needs a value")
        count = {Takes.NOTHING: 0, Takes.VALUE: 1}.get(takes, len(following))
        given.setdefault(text, []).extend(following[:count])
        position += count
    return given


def _value(entry: Field[Any], texts: list[str]) -> Any:
    takes, read, flag = (entry.metadata[name] for name in ("takes", "read", "flag"))
    if takes is Takes.NOTHING:
        return True
    values = [part for text in texts for part in (text.split(",") if takes is Takes.VALUES else [text])]
    read_values = []
    for text in values:
        try:
            read_values.append(read(text))
        except ValueError as error:
            if takes is Takes.MAIN_LIST:
                problem = f"is neither an option of this client nor a {flag}"
                raise OptionError(text.partition("=")[0], problem) from error
            raise OptionError(flag, f"{text!r} cannot be used: {error}") from error
    return read_values[0] if takes is Takes.VALUE else tuple(read_values)


def usage(options: type[Any]) -> str:
    """The options of a client, one per line."""
    lines = ["options:"]
    for entry in fields(options):
        notes = [entry.metadata["about"]] if entry.metadata["about"] else []
        notes += ["required"] if entry.default is MISSING else []
        has_default = entry.metadata["takes"] is Takes.VALUE and entry.default not in (MISSING, None)
        notes += [f"default {entry.default}"] if has_default else []
        lines.append(
            f"  {entry.metadata['flag']}{entry.metadata['takes'].value}".ljust(36) + "; ".join(notes)
        )
    return "\n".join(lines)
