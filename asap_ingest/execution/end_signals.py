"""SIGTERM and SIGINT, which end a program even where its parent process ignored or blocked them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

END_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def end_signals(handler: Handler) -> Iterator[None]:
    """Install a handler of both signals inside the block."""
    before = {number: signal.signal(number, handler) for number in END_SIGNALS}
    # SIGINT is ignored in the background jobs of a shell; where it is blocked no handler is called
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, earlier in before.items():
            signal.signal(number, earlier)


def exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Handler that exits through the context managers, with the exit code that shells use for a signal."""
    raise SystemExit(128 + number)
