"""What a user should know of a result, whatever the log level: counted, and told on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Remark:
    """A warning about some images: their number, and the name of one."""

    text: str
    images: int
    first: str

    def line(self) -> str:
        count = "1 image" if self.images == 1 else f"{self.images} images"
        return f"warning: {count}, like {self.first}: {self.text}\n"


def note(remarks: list[Remark], new: Remark) -> bool:
    """Count a remark among others, those of the same text as one; whether its text is new there."""
    for remark in remarks:
        if remark.text == new.text:
            remark.images += new.images
            remark.first = min(remark.first, new.first)
            return False
    remarks.append(new)
    return True


def tell(remarks: Iterable[Remark]) -> None:
    """To standard error, not to the log, which shows errors alone unless more is asked for."""
    for remark in remarks:
        sys.stderr.write(remark.line())
