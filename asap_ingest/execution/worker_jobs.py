"""What all executors share: outcomes, and how a worker does a job and sends the answer."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from asap_ingest.errors import OutOfMemoryError

Item = TypeVar("Item")
Value = TypeVar("Value")
Job = Callable[[Item], Value]

logger = logging.getLogger(__name__)

#: Environment of worker processes: library threads under many workers fight for the cores.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: its value, or the error that its job raised."""

    item: Item
    value: Value | None = None
    error: Exception | None = None


class Executor(Protocol):
    """Runs jobs.

    An iterator of items that has none for now may end, and is asked again after each outcome that was taken:
    what an outcome leads to can be done by the same workers.
    """

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]: ...


def attempt(job: Job[Any, Any], item: Any) -> tuple[Any, Exception | None]:
    """(value, error) of a job."""
    try:
        return job(item), None
    except MemoryError as error:
        return None, OutOfMemoryError(str(error))
    except Exception as error:  # it is reported as the item's outcome
        logger.debug("job failed", exc_info=True)
        return None, error


def answer(job: Job[Any, Any], item: Any) -> bytes:
    """(value, error) of a job, pickled in its worker so that it can be read in another process.

    A value or error that pickle cannot carry becomes a RuntimeError with its text.
    """
    value, error = attempt(job, item)
    try:
        pickled = pickle.dumps((value, error))
        if error is not None:  # an exception may pickle well and yet fail to be made again
            pickle.loads(pickled)
    except Exception as problem:  # whatever a foreign class raises; the outcome must arrive
        logger.debug("the outcome cannot be sent", exc_info=True)
        text = f"{type(error).__name__}: {error}" if error else f"the job's value cannot be sent: {problem}"
        return pickle.dumps((None, RuntimeError(text)))
    return pickled


@cache
def one_thread_here() -> None:
    """Have OpenCV, which reads no environment variable, work in one thread in this process."""
    try:
        import cv2
    except ModuleNotFoundError:
        return
    cv2.setNumThreads(1)


@contextmanager
def no_main_module() -> Iterator[None]:
    """Workers that start inside would otherwise run this program's main module again; jobs are not there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
