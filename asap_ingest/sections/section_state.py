"""The state of each section of a run, in one file: a rerun continues from it.

The file is replaced after each change, so a killed run leaves the state before or the state after.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, ParameterError
from asap_ingest.secrets import masked, without_secrets
from asap_ingest.storage.json_documents import read_object, write_object

#: Status of a record. A section that was begun has some of its levels, which a rerun keeps.
PLANNED, BEGUN, DONE, FAILED, SUPERSEDED = "planned", "begun", "done", "failed", "superseded"
_VERSION = 1


class StateInUseError(ParameterError):
    """Another run works on the same sections."""

    def __init__(self, uri: str) -> None:
        super().__init__("state_file", f"{uri}: another run is using it; wait for its end, or end it")


@dataclass
class SectionRecord:
    """One metafile.

    Attributes
    ----------
    stamp : list
        Time and size of the metafile: if they change, it is ingested again.
    region : list, optional
        Specimen, grid and number of the region, where the metafile has them.
    begun_at : float
        Seconds since the epoch, by the clock of the state's file system. Older levels are replaced.
    failures : list of dict
        Tiles that failed: tileId, image, reason.
    error : str, optional
        Why the section as a whole could not be done.
    """

    metafile: str
    z: float
    stamp: list[float]
    tiles: int = 0
    region: list[Any] | None = None
    created: str = ""
    status: str = PLANNED
    begun_at: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    @property
    def section(self) -> list[Any] | None:
        """Specimen and grid, which the regions of one section share."""
        return None if self.region is None else self.region[:2]

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left for a rerun."""
        return self.status in (DONE, SUPERSEDED)


class RunState:
    """The records of a run, by the URI of the metafile.

    Parameters
    ----------
    uri : str
        Path or URI of the file.
    settings : mapping
        Those that must be the same in all runs that share the file.
    """

    def __init__(self, uri: str, settings: Mapping[str, Any]) -> None:
        self.uri = uri
        self._settings = orjson.loads(orjson.dumps(without_secrets(settings)))
        self._records: dict[str, SectionRecord] = {}

    def read(self) -> None:
        """Read the records of the file, if there is one.

        Raises
        ------
        ParameterError
            The file is of a run with other settings, or is not such a file.
        """
        try:
            state = read_object(self.uri)
            version, settings = state["version"], dict(state["settings"])
            records = [SectionRecord(**record) for record in state["sections"]]
        except MissingFileError:
            return
        except (KeyError, TypeError, ValueError) as error:
            raise _refused(f"{self.uri}: is not the state of a run; name another file") from error
        if version != _VERSION:
            raise _refused(f"{self.uri}: is of version {version}, not {_VERSION}; name another file")
        for name in sorted(settings.keys() | self._settings.keys()):
            before, now = settings.get(name), self._settings.get(name)
            if before != now:
                raise _refused(
                    f"{self.uri} is of a run with {name} {before!r}, not {now!r}; name another file, or "
                    "start anew with force_redo true"
                )
        self._records = {_key(record.metafile): record for record in records}

    def write(self) -> None:
        records = [asdict(record) for record in self]
        write_object(self.uri, {"version": _VERSION, "settings": self._settings, "sections": records})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a lock on the state file; the system releases it if this process is killed.

        Raises
        ------
        StateInUseError
            Another run holds it. Files in object stores cannot be locked.
        """
        path = storage.local_path(f"{self.uri}.lock")
        if path is None:
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StateInUseError(self.uri) from error
            yield

    def begin(self, record: SectionRecord) -> None:
        """Record that a section is in work, before its first file is written."""
        if record.status != BEGUN:
            # when the state file last changed, by the clock of its file system: all that follows is newer
            record.begun_at = record.begun_at or storage.modified_time(self.uri) or 0.0
            record.status = BEGUN
            self.write()

    def of(self, metafile: str) -> SectionRecord | None:
        """The record of a metafile, if there is one."""
        return self._records.get(_key(metafile))

    def add(self, record: SectionRecord) -> None:
        self._records[_key(record.metafile)] = record

    def __iter__(self) -> Iterator[SectionRecord]:
        return iter(self._records.values())


def _key(metafile: str) -> str:
    """What identifies a metafile: its URI without user and password, as the state file has it."""
    return masked(storage.as_uri(metafile))


def _refused(problem: str) -> ParameterError:
    return ParameterError("state_file", problem)
