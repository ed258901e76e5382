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

    def report(self, text: str) -> None:
        """Print a message about the section, unless it repeats the last one."""
        if self.message != text:
            self.message = text
            say(text)

    def waits(self, problem: str) -> bool:
        """Report the problem of an incomplete section, which must settle anew; always False."""
        self.stamps = ()
        self.report(problem)
        return False

    def metafile(self, uri: str, stamp: Stamp) -> Metafile | None:
        """The metafile, read again when it changed; None as long as it is incomplete."""
        if self.content is None or self.content[0] != stamp:
            try:
                self.content = stamp, read_metafile(uri)
            except AsapIngestError:
                return None
        return self.content[1]


@dataclass
class Watch:
    """Finds sections that are complete, and has them ingested, once or until a signal ends it.

    Parameters
    ----------
    given : sequence of str
        Folders, patterns and metafiles.
    ingest : callable
        Ingests sections, and writes their results into the state.
    image_directory : str, optional
        Where images lie; left out: beside their metafile.
    settle_seconds : float
        A section is complete when all its files are there, and none has changed time or size for this long.
    clock, wait : callable
        Returns seconds; sleeps for seconds.
    """

    given: Sequence[str]
    state: RunState
    rule: ZRule
    z_start: int
    ingest: Callable[[Sequence[SectionRecord]], None]
    image_directory: str | None = None
    settle_seconds: float = 30.0
    poll_seconds: float = 10.0
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def once(self) -> None:
        """Ingest what is complete; files that may still be written are polled twice."""
        records = self.look()
        is_settling = any(seen.stamps and seen.tried != seen.stamps for seen in self._seen.values())
        if is_settling and self.settle_seconds:
            self.wait(self.settle_seconds)
            records = self.look()
        self._ingest(records)

    def forever(self) -> None:
        """Poll, ingest, wait; continues when a share or the service is down."""
        problem = ""
        while True:
            try:
                if storage.modified_time(self.state.uri) is None:
                    # a share that is not mounted looks like an empty folder
                    raise ParameterError("state_file", f"{self.state.uri}: is away")
                self._ingest(self.look())
                if problem:
                    say("goes on")
                problem = ""
            except (AsapIngestError, OSError) as error:
                if str(error) != problem:
                    say(f"waits: {error}")
                problem = str(error)
            self.wait(self.poll_seconds)

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

    def _ingest(self, records: Sequence[SectionRecord]) -> None:
        """Ingest sections; those that failed wait for the next attempt, longer each time."""
        if records:
            self.ingest(records)
        for record in records:
            seen = self._seen.get(record.metafile)
            if seen is not None and record.status in (DONE, FAILED, SUPERSEDED):
                seen.tried = seen.stamps
                seen.retry_at = self.clock() + seen.retry_seconds
                seen.retry_seconds = min(2 * seen.retry_seconds, _LONGEST_RETRY_SECONDS)

    def _is_complete(self, metafile: str, listings: FolderListings) -> bool:
        stamp, record = listings.stamp(metafile), self.state.of(metafile)
        if stamp is None or (record is not None and record.is_finished and record.stamp == list(stamp)):
            self._seen.pop(metafile, None)
            return False
        seen = self._seen.setdefault(metafile, _Seen())
        content = seen.metafile(metafile, stamp)
        if content is None:
            return seen.waits(f"{metafile}: is not complete")
        folder = self.image_directory or storage.parent(metafile)
        images = [listings.stamp(storage.join(folder, tile.image)) for tile in content.tiles]
        missing = [n for n, image in enumerate(images) if image is None or not image[1]]
        if missing:
            count, name = f"{len(missing)} of {len(images)}", content.tiles[missing[0]].image
            return seen.waits(f"{metafile}: waits for {count} images, like {name}")
        stamps = (stamp, *images)
        if stamps != seen.stamps:
            seen.stamps, seen.since, seen.retry_seconds = stamps, self.clock(), _RETRY_SECONDS
        if seen.tried == stamps and self.clock() < seen.retry_at:
            return False
        return self.clock() - seen.since >= self.settle_seconds

    def _planned(self, metafile: str) -> list[SectionRecord]:
        try:
            return plan([metafile], self.state, self.rule, self.z_start)
        except ParameterError as error:
            self._seen[metafile].report(f"{metafile}: {error}")
            return []


def say(text: str) -> None:
    """Print a line with the time to standard error."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()
