"""How far a run is: a bar on a terminal, else a line of JSON on standard error now and then.

Everything is written by the calls that report progress. There is no thread, because worker processes
are started meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, TextIO

#: Rates are means over this long: what was skipped an hour ago says nothing about the time left.
RATE_SECONDS = 30.0
_SAMPLE_SECONDS = 1.0
_DEFAULT_COLUMNS = 100
_BAR = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"


@dataclass(frozen=True)
class Standing:
    """Where a run stands.

    Attributes
    ----------
    per_s : units (tiles) a second over the last `RATE_SECONDS`
    mb_per_s : the same for 10**6 bytes
    eta_s : seconds left at that rate; None where nothing was done yet
    """

    done: int = 0
    total: int = 0
    bytes: int = 0
    failures: int = 0
    per_s: float = 0.0
    mb_per_s: float = 0.0

    @property
    def of(self) -> int:
        return max(self.done, self.total)

    @property
    def eta_s(self) -> float | None:
        return (self.of - self.done) / self.per_s if self.per_s else None


class _View(Protocol):
    """What shows a standing; `now` are seconds of the run's clock."""

    def show(self, standing: Standing, now: float) -> None: ...

    def close(self) -> None: ...


class Progress:
    """Counts what is done and shows it.

    On a terminal: a tqdm bar. Else: one JSON line at most every `interval_s` seconds, from the call of
    `advance` that finds the time to have come; a run that is shorter prints nothing.

    Parameters
    ----------
    unit : what is counted, in the singular
    stream : standard error if left out
    interval_s : seconds between JSON lines
    clock : gives seconds
    """

    def __init__(
        self,
        unit: str = "tile",
        stream: TextIO | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._rates = _Rates(clock())
        self._standing = Standing()
        shown_on = sys.stderr if stream is None else stream
        self._view: _View | None = (
            _Bar(unit, shown_on) if shown_on.isatty() else _Lines(unit, shown_on, interval_s, clock())
        )

    def expect(self, count: int) -> None:
        """So many more became known."""
        self._standing = replace(self._standing, total=self._standing.total + count)

    def advance(self, tiles: int = 1, bytes_: int = 0, failures: int = 0) -> None:
        """So many more are done, failed ones included; `bytes_` were read and written for them."""
        now, before = self._clock(), self._standing
        done, size = before.done + tiles, before.bytes + bytes_
        per_s, bytes_per_s = self._rates.at(now, done, size)
        self._standing = Standing(
            done, before.total, size, before.failures + failures, per_s, bytes_per_s / 1e6
        )
        self._show(lambda view: view.show(self._standing, now))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show(lambda view: view.close())

    def _show(self, act: Callable[[_View], None]) -> None:
        """Whoever stops reading (a closed terminal, `| head`) does not stop the work."""
        if self._view is None:
            return
        try:
            act(self._view)
        except OSError:
            self._view = None


class _Rates:
    """Counts a second between now and the latest moment that is `RATE_SECONDS` or more ago."""

    def __init__(self, start: float) -> None:
        self._samples = deque([(start, 0, 0)])

    def at(self, now: float, done: int, size: int) -> tuple[float, float]:
        samples = self._samples
        while len(samples) > 1 and samples[1][0] <= now - RATE_SECONDS:
            samples.popleft()
        since, done_then, size_then = samples[0]
        if now >= samples[-1][0] + _SAMPLE_SECONDS:
            samples.append((now, done, size))
        # the first calls may come before the clock has moved
        seconds = max(now - since, 1e-3)
        return (done - done_then) / seconds, (size - size_then) / seconds


class _Lines:
    """JSON lines for whoever reads a log."""

    def __init__(self, unit: str, stream: TextIO, interval_s: float, now: float) -> None:
        self._unit, self._stream, self._interval_s = unit, stream, interval_s
        self._due = now + interval_s

    def show(self, standing: Standing, now: float) -> None:
        if now < self._due:
            return
        self._due = now + self._interval_s
        eta_s = standing.eta_s
        fields = {
            f"{self._unit}s": standing.done,
            "of": standing.of,
            f"{self._unit}s_per_s": round(standing.per_s, 2),
            "mb_per_s": round(standing.mb_per_s, 1),
            "eta_s": None if eta_s is None else round(eta_s),
            "failures": standing.failures,
        }
        # in one write: other processes write to the same stream
        self._stream.write(json.dumps({"progress": fields}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The last line stands; how the run ended is in its report."""


class _Bar:
    """A tqdm bar; the rates are ours, so that they are the same as in the lines."""

    def __init__(self, unit: str, stream: TextIO) -> None:
        from tqdm import tqdm

        class Bar(tqdm):
            monitor_interval = 0  # no thread
            _lock = RLock()  # tqdm's own lock is a semaphore between processes

        self._unit = unit
        self._format_interval: Callable[[float], str] = tqdm.format_interval
        self._bar: Any = Bar(
            total=0,
            file=stream,
            # a terminal that does not know its width says 0, and tqdm would show nothing
            dynamic_ncols=_columns(stream) > 0,
            ncols=_columns(stream) or _DEFAULT_COLUMNS,
            miniters=0,  # tqdm's guess of it would need its thread to be put right
            bar_format=f"{_BAR} {unit}s{{postfix}} [{{elapsed}}]",
        )

    def show(self, standing: Standing, now: float) -> None:
        self._bar.total = standing.of
        self._bar.set_postfix_str(self._text(standing), refresh=False)
        self._bar.update(standing.done - self._bar.n)

    def close(self) -> None:
        self._bar.refresh()
        self._bar.close()

    def _text(self, standing: Standing) -> str:
        unit, eta_s = self._unit, standing.eta_s
        left = "?" if eta_s is None else self._format_interval(eta_s)
        failures = f"{standing.failures} failure{'' if standing.failures == 1 else 's'}"
        return f"{standing.per_s:.1f} {unit}s/s, {standing.mb_per_s:.0f} MB/s, ETA {left}, {failures}"


def _columns(stream: TextIO) -> int:
    return os.get_terminal_size(stream.fileno()).columns
