"""Warnings about images: counted in reports, and printed whatever the log level."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class ImageWarning:
    """A warning about a number of images; `first` is the name of one, the first in alphabetical order."""

    text: str
    images: int
    first: str

    def line(self) -> str:
        """The warning as it is printed."""
        count = "1 image" if self.images == 1 else f"{self.images} images"
        return f"warning: {count}, like {self.first}: {self.text}\n"


def add_warning(warnings: list[ImageWarning], new: ImageWarning) -> bool:
    """Add a warning to a list; to the one with the same text, if there is one.

    Returns
    -------
    bool
        Whether the text is new.
    """
    for warning in warnings:
        if warning.text == new.text:
            warning.images += new.images
            warning.first = min(warning.first, new.first)
            return False
    warnings.append(new)
    return True


def print_warnings(warnings: Iterable[ImageWarning]) -> None:
    """Print to standard error, not to the log, whose default level hides warnings."""
    for warning in warnings:
        sys.stderr.write(warning.line())
