"""How far a run is: a bar on a terminal, else a line of JSON on standard error now and then.

tqdm counts, and decides when something is shown; everything is written by the calls that report progress.
There is no thread, because worker processes are started meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from threading import RLock
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

_DEFAULT_COLUMNS = 100
_BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"


class Progress:
    """Counts what is done and shows it.

    On a terminal: a tqdm bar. Else: one JSON line at most every `interval_s` seconds, from the call of
    `advance` that finds the time to have come; a run that is shorter prints nothing.

    Rates and the time left are means since the first unit was done: workers take time to start, and what was
    there already says nothing of the rest.

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
        shown_on = sys.stderr if stream is None else stream
        self._bar: tqdm[Any] = _Bar(shown_on, unit) if shown_on.isatty() else _Lines(shown_on, unit)
        self._bar.begin(clock, 0.1 if shown_on.isatty() else interval_s)

    def expect(self, count: int) -> None:
        """This number more became known."""
        self._bar.total += count

    def skip(self, count: int) -> None:
        """This number needs no work, and says nothing of how fast the work is."""
        self._bar.n += count
        self._bar.initial += count
        self._bar.last_print_n += count

    def at(self, section: int, of: int, stack: str, z: float) -> None:
        """The section that is worked on, counted from 1."""
        self._bar.place = {"section": section, "sections": of, "stack": stack, "z": z}

    def advance(self, tiles: int = 1, bytes_: int = 0, failures: int = 0) -> None:
        """This number more is done, failed ones included; `bytes_` were read and written for them."""
        self._bar.failures += failures
        self._bar.count(tiles, bytes_)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


class _Counted(tqdm):
    """What bar and lines have in common; whoever stops reading (a closed terminal) does not stop the work."""

    monitor_interval = 0  # no thread
    _lock = RLock()  # tqdm's own lock is a semaphore between processes

    def begin(self, clock: Callable[[], float], interval_s: float) -> None:
        self._time, self.mininterval = clock, interval_s
        self.total: float = 0
        self.start_t = self.last_print_t = clock()
        self.delay = 0.0
        self.first_t: float | None = None
        self.bytes = self.failures = 0
        self.place: dict[str, Any] = {}

    def count(self, units: int, size: int) -> None:
        now = self._time()
        if self.first_t is None and units:
            self.first_t = now
            self.initial += units
        else:
            self.bytes += size
        # tqdm looks at its own clock, and shows
        self.update(units)

    @property
    def rates(self) -> tuple[float, float]:
        """Units and MB a second."""
        seconds = 0.0 if self.first_t is None else self._time() - self.first_t
        return ((self.n - self.initial) / seconds, self.bytes / 1e6 / seconds) if seconds > 0 else (0.0, 0.0)

    @property
    def eta_s(self) -> float | None:
        """Seconds left; None as long as nothing tells."""
        left = max(0, self.total - self.n)
        per_s, _ = self.rates
        return left / per_s if per_s else None if left else 0.0

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.total = max(self.total, self.n)
            super().refresh(*args, **kwargs)
        except OSError:
            self.disable = True


class _Lines(_Counted):
    """JSON lines for whoever reads a log."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        self._stream = stream
        super().__init__(total=0, file=stream, unit=unit, miniters=0, delay=1e-9, smoothing=0)

    def display(self, *args: Any, **kwargs: Any) -> None:
        eta_s, (per_s, mb_per_s) = self.eta_s, self.rates
        fields = {
            "time": datetime.now().astimezone().isoformat(timespec="seconds"),
            f"{self.unit}s": self.n,
            "of": self.total,
            f"{self.unit}s_per_s": round(per_s, 2),
            "mb_per_s": round(mb_per_s, 1),
            "eta_s": None if eta_s is None else round(eta_s),
            "failures": self.failures,
            **self.place,
        }
        # in one write: other processes write to the same stream
        self._stream.write(json.dumps({"progress": fields}) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The last line stands; how the run ended is in its report."""
        self.disable = True


class _Bar(_Counted):
    """A tqdm bar."""

    def __init__(self, stream: TextIO, unit: str) -> None:
        columns = os.get_terminal_size(stream.fileno()).columns
        super().__init__(
            total=0,
            file=stream,
            unit=unit,
            # a terminal that does not know its width says 0, and tqdm would show nothing
            dynamic_ncols=columns > 0,
            ncols=columns or _DEFAULT_COLUMNS,
            miniters=0,  # tqdm's guess of it would need its thread to be put right
            delay=1e-9,  # nothing before the first unit
            smoothing=0,
            bar_format=f"{_BAR} {unit}s{{postfix}} [{{elapsed}}]",
        )

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        eta_s, (per_s, mb_per_s) = self.eta_s, self.rates
        left = "?" if eta_s is None else self.format_interval(eta_s)
        failures = f"{self.failures} failure{'' if self.failures == 1 else 's'}"
        self.set_postfix_str(
            f"{per_s:.1f} {self.unit}s/s, {mb_per_s:.0f} MB/s, ETA {left}, {failures}", refresh=False
        )
        if self.place:
            self.desc = "section {section} of {sections}, ".format(**self.place)
        super().refresh(*args, **kwargs)

    def close(self) -> None:
        self.refresh()
        try:
            super().close()
        except OSError:
            self.disable = True
