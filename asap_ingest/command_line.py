"""Command lines as users write them, before argparse sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


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
