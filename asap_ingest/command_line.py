"""Command lines as users write them, before argparse sees them, and what is said of those it refuses."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import NoReturn

from asap_ingest.secrets import masked

#: Messages of argparse that repeat values of flags that it does not know, or that take none.
_UNKNOWN_FLAGS = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_AMBIGUOUS_FLAG = re.compile(r"(ambiguous option: [^=\s]+)=.*( could match )", re.DOTALL)
_USELESS_VALUE = re.compile(r"ignored explicit argument .*", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """A parser whose complaints show no value that may be a secret; it ends the program with exit code 2."""

    def error(self, message: str) -> NoReturn:
        super().error(without_values(message))


def without_values(message: str) -> str:
    """A complaint of argparse without the values of parameters that it does not know: they may be secrets."""
    unknown = _UNKNOWN_FLAGS.fullmatch(message)
    if unknown is None:
        shown = _AMBIGUOUS_FLAG.sub(r"\1\2", message)
        return masked(_USELESS_VALUE.sub("takes no value", shown))
    flags = [word.partition("=")[0] for word in unknown[1].split() if word.startswith("--")]
    return f"unrecognized arguments: {' '.join(flags) or 'a value without a parameter'}"


def grouped(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each flag with what follows it; first, with no flag, what stands before all."""
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


def with_one_value_each(arguments: Sequence[str], lists: frozenset[str]) -> list[str]:
    """Flags and values joined by `=`, so that a value may begin with a minus.

    Parameters
    ----------
    lists : frozenset of str
        Flags that take several values: `--zValues 1 2` becomes `--zValues=1,2`.
    """
    joined: list[str] = []
    for flag, values in grouped(arguments):
        if flag and (len(values) == 1 or (values and flag in lists)):
            joined.append(f"{flag}={','.join(value.strip(',') for value in values)}")
        else:
            joined += [flag, *values] if flag else values
    return joined
