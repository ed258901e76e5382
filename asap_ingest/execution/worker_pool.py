"""Jobs over a pool of worker processes, each with a pipe of its own."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from asap_ingest.errors import WorkerDiedError
from asap_ingest.execution.worker_jobs import (
    ONE_THREAD,
    Item,
    Outcome,
    Outcomes,
    Value,
    WithStorage,
    for_workers,
    limit_to_one_thread,
    no_main_module,
    pickled_outcome,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolExecutor:
    """Jobs over `size` worker processes.

    Items are drawn as workers get free, so memory does not grow with their number. Each worker has
    a pipe of its own: when one is killed, the item that it held is known, and is retried once.
    """

    size: int

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        waiting = iter(items)
        retries: list[Item] = []
        retried: list[Item] = []
        workers: list[_Worker] = []
        sent = for_workers(job)
        try:
            while True:
                _feed(workers, retries, waiting, sent, self.size)
                busy = [worker for worker in workers if worker.is_busy]
                if not busy:
                    return
                ready = wait([worker.pipe for worker in busy])
                for worker in [worker for worker in busy if worker.pipe in ready]:
                    received = worker.receive()
                    item = worker.release()
                    if received is not None:
                        yield Outcome(item, *received)
                        continue
                    workers.remove(worker)
                    error = WorkerDiedError(worker.exitcode())
                    if any(item is known for known in retried):
                        yield Outcome(item, None, error)
                    else:
                        logger.warning("%s; the job is retried once", error)
                        retried.append(item)
                        retries.append(item)
        finally:
            for worker in workers:
                worker.stop()


class _Worker:
    """A process that runs a job on one item after the other."""

    def __init__(self, job: WithStorage[Any, Any]) -> None:
        context = _context(job.job)
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, job, dict(os.environ))
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with _environment(ONE_THREAD), no_main_module():
            self._process.start()
        theirs.close()
        self._item: Any = None
        self.is_busy = False

    def give(self, item: Any) -> None:
        self._item, self.is_busy = item, True
        with suppress(ConnectionError):  # a dead worker is noticed when its outcome is received
            self.pipe.send(item)

    def receive(self) -> tuple[Any, Exception | None] | None:
        """(value, error), or None when the process died."""
        try:
            return pickle.loads(self.pipe.recv_bytes())
        except (EOFError, ConnectionError):
            return None

    def release(self) -> Any:
        item, self._item, self.is_busy = self._item, None, False
        return item

    def exitcode(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def stop(self) -> None:
        self.pipe.close()
        if self.is_busy:
            self._process.terminate()
        self._process.join()


def _feed(
    workers: list[_Worker],
    retries: list[Any],
    waiting: Iterator[Any],
    job: WithStorage[Any, Any],
    size: int,
) -> None:
    """Give every idle worker an item; start a worker only when there is one for it."""
    idle = [worker for worker in workers if not worker.is_busy]
    while idle or len(workers) < size:
        if retries:
            item = retries.pop()
        else:
            try:
                item = next(waiting)
            except StopIteration:
                return
        if not idle:
            idle.append(_Worker(job))
            workers.append(idle[0])
        idle.pop().give(item)


def _serve(pipe: Any, job: WithStorage[Any, Any], environment: dict[str, str]) -> None:
    """The worker's loop; ends when the other end of the pipe closes, also because its process died."""
    # the fork server may have started before variables were set, credentials for instance
    os.environ.update(environment)
    limit_to_one_thread()
    while True:
        try:
            item = pipe.recv()
            pipe.send_bytes(pickled_outcome(job, item))
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return


def _context(job: Callable[[Any], Any]) -> Any:
    """Workers are forked from a clean server process that has imported the job's module.

    It also imports what the module names in `WORKERS_LOAD`: modules that take time to import, and that this
    process does not need. Forking this process, which may have threads, can deadlock.
    """
    # pathos for its multiprocessing, which pickles closures and classes of notebooks (dill); its own pools
    # lose the item of a worker that is killed, which is reported and retried here
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
