"""What is wrong with a volume."""

from __future__ import annotations

from dataclasses import dataclass, field

from asap_ingest.errors import AsapIngestError


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


@dataclass
class Findings:
    """Faults in the order in which they were found, each once; notes say what could not be looked at."""

    notes: list[str] = field(default_factory=list)
    _faults: dict[Fault, None] = field(default_factory=dict)

    @property
    def faults(self) -> list[Fault]:
        return list(self._faults)

    def add(self, place: str, problem: str) -> None:
        self._faults[Fault(place, problem)] = None

    def add_error(self, error: FaultError) -> None:
        self._faults[error.fault] = None
