"""SIGTERM and SIGINT: they end a program even if its parent process had them ignored or blocked."""

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
    """Handle both signals with `handler` inside the block."""
    # a shell starts its background jobs with SIGINT ignored
    before = {number: signal.signal(number, handler) for number in END_SIGNALS}
    # no handler is called for a signal that is blocked
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, earlier in before.items():
            signal.signal(number, earlier)


def exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Handle a signal: leave all context managers, and end with the exit code that shells use for it."""
    raise SystemExit(128 + number)
