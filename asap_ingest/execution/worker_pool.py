"""Jobs over a pool of worker processes, each with a pipe of its own."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

from asap_ingest.errors import WorkerDiedError
from asap_ingest.execution.worker_jobs import (
    ONE_THREAD,
    Function,
    Item,
    Outcome,
    Outcomes,
    Value,
    WithStorage,
    limit_to_one_thread,
    no_main_module,
    pickled_outcome,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PoolExecutor:
    """Jobs over `size` worker processes.

    An item is taken from `items` when a worker is free, so memory does not grow with their number. Each
    worker has a pipe of its own: when one is killed, the item that it had is known, and is retried once.
    """

    size: int

    def run(self, function: Function[Item, Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        waiting, work = iter(items), WithStorage(function)
        retries: list[_Task] = []
        workers: list[_Worker] = []
        try:
            while True:
                idle = [worker for worker in workers if worker.task is None]
                while idle or len(workers) < self.size:
                    task = retries.pop() if retries else next((_Task(item) for item in waiting), None)
                    if task is None:
                        break
                    if not idle:  # a worker is started only when there is an item for it
                        idle = [_Worker(work)]
                        workers += idle
                    idle.pop().give(task)
                busy = {worker.pipe: worker for worker in workers if worker.task is not None}
                if not busy:
                    return
                for worker in [busy[pipe] for pipe in wait(list(busy))]:
                    task, received = worker.receive()
                    if received is not None:
                        yield Outcome(task.item, *received)
                        continue
                    workers.remove(worker)
                    error = WorkerDiedError(worker.exitcode())
                    if task.is_retry:
                        yield Outcome(task.item, None, error)
                    else:
                        logger.warning("%s; the job is retried once", error)
                        retries.append(_Task(task.item, is_retry=True))
        finally:
            for worker in workers:
                worker.stop()


@dataclass(frozen=True)
class _Task:
    """An item to work on; a retry if the worker that had it before died."""

    item: Any
    is_retry: bool = False


class _Worker:
    """A process that calls a function with one item after the other."""

    def __init__(self, work: WithStorage[Any, Any]) -> None:
        context = _context(work.function)
        self.pipe, theirs = context.Pipe()
        with no_main_module(), _environment(ONE_THREAD):
            arguments = (theirs, work, dict(os.environ))
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
        theirs.close()
        self.task: _Task | None = None

    def give(self, task: _Task) -> None:
        self.task = task
        with suppress(ConnectionError):  # a dead worker is noticed when its outcome is received
            self.pipe.send_bytes(pickle.dumps(task.item))  # `send` would use dill: 2 ms a tile

    def receive(self) -> tuple[_Task, tuple[Any, Exception | None] | None]:
        """(task, its (value, error)); None in place of the pair if the process died."""
        assert self.task is not None
        task, self.task = self.task, None
        try:
            return task, pickle.loads(self.pipe.recv_bytes())
        except (EOFError, ConnectionError):
            return task, None

    def exitcode(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def stop(self) -> None:
        self.pipe.close()
        if self.task is not None:
            self._process.terminate()
        self._process.join()


def _serve(pipe: Any, work: WithStorage[Any, Any], environment: dict[str, str]) -> None:
    """Run in the worker: answer each item with its outcome until the other end of the pipe is closed."""
    # the fork server may have started before variables were set, credentials for instance
    os.environ.update(environment)
    limit_to_one_thread()
    while True:
        try:
            pipe.send_bytes(pickled_outcome(work, pipe.recv_bytes()))
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return


def _context(function: Function[Any, Any]) -> Any:
    """Multiprocessing with a fork server, a clean process that has imported the function's module.

    The server also imports the modules that this module names in `WORKERS_LOAD`: they take time to import,
    and are not needed here. Forking this process instead could deadlock, as it may have threads.
    """
    # pathos for its multiprocessing, which pickles functions of notebooks and scripts by value (dill); its
    # own pools lose the item of a worker that is killed, which is reported and retried here
    from pathos.helpers import mp

    context = mp.get_context("forkserver")
    further = getattr(sys.modules[function.__module__], "WORKERS_LOAD", ())
    context.set_forkserver_preload([function.__module__, *further])
    return context


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside the block."""
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
