"""SIGTERM and SIGINT, which end a program whatever the one that started it had set up for them."""

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
    """Inside, the handler hears both signals; afterwards all is as it was."""
    before = {number: signal.signal(number, handler) for number in END_SIGNALS}
    # the background jobs of a shell have SIGINT ignored; a program started with it blocked never hears it
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, earlier in before.items():
            signal.signal(number, earlier)


def exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Handler that leaves through the context managers, with the exit code shells know a signal by."""
    raise SystemExit(128 + number)
