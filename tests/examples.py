"""What `make test` takes of many examples and values, and `make nightly` takes whole."""

from typing import Any

import hypothesis
import pytest

#: What hypothesis itself takes, and what is taken where a test does not say: all of them in `make nightly`.
ALL = 100


def examples(number: int) -> int:
    """`number` in `make nightly`, and the share of it that the profile of `make test` has."""
    return max(1, number * hypothesis.settings().max_examples // ALL)


def long(*values: object) -> list[Any]:
    """Values of a parameter whose tests `make test` leaves to `make nightly`."""
    return [pytest.param(value, marks=pytest.mark.long) for value in values]
