"""What all executors share: outcomes, and how a worker runs a job and sends its outcome."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from asap_ingest import storage
from asap_ingest.errors import OutOfMemoryError

Item = TypeVar("Item")
Value = TypeVar("Value")
Job = Callable[[Item], Value]

logger = logging.getLogger(__name__)

#: Environment of worker processes: with several threads each, workers would compete for the cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """The value that a job returned for an item, or the error that it raised."""

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


#: Closing it ends the workers.
Outcomes = Generator[Outcome[Item, Value], None, None]


class Executor(Protocol):
    """Runs jobs: top-level functions of one small picklable item."""

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        """One outcome an item, in the order in which they are ready; a job that fails does not stop others.

        An iterator of items may end for the moment: it is asked again after each outcome that was yielded,
        so that an outcome can lead to further items for the same workers.
        """


class SerialExecutor:
    """One job after the other, in this process."""

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        for item in items:
            yield Outcome(item, *_attempt(job, item))


@dataclass(frozen=True)
class WithStorage(Generic[Item, Value]):
    """A job with the storage options of the process that hands it to a worker."""

    job: Callable[[Item], Value]
    options: Mapping[str, Any]

    def __call__(self, item: Item) -> Value:
        with storage.options(self.options):
            return self.job(item)


def for_workers(job: Callable[[Item], Value]) -> WithStorage[Item, Value]:
    """The job as other processes get it."""
    return WithStorage(job, dict(storage.current_options()))


def _attempt(job: Job[Any, Any], item: Any) -> tuple[Any, Exception | None]:
    """(value, error) of a job."""
    try:
        return job(item), None
    except MemoryError as error:
        return None, OutOfMemoryError(str(error))
    except Exception as error:  # it becomes the item's outcome
        logger.debug("job failed", exc_info=True)
        return None, error


def pickled_outcome(job: Job[Any, Any], item: Any) -> bytes:
    """(value, error) of a job, pickled in its worker so that it can be read in another process.

    A value or error that pickle cannot carry becomes a RuntimeError with its text.
    """
    value, error = _attempt(job, item)
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


@contextmanager
def no_main_module() -> Iterator[None]:
    """Keep workers that start inside from running this program's main module again; it holds no jobs."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
