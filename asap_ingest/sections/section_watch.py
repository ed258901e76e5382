"""Sections as a microscope writes them: which of them are complete, and which are to be ingested now.

Folders are polled: network shares do not notify of changes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, ParameterError
from asap_ingest.sections.section_list import ZRule, find_metafiles
from asap_ingest.sections.section_plan import plan
from asap_ingest.sections.section_state import DONE, FAILED, SUPERSEDED, RunState, SectionRecord
from asap_ingest.storage.folder_listings import FolderListings, Stamp
from asap_ingest.temca.metafile import Metafile, read_metafile

#: Seconds until a failed section is retried without a change of its files; doubled after each attempt.
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 60.0, 3600.0


@dataclass
class _Seen:
    """The stamps of a section's files when last polled, and since when they have not changed."""

    stamps: tuple[Stamp | None, ...] = ()
    since: float = 0.0
    message: str = ""
    retry_at: float = 0.0
    retry_seconds: float = _RETRY_SECONDS
    tried: tuple[Stamp | None, ...] | None = None
    content: tuple[Stamp, Metafile] | None = None


@dataclass
class Watch:
    """Finds sections that are complete, and has them ingested.

    Parameters
    ----------
    given : sequence of str
        Folders, patterns and metafiles.
    image_directory : str, optional
        Where images lie; left out: beside their metafile.
    settle_seconds : float
        A section is complete when all its files are there, and none has changed time or size for this long.
    clock : callable
        Returns seconds.
    """

    given: Sequence[str]
    state: RunState
    rule: ZRule
    z_start: int
    image_directory: str | None = None
    settle_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    _seen: dict[str, _Seen] = field(default_factory=dict)

    @property
    def is_settling(self) -> bool:
        """Whether a section is complete except that it has to settle."""
        return any(seen.stamps and seen.tried != seen.stamps for seen in self._seen.values())

    def look(self) -> list[SectionRecord]:
        """Records of the sections to ingest now, in the order in which they were complete.

        Raises
        ------
        StorageError, OSError
            A share cannot be reached.
        """
        listings = FolderListings()
        metafiles = find_metafiles(self.given)
        for gone in self._seen.keys() - set(metafiles):
            del self._seen[gone]
        complete = [metafile for metafile in metafiles if self._is_complete(metafile, listings)]
        complete.sort(key=lambda metafile: self._seen[metafile].since)
        records = [record for metafile in complete for record in self._planned(metafile)]
        return [record for record in records if not record.is_finished]  # one may supersede another

    def tried(self, records: Sequence[SectionRecord]) -> None:
        """Note that sections were ingested: those that failed wait, longer each time."""
        for record in records:
            seen = self._seen.get(record.metafile)
            if seen is not None:
                seen.tried = seen.stamps
                seen.retry_at = self.clock() + seen.retry_seconds
                seen.retry_seconds = min(2 * seen.retry_seconds, _LONGEST_RETRY_SECONDS)

    def _is_complete(self, metafile: str, listings: FolderListings) -> bool:
        stamp, record = listings.stamp(metafile), self.state.of(metafile)
        if stamp is None or (record is not None and record.is_finished and record.stamp == list(stamp)):
            self._seen.pop(metafile, None)
            return False
        seen = self._seen.setdefault(metafile, _Seen())
        problem, images = f"{metafile}: is not complete", list[Stamp | None]()
        content = _content(metafile, stamp, seen)
        if content is not None:
            folder = self.image_directory or storage.parent(metafile)
            images = [listings.stamp(storage.join(folder, tile.image)) for tile in content.tiles]
            missing = [n for n, image in enumerate(images) if image is None or not image[1]]
            names = f", like {content.tiles[missing[0]].image}" if missing else ""
            problem = f"{metafile}: waits for {len(missing)} of {len(images)} images{names}"
            if not missing:
                return self._has_settled(seen, (stamp, *images))
        self._report(seen, problem)
        seen.stamps = ()
        return False

    def _has_settled(self, seen: _Seen, stamps: tuple[Stamp | None, ...]) -> bool:
        if stamps != seen.stamps:
            seen.stamps, seen.since, seen.retry_seconds = stamps, self.clock(), _RETRY_SECONDS
        if seen.tried == stamps and self.clock() < seen.retry_at:
            return False
        return self.clock() - seen.since >= self.settle_seconds

    def _planned(self, metafile: str) -> list[SectionRecord]:
        try:
            return plan([metafile], self.state, self.rule, self.z_start)
        except ParameterError as error:
            self._report(self._seen[metafile], f"{metafile}: {error}")
            return []

    def _report(self, seen: _Seen, text: str) -> None:
        """Print a message about a section, unless it repeats the last one."""
        if seen.message != text:
            seen.message = text
            say(text)


def _content(metafile: str, stamp: Stamp, seen: _Seen) -> Metafile | None:
    """The metafile, read again when it changed; None as long as it is incomplete."""
    if seen.content is None or seen.content[0] != stamp:
        try:
            seen.content = stamp, read_metafile(metafile)
        except AsapIngestError:
            return None
    return seen.content[1]


def say(text: str) -> None:
    """Print a line with the time to standard error."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


@dataclass
class Watching:
    """Runs a watch until a signal ends it.

    Parameters
    ----------
    ingest : callable
        Ingests sections, and writes their results into the state.
    wait : callable
        Sleeps for seconds.
    """

    watch: Watch
    ingest: Callable[[Sequence[SectionRecord]], None]
    poll_seconds: float = 10.0
    wait: Callable[[float], None] = time.sleep
    _away: str = ""

    def once(self) -> None:
        """Ingest what is complete; files that may still be written are polled twice."""
        records = self.watch.look()
        if self.watch.is_settling and self.watch.settle_seconds:
            self.wait(self.watch.settle_seconds)
            records = self.watch.look()
        if records:
            self._do(records)

    def forever(self) -> None:
        """Poll, ingest, wait; continues when a share or the service is down."""
        while True:
            try:
                self._require_state()
                records = self.watch.look()
                if records:
                    self._do(records)
                if self._away:
                    say("goes on")
                self._away = ""
            except (AsapIngestError, OSError) as error:
                if str(error) != self._away:
                    say(f"waits: {error}")
                self._away = str(error)
            self.wait(self.poll_seconds)

    def _do(self, records: Sequence[SectionRecord]) -> None:
        self.ingest(records)
        self.watch.tried([record for record in records if record.status in (DONE, FAILED, SUPERSEDED)])

    def _require_state(self) -> None:
        """Refuse to go on without the state file: a share that is not mounted looks like an empty folder."""
        if storage.modified_time(self.watch.state.uri) is None:
            raise ParameterError("state_file", f"{self.watch.state.uri}: is away")
