"""Jobs over a pool of worker processes, each with a pipe of its own."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from asap_ingest.errors import WorkerDiedError
from asap_ingest.execution.worker_jobs import (
    ONE_THREAD,
    Item,
    Outcome,
    Value,
    answer,
    no_main_module,
    one_thread_here,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolExecutor:
    """Jobs over `size` worker processes.

    Items are drawn as workers get free, so memory does not grow with their number. Each worker has
    a pipe of its own: when one is killed, the item it held is known, and is tried once more.
    """

    size: int

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]:
        waiting = iter(items)
        retries: list[Item] = []
        retried: list[Item] = []
        workers: list[_Worker] = []
        try:
            while True:
                _feed(workers, retries, waiting, job, self.size)
                busy = [worker for worker in workers if worker.busy]
                if not busy:
                    return
                for worker in _ready(busy):
                    answer = worker.answer()
                    if answer is not None:
                        yield Outcome(worker.done(), *answer)
                        continue
                    workers.remove(worker)
                    item = worker.done()
                    error = WorkerDiedError(worker.exitcode())
                    if any(item is known for known in retried):
                        yield Outcome(item, None, error)
                    else:
                        logger.warning("%s; the job is tried once more", error)
                        retried.append(item)
                        retries.append(item)
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A process that does jobs one at a time; None as job ends it."""

    def __init__(self, job: Callable[[Any], Any]) -> None:
        context = _context(job)
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, job, dict(os.environ))
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with _environment(ONE_THREAD), no_main_module():
            self._process.start()
        theirs.close()
        self._item: Any = None
        self.busy = False

    def give(self, item: Any) -> None:
        self._item, self.busy = item, True
        with suppress(ConnectionError):  # a dead worker shows when its answer is awaited
            self._pipe.send(item)

    def answer(self) -> tuple[Any, Exception | None] | None:
        """(value, error), or None when the process died."""
        try:
            return pickle.loads(self._pipe.recv_bytes())
        except (EOFError, ConnectionError):
            return None

    def done(self) -> Any:
        item, self._item, self.busy = self._item, None, False
        return item

    def exitcode(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def stop(self) -> None:
        self._pipe.close()
        if self.busy:
            self._process.terminate()
        self._process.join()

    @property
    def pipe(self) -> Any:
        return self._pipe


def _feed(
    workers: list[_Worker], retries: list[Any], waiting: Iterator[Any], job: Callable[[Any], Any], size: int
) -> None:
    """Give every idle worker an item; start a worker only when there is one for it."""
    idle = [worker for worker in workers if not worker.busy]
    while idle or len(workers) < size:
        if retries:
            item = retries.pop()
        else:
            try:
                item = next(waiting)
            except StopIteration:
                return
        worker = idle.pop() if idle else _Worker(job)
        worker.give(item)
        if worker not in workers:
            workers.append(worker)


def _ready(busy: list[_Worker]) -> list[_Worker]:
    from pathos.helpers import mp

    pipes = mp.connection.wait([worker.pipe for worker in busy])
    return [worker for worker in busy if worker.pipe in pipes]


def _serve(pipe: Any, job: Callable[[Any], Any], environment: dict[str, str]) -> None:
    """The worker's loop; ends when the other end of the pipe closes, also because its process died."""
    # the server process may be older than what was set since, credentials for instance
    os.environ.update(environment)
    one_thread_here()
    while True:
        try:
            item = pipe.recv()
            pipe.send_bytes(answer(job, item))
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return


def _context(job: Callable[[Any], Any]) -> Any:
    """Workers are forked from a clean server process that has the job's module loaded.

    It also loads what the module names in `WORKERS_LOAD`: modules that take time to load, and that this
    process does not need. Forking this process, which may have threads, can deadlock.
    """
    from pathos.helpers import mp

    context = mp.get_context("forkserver")
    further = getattr(sys.modules[job.__module__], "WORKERS_LOAD", ())
    context.set_forkserver_preload([job.__module__, *further])
    return context


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
