"""One way to run many jobs: serially, or over a pool of worker processes.

A job is a top-level function of one small picklable argument. Every item gives one `Outcome`, in
the order in which they are ready; a job that raises does not stop the others.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from asap_ingest.errors import WorkerDiedError

Item = TypeVar("Item")
Value = TypeVar("Value")

logger = logging.getLogger(__name__)

# Library threads under many workers fight for the cores.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: its value, or the error that its job raised."""

    item: Item
    value: Value | None = None
    error: Exception | None = None


class Executor(Protocol):
    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]: ...


class SerialExecutor:
    """One job after the other, in this process."""

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]:
        for item in items:
            yield Outcome(item, *_attempt(job, item))


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


def executor(pool_size: int) -> Executor:
    """The executor for a `pool_size` parameter: 1 works in this process."""
    return SerialExecutor() if pool_size <= 1 else PoolExecutor(pool_size)


class _Worker:
    """A process that does jobs one at a time; None as job ends it."""

    def __init__(self, job: Callable[[Any], Any]) -> None:
        context = _context(job)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, job), daemon=True)
        with _environment(_ONE_THREAD), _no_main_module():
            self._process.start()
        theirs.close()
        self._item: Any = None
        self.busy = False

    def give(self, item: Any) -> None:
        self._item, self.busy = item, True
        with suppress(BrokenPipeError):  # a dead worker shows when its answer is awaited
            self._pipe.send(item)

    def answer(self) -> tuple[Any, Exception | None] | None:
        """(value, error), or None when the process died."""
        try:
            return self._pipe.recv()
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


def _serve(pipe: Any, job: Callable[[Any], Any]) -> None:
    """The worker's loop; ends when the other end of the pipe closes, also because its process died."""
    with suppress(ModuleNotFoundError):
        import cv2

        cv2.setNumThreads(1)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return
        pipe.send(_attempt(job, item))


def _attempt(job: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return job(item), None
    except Exception as error:  # it is reported as the item's outcome
        logger.debug("job failed", exc_info=True)
        return None, error


def _context(job: Callable[[Any], Any]) -> Any:
    """Workers are forked from a clean server process that has the job's module loaded.

    Forking this process, which may have threads, can deadlock.
    """
    from pathos.helpers import mp

    context = mp.get_context("forkserver")
    context.set_forkserver_preload([job.__module__])
    return context


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Workers would run this program's main module again; jobs are not there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


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
