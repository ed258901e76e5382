"""Jobs that the executor tests run: top-level functions, as a worker process needs them."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

from asap_ingest.errors import ParameterError


def double(number: int) -> int:
    return 2 * number


def fail_on_three(number: int) -> int:
    if number == 3:
        raise ValueError("three is not allowed")
    return number


def die_once(marker: str) -> str:
    """Killed when it first runs for a marker file; succeeds the second time."""
    path = Path(marker)
    if path.exists():
        return path.name
    path.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def die_always(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def take_too_much_memory(number: int) -> int:
    if number == 2:
        np.zeros(2**60, np.uint8)
    return number


def process_id(number: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def refuse(field: str) -> None:
    raise ParameterError(field, "must be positive")


class UnsendableError(Exception):
    """Can be pickled, but not unpickled."""

    def __init__(self, part: str, whole: str) -> None:
        super().__init__(f"{part} of {whole}")


class UnreadableItem:
    """Pickles as `int("three")`, which cannot be made."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return int, ("three",)


def fail_unsendably(number: int) -> None:
    raise UnsendableError(str(number), "ten")


def unsendable_value(number: int) -> object:
    return threading.Lock()


def library_threads(number: int) -> tuple[int, str | None]:
    """Number of threads that OpenCV uses, and the setting of OpenMP."""
    import cv2

    return cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS")


def touch_slowly(path: str) -> int:
    """Create a file after a pause; the worker's process id."""
    time.sleep(0.1)
    Path(path).touch()
    return os.getpid()


def environment(name: str) -> str:
    return os.environ[name]
