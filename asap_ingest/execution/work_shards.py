"""A shard: part i of n of the work, determined without communication between the runs of the shards."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from asap_ingest.errors import ParameterError

_TEXT = re.compile(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*")


@dataclass(frozen=True, order=True)
class Shard:
    """Part `number` of `count` parts, numbered from 1.

    Raises
    ------
    ParameterError
        The number is not in 1 to count.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ParameterError("shard", f"'{self}': the number must be from 1 to the count")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that a text like `2/8` names.

        Raises
        ------
        ParameterError
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ParameterError("shard", f"{text!r} must be i/n, like 2/8: the second of eight parts")
        return cls(int(match[1]), int(match[2]))

    def takes(self, key: str) -> bool:
        """Whether the item with a key belongs to this shard: to exactly one of `count`, on any machine."""
        # not hash(), which differs from process to process
        return zlib.crc32(key.encode(errors="surrogatepass")) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
