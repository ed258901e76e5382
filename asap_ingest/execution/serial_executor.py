"""One job after the other, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from asap_ingest.execution.worker_jobs import Item, Outcome, Value, attempt


class SerialExecutor:
    """One job after the other, in this process."""

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]:
        for item in items:
            yield Outcome(item, *attempt(job, item))
