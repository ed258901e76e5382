"""Many sections through one set of workers.

    place_section --> pyramids of its tiles --> finish_section

Each arrow leads to further jobs, which the executor gets when it asks for its next item. A section is placed
while tiles of the one before still wait, so that workers stay busy. Two sections are in memory at a time, or
as many small ones as keep all workers busy: memory does not grow with the number of sections.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from asap_ingest.errors import ServiceUnreachableError
from asap_ingest.execution import Executor, Outcome
from asap_ingest.execution.progress import Progress
from asap_ingest.mipmaps.pyramid import WORKERS_LOAD as _PYRAMIDS_LOAD
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidResult, build_and_verify, build_pyramid
from asap_ingest.sections.section_work import IngestedSection, Section, finish_section, place_section

#: Workers are forked from a process that has loaded these, which takes a second.
WORKERS_LOAD = (*_PYRAMIDS_LOAD, "renderapi")
#: Waiting jobs per worker: with fewer, a further section is placed.
_JOBS_AHEAD = 4


@dataclass(frozen=True)
class Work:
    """A call `job(item)` for the section with this number in the run."""

    number: int
    job: Callable[[Any], Any]
    item: Any


def do(work: Work) -> Any:
    """Run a `Work`: the executor has one function for all kinds."""
    return work.job(work.item)


@dataclass
class _Active:
    """A section in work: its waiting jobs, and the number of running ones."""

    number: int
    result: IngestedSection
    jobs: deque[PyramidJob] = field(default_factory=deque)
    running: int = 0
    is_begun: bool = False
    since: float = field(default_factory=time.perf_counter)

    def lap(self, step: str) -> None:
        """Store the seconds since the last lap as those of a step."""
        now = time.perf_counter()
        self.result.seconds[step], self.since = now - self.since, now


class SectionPipeline:
    """Iterator of the jobs that workers can run next, given the sections and the outcomes so far.

    Parameters
    ----------
    sections : iterator of Section
        Drawn when workers need them.
    workers : int
    progress : Progress
        Of tiles; it expects those that the sections name.
    first, of : int
        Number of the first section, and of all, as progress shows them.
    """

    def __init__(
        self, sections: Iterator[Section], workers: int, progress: Progress, first: int = 1, of: int = 1
    ) -> None:
        self._sections = sections
        self._ahead = _JOBS_AHEAD * workers
        self._progress, self._of = progress, of
        self._number = first - 1
        self._active: dict[int, _Active] = {}
        self._finishes: deque[Work] = deque()

    def __iter__(self) -> Iterator[Work]:
        return self

    def __next__(self) -> Work:
        """The next job; StopIteration also where all that is left depends on outcomes."""
        if self._finishes:
            return self._finishes.popleft()
        if self._needs_section() and (section := next(self._sections, None)) is not None:
            self._number += 1
            self._active[self._number] = _Active(self._number, IngestedSection(section))
            return Work(self._number, place_section, section)
        for each in self._active.values():
            if each.jobs:
                each.running, each.is_begun = each.running + 1, True
                verify = each.result.section.run.verify
                return Work(each.number, build_and_verify if verify else build_pyramid, each.jobs.popleft())
        raise StopIteration

    def _needs_section(self) -> bool:
        untouched = [each for each in self._active.values() if not each.is_begun]
        waiting = sum(len(each.jobs) for each in self._active.values())
        to_come = sum(max(1, each.result.section.tiles) for each in untouched if not each.jobs)
        return not untouched or waiting + to_come < self._ahead

    def take(self, outcome: Outcome[Work, Any]) -> IngestedSection | None:
        """Handle the outcome of a job; return the section if this ended it.

        Raises
        ------
        ServiceUnreachableError
            The service is down: other sections would fail too.
        """
        work, error = outcome.item, outcome.error
        each = self._active[work.number]
        if work.job is finish_section:
            each.lap("apply")
            each.result.applied = outcome.value
            return self._end(each, error)
        if work.job is not place_section:
            self._count(each, Outcome(work.item, outcome.value, error))
        else:
            each.lap("tilespecs")
            if error is not None:
                self._progress.skip(each.result.section.tiles)
                return self._end(each, error)
            self._add_jobs(each, *outcome.result())
        if not each.jobs and not each.running:
            each.is_begun = True
            each.lap("mipmaps")
            each.result.mipmaps.close(each.result.seconds["mipmaps"])
            self._finishes.append(Work(each.number, finish_section, each.result))
        return None

    def _count(self, each: _Active, outcome: Outcome[PyramidJob, PyramidResult]) -> None:
        """Add the outcome of a pyramid to the report and to progress."""
        each.running -= 1
        moved = each.result.mipmaps.count(outcome)
        section = each.result.section
        self._progress.at(each.number, self._of, section.run.stack.name, section.z)
        self._progress.advance(outcome.item.image.tile_count, moved, failures=outcome.error is not None)

    def _add_jobs(self, each: _Active, placed: IngestedSection, jobs: list[PyramidJob]) -> None:
        """Take the result of `place_section`; tiles that need no pyramid are done."""
        tiles = placed.mipmaps.tiles
        placed.seconds, each.result = each.result.seconds, placed
        each.jobs.extend(jobs)
        self._progress.expect(tiles - placed.section.tiles)
        self._progress.skip(tiles - sum(job.image.tile_count for job in jobs))

    def _end(self, each: _Active, error: Exception | None) -> IngestedSection:
        if isinstance(error, ServiceUnreachableError):
            raise error
        del self._active[each.number]
        each.result.error = error
        return each.result


def ingest(pipeline: SectionPipeline, executor: Executor) -> Iterator[IngestedSection]:
    """Run all jobs of a pipeline; yield the sections in the order in which they end."""
    # closing ends the workers: at once, not when the generator is garbage collected
    with closing(executor.run(do, pipeline)) as outcomes:
        for outcome in outcomes:
            ended = pipeline.take(outcome)
            if ended is not None:
                yield ended
