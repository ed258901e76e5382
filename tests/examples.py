"""Numbers of examples and values: `make nightly` takes all, `make test` a part of them."""

from typing import Any

import hypothesis
import pytest

#: Examples of a test that states no number, in `make nightly`: as many as hypothesis itself takes.
ALL = 100


def examples(number: int) -> int:
    """`number` in `make nightly`; in `make test` the part of it that the profile there has of `ALL`."""
    return max(1, number * hypothesis.settings().max_examples // ALL)


def long(*values: object) -> list[Any]:
    """Values of a parameter that only `make nightly` tests."""
    return [pytest.param(value, marks=pytest.mark.long) for value in values]
