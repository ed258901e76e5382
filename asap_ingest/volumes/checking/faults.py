"""Faults of a volume, and parts of it that cannot be checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from asap_ingest.errors import AsapIngestError

#: How many faults of one kind are kept as examples; all are counted.
EXAMPLES = 5
_MOST_KINDS = 100
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*")


class FaultError(AsapIngestError):
    """One defect of a volume; raised where it prevents further reading.

    `place` is a file or chunk in the volume, or a scale.
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem


class NotKnownError(AsapIngestError):
    """The volume may be right, but cannot be checked: it has features that are not known here."""


@dataclass
class FaultGroup:
    """Faults of one kind: they differ in their places and in the numbers of their problems.

    Attributes
    ----------
    where : str
        Scale or folder of the faults; for a fault of neither its place.
    count : int
        Chunks or files with such a fault. Chunks of a missing shard count one by one.
    examples : dict
        The first different faults by their text.
    """

    where: str
    count: int = 0
    examples: dict[str, FaultError] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """All faults if they are few; else their number and the first ones."""
        is_cut = self.count > len(self.examples)
        if is_cut:
            yield f"{self.where}: {self.count:,} faults of one kind; the first:"
        indent = "  " if is_cut else ""
        for fault in self.examples:
            yield f"{indent}{fault}"


@dataclass
class Findings:
    """Results of a check, in the order in which they came up.

    Attributes
    ----------
    notes : list of str
        Checks that could not be made.
    not_known : list of str
        Parts that may be right, but have features that are not known here.
    """

    notes: list[str] = field(default_factory=list)
    not_known: list[str] = field(default_factory=list)
    _groups: dict[tuple[str, str], FaultGroup] = field(default_factory=dict)

    @property
    def groups(self) -> list[FaultGroup]:
        return list(self._groups.values())

    @property
    def faults(self) -> list[FaultError]:
        """The first faults of each kind."""
        return [fault for group in self.groups for fault in group.examples.values()]

    @property
    def count(self) -> int:
        """All faults, also those that were not kept."""
        return sum(group.count for group in self.groups)

    def add(self, fault: FaultError, where: str = "") -> None:
        """Count a fault; `where` is its scale or folder, without which it is a group of its own."""
        key = (where or fault.place, _NUMBER.sub("N", fault.problem))
        if key not in self._groups and len(self._groups) >= _MOST_KINDS:
            key = ("others", "")
        group = self._groups.setdefault(key, FaultGroup(key[0]))
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples[str(fault)] = fault
