"""How many examples a property test takes."""

import hypothesis

#: What hypothesis itself takes, and what is taken where a test does not say: all of them in `make nightly`.
ALL = 100


def examples(number: int) -> int:
    """`number` in `make nightly`, and the share of it that the profile of `make test` has."""
    return max(1, number * hypothesis.settings().max_examples // ALL)
