"""Sections as a microscope writes them: which of them are complete, and which are to be ingested now.

Folders are looked at again and again: shares do not tell of changes.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, ParameterError
from asap_ingest.sections.section_list import ZRule, find_metafiles
from asap_ingest.sections.section_plan import plan
from asap_ingest.sections.section_state import DONE, FAILED, SUPERSEDED, RunState, SectionRecord
from asap_ingest.temca.metafile import Metafile, read_metafile

logger = logging.getLogger(__name__)

#: Seconds until a section that failed is tried again, though none of its files changed: they double.
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 60.0, 3600.0
Stamps = dict[str, tuple[float, int]]


@dataclass
class _Seen:
    """What was seen of a section's files: stamps that have not changed since a time."""

    stamps: tuple[object, ...] = ()
    since: float = 0.0
    told: str = ""
    retry_at: float = 0.0
    retry_seconds: float = _RETRY_SECONDS
    tried: tuple[object, ...] | None = None


@dataclass
class Watch:
    """Looks for sections that are complete.

    Parameters
    ----------
    given : sequence of str
        Folders, patterns and metafiles.
    image_directory : str, optional
        Where images lie; left out: beside their metafile.
    settle_seconds : float
        A section is complete when all its files are there, and none has changed time or size for this long.
    clock : callable
        Gives seconds.
    """

    given: Sequence[str]
    state: RunState
    rule: ZRule
    z_start: int
    image_directory: str | None = None
    settle_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _metafiles: dict[str, tuple[tuple[float, int], Metafile]] = field(default_factory=dict)

    @property
    def is_settling(self) -> bool:
        """Whether a section is complete but for having to settle."""
        return any(seen.stamps and seen.tried != seen.stamps for seen in self._seen.values())

    def look(self) -> list[SectionRecord]:
        """Records of the sections to ingest now, in the order in which they were complete.

        Raises
        ------
        StorageError, OSError
            A share is away.
        """
        listings: dict[str, Stamps] = {}
        metafiles = find_metafiles(self.given)
        self._forget_all_but(metafiles)
        complete = [metafile for metafile in metafiles if self._is_complete(metafile, listings)]
        complete.sort(key=lambda metafile: self._seen[metafile].since)
        records = []
        for metafile in complete:
            records += self._planned(metafile)
        return [record for record in records if not record.is_finished]  # one may supersede another

    def tried(self, records: Sequence[SectionRecord]) -> None:
        """Take note of sections that were worked on: those that failed wait, longer each time."""
        for record in records:
            seen = self._seen.get(record.metafile)
            if seen is not None:
                seen.tried = seen.stamps
                seen.retry_at = self.clock() + seen.retry_seconds
                seen.retry_seconds = min(2 * seen.retry_seconds, _LONGEST_RETRY_SECONDS)

    def _forget_all_but(self, metafiles: Sequence[str]) -> None:
        there = set(metafiles)
        for known in (self._seen, self._metafiles):
            for metafile in known.keys() - there:
                del known[metafile]

    def _is_complete(self, metafile: str, listings: dict[str, Stamps]) -> bool:
        stamp = _stamp(metafile, listings)
        if stamp is None or self._is_finished(metafile, stamp):
            self._metafiles.pop(metafile, None)
            return False
        seen = self._seen.setdefault(metafile, _Seen())
        content = self._content(metafile, stamp)
        if content is None:
            self._tell(seen, f"{metafile}: is not complete")
            seen.stamps = ()
            return False
        folder = self.image_directory or storage.parent(metafile)
        images = [_stamp(storage.join(folder, tile.image), listings) for tile in content.tiles]
        missing = sum(image is None or not image[1] for image in images)
        if missing:
            first = next(n for n, image in enumerate(images) if image is None or not image[1])
            of = f"{missing} of {len(images)} images, like {content.tiles[first].image}"
            self._tell(seen, f"{metafile}: waits for {of}")
            seen.stamps = ()
            return False
        stamps = (stamp, *images)
        if stamps != seen.stamps:
            seen.stamps, seen.since, seen.retry_seconds = stamps, self.clock(), _RETRY_SECONDS
        if seen.tried == stamps and self.clock() < seen.retry_at:
            return False
        return self.clock() - seen.since >= self.settle_seconds

    def _is_finished(self, metafile: str, stamp: tuple[float, int]) -> bool:
        record = self.state.of(metafile)
        return record is not None and record.is_finished and record.stamp == list(stamp)

    def _content(self, metafile: str, stamp: tuple[float, int]) -> Metafile | None:
        """The metafile, read again when it changed; None as long as it is not whole."""
        known = self._metafiles.get(metafile)
        if known is None or known[0] != stamp:
            try:
                known = stamp, read_metafile(metafile)
            except AsapIngestError:
                return None
            self._metafiles[metafile] = known
        return known[1]

    def _planned(self, metafile: str) -> list[SectionRecord]:
        try:
            return plan([metafile], self.state, self.rule, self.z_start)
        except ParameterError as error:
            self._tell(self._seen[metafile], f"{metafile}: {error}")
            return []

    def _tell(self, seen: _Seen, text: str) -> None:
        """Once, until there is something else to say of that section."""
        if seen.told != text:
            seen.told = text
            say(text)


def _stamp(uri: str, listings: dict[str, Stamps]) -> tuple[float, int] | None:
    folder = storage.parent(uri)
    if folder not in listings:
        listings[folder] = storage.names_and_stamps(folder)
    return listings[folder].get(uri.rpartition("/")[2])


def say(text: str) -> None:
    """A line on standard error for whoever looks after a watch."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


@dataclass
class Watching:
    """A watch that goes on until a signal ends it.

    Parameters
    ----------
    ingest : callable
        Does sections, and leaves what became of them in the state.
    wait : callable
        Lets seconds pass.
    """

    watch: Watch
    ingest: Callable[[Sequence[SectionRecord]], None]
    poll_seconds: float = 10.0
    wait: Callable[[float], None] = time.sleep
    _away: str = ""

    def once(self) -> None:
        """Ingest what is complete; files that may still be written are looked at twice."""
        records = self.watch.look()
        if self.watch.is_settling and self.watch.settle_seconds:
            self.wait(self.watch.settle_seconds)
            records = self.watch.look()
        if records:
            self._do(records)

    def forever(self) -> None:
        """Look, ingest, wait; whatever is away is waited for."""
        while True:
            try:
                self._require_state()
                records = self.watch.look()
                if records:
                    self._do(records)
                self._back()
            except (AsapIngestError, OSError) as error:
                self._tell_away(str(error))
            self.wait(self.poll_seconds)

    def _do(self, records: Sequence[SectionRecord]) -> None:
        self.ingest(records)
        self.watch.tried([record for record in records if record.status in (DONE, FAILED, SUPERSEDED)])

    def _require_state(self) -> None:
        """A share that is not mounted is an empty folder: nothing must be begun anew there."""
        if storage.modified_time(self.watch.state.uri) is None:
            raise ParameterError("state_file", f"{self.watch.state.uri}: is away")

    def _tell_away(self, problem: str) -> None:
        if problem != self._away:
            say(f"waits: {problem}")
        self._away = problem

    def _back(self) -> None:
        if self._away:
            say("goes on")
        self._away = ""
