"""What all executors share: jobs, their outcomes, and what a worker process does to run one."""

from __future__ import annotations

import logging
import pickle
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from asap_ingest import storage
from asap_ingest.errors import OutOfMemoryError

Item = TypeVar("Item")
Value = TypeVar("Value")
Function = Callable[[Item], Value]

logger = logging.getLogger(__name__)

#: Environment of worker processes: with several threads each, workers would compete for the cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of the job of an item: the value that it returned, or the error that it raised."""

    item: Item
    value: Value | None = None
    error: Exception | None = None

    def result(self) -> Value:
        """The value; raises the error of a job that failed."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is a value where the job returns it

    @property
    def reason(self) -> str:
        """Why the job failed; empty where it did not."""
        return "" if self.error is None else str(self.error) or type(self.error).__name__


#: A run's outcomes; closing the generator ends the workers.
Outcomes = Generator[Outcome[Item, Value], None, None]


class Executor(Protocol):
    """Runs jobs, each a call of a top-level function with one small picklable item."""

    def run(self, function: Function[Item, Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        """Call a function with each item, and yield outcomes as they get ready; an error is one as well.

        `items` may be an iterator that goes on after StopIteration: it is asked again after each outcome,
        so that an outcome can lead to further items for the same workers.
        """


class SerialExecutor:
    """One job after the other, in this process."""

    def run(self, function: Function[Item, Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        for item in items:
            yield Outcome(item, *_attempt(function, item))


@dataclass(frozen=True)
class WithStorage(Generic[Item, Value]):
    """A function as a worker gets it: with the storage options of the process that hands it over."""

    function: Function[Item, Value]
    options: Mapping[str, Any] = field(default_factory=lambda: dict(storage.current_options()))

    def __call__(self, item: Item) -> Value:
        with storage.options(self.options):
            return self.function(item)


def _attempt(function: Function[Any, Any], item: Any) -> tuple[Any, Exception | None]:
    """(value, error) of the job of an item."""
    try:
        return function(item), None
    except MemoryError as error:
        return None, OutOfMemoryError(str(error))
    except Exception as error:  # whatever it is, it becomes the outcome of its item
        logger.debug("job failed", exc_info=True)
        return None, error


def pickled_outcome(function: Function[Any, Any], pickled_item: bytes) -> bytes:
    """(value, error) of the job of an item, pickled in its worker so that another process can read it.

    A value or error that pickle cannot carry becomes a RuntimeError with its text.
    """
    value, error = _attempt(lambda pickled: function(pickle.loads(pickled)), pickled_item)
    try:
        pickled = pickle.dumps((value, error))
        if error is not None:  # an exception may be pickled and yet fail to be restored
            pickle.loads(pickled)
    except Exception as problem:  # whatever another library's class raises: the outcome must arrive
        logger.debug("the outcome cannot be sent", exc_info=True)
        text = f"{type(error).__name__}: {error}" if error else f"the job's value cannot be sent: {problem}"
        return pickle.dumps((None, RuntimeError(text)))
    return pickled


@cache
def limit_to_one_thread() -> None:
    """Limit OpenCV, which reads no environment variable, to one thread in this process."""
    try:
        import cv2
    except ModuleNotFoundError:
        return
    cv2.setNumThreads(1)


_main_lock = threading.Lock()


@contextmanager
def no_main_module() -> Iterator[None]:
    """Keep a process that starts inside from running this program's main module again.

    Only one thread at a time is in such a block.
    Otherwise a script would need `if __name__ == "__main__":`, as with any use of `multiprocessing`. While
    there is no main module, dill pickles functions of it with the globals that they use.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def main_module_not_run_again() -> Iterator[None]:
    """Keep processes that start in a long block from running this program's main module again.

    Unlike `no_main_module`, it leaves the module in place, and blocks of several threads may overlap.
    Functions of the main module cannot be given to processes that start inside.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        # multiprocessing does not run a main module of this name, which is that of `python folder`
        main.__spec__ = ModuleSpec("__main__", None, loader_state=main.__spec__)
    try:
        yield
    finally:
        with _main_lock:  # each block removes one spec, in whatever order they end
            assert main.__spec__ is not None
            main.__spec__ = main.__spec__.loader_state
