"""What is wrong with a volume, and what of it is not known here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from asap_ingest.errors import AsapIngestError

#: So many faults of one kind are kept, and so many kinds; the others are counted.
EXAMPLES = 5
_MOST_KINDS = 100
_NUMBER = re.compile(r"(?<![\w.])-?\d[\d.]*")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes
    ----------
    place : str
        File or chunk, below the volume's folder.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class FaultError(AsapIngestError):
    """A fault without which something could be read."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.fault = Fault(place, problem)


class NotKnownError(AsapIngestError):
    """The volume is of a kind that is right, but cannot be checked here."""


@dataclass
class FaultGroup:
    """Faults of one kind: they differ in their places and in the numbers of their problems.

    Attributes
    ----------
    where : str
        Scale or folder of the faults; the place itself where the fault is of no group.
    count : int
        Chunks or files with such a fault. Chunks of a shard that is missing count one by one.
    examples : dict of Fault to None
        The first different ones.
    """

    where: str
    count: int = 0
    examples: dict[Fault, None] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples[fault] = None

    def lines(self) -> Iterator[str]:
        """All faults where they are few; else how many there are, and the first."""
        is_cut = self.count > len(self.examples)
        if is_cut:
            yield f"{self.where}: {self.count:,} faults of one kind; the first:"
        indent = "  " if is_cut else ""
        for fault in self.examples:
            yield f"{indent}{fault}"


@dataclass
class Findings:
    """What a check found, in the order in which it was found.

    Attributes
    ----------
    notes : list of str
        What was not looked at for want of means.
    not_known : list of str
        What is right as far as it was looked at, but of a kind that is not known here.
    """

    notes: list[str] = field(default_factory=list)
    not_known: list[str] = field(default_factory=list)
    _groups: dict[tuple[str, str], FaultGroup] = field(default_factory=dict)

    @property
    def groups(self) -> list[FaultGroup]:
        return list(self._groups.values())

    @property
    def faults(self) -> list[Fault]:
        """The first faults of each kind."""
        return [fault for group in self.groups for fault in group.examples]

    @property
    def count(self) -> int:
        """All faults, also those that were not kept."""
        return sum(group.count for group in self.groups)

    def add(self, fault: Fault, where: str = "") -> None:
        """Count a fault of a scale or folder; without one the fault stands for itself."""
        key = (where or fault.place, _NUMBER.sub("N", fault.problem))
        if key not in self._groups and len(self._groups) >= _MOST_KINDS:
            key = ("others", "")
        self._groups.setdefault(key, FaultGroup(key[0])).add(fault)
