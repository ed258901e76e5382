"""Jobs that the executor tests run: top-level functions, as a worker process needs them."""

import os
import signal
import time
from pathlib import Path

from asap_ingest.errors import ParameterError


def double(number: int) -> int:
    return 2 * number


def fail_on_three(number: int) -> int:
    if number == 3:
        raise ValueError("three is not allowed")
    return number


def die_once(marker: str) -> str:
    """Killed the first time it is run for a marker file, done the second time."""
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


def process_id(number: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def refuse(field: str) -> None:
    raise ParameterError(field, "must be positive")
