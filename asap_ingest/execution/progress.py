"""Progress of a run: a bar on a terminal, else a line of JSON on standard error every few seconds.

tqdm counts, and decides when something is shown; everything is written by the calls that report progress.
There is no thread, because worker processes are forked meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import RLock
from typing import Any, TextIO

from tqdm import tqdm

_DEFAULT_COLUMNS = 100
_BAR_SECONDS = 0.1
_BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"


class Progress(tqdm):
    """Counts what is done and shows it.

    On a terminal: a bar. Else: one JSON line at most every `interval_s` seconds, from the call of `advance`
    that finds the time to have come; a run that is shorter prints nothing.

    Rates and the time left are means since the first unit was done: workers take time to start, and units
    that needed no work are not counted. A closed terminal or pipe does not stop the work.

    Parameters
    ----------
    unit : what is counted, in the singular
    stream : standard error if left out
    interval_s : seconds between JSON lines
    clock : gives seconds
    """

    total: float
    disable: bool
    monitor_interval = 0  # no thread
    _lock = RLock()  # tqdm's own lock is a semaphore between processes

    def __init__(
        self,
        unit: str = "tile",
        stream: TextIO | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_bar = self._stream.isatty()
        # a terminal of unknown width reports 0, for which tqdm would show nothing
        columns = os.get_terminal_size(self._stream.fileno()).columns if self._is_bar else 0
        super().__init__(
            total=0,
            file=self._stream,
            unit=unit,
            mininterval=_BAR_SECONDS if self._is_bar else interval_s,
            miniters=0,  # tqdm's guess of it would need its thread to be put right
            smoothing=0,
            delay=1,  # nothing is shown while this object is made
            dynamic_ncols=columns > 0,
            ncols=columns or _DEFAULT_COLUMNS,
            bar_format=f"{_BAR} {unit}s{{postfix}} [{{elapsed}}]",
        )
        self.delay = 0
        self._time = clock
        self.start_t = self.last_print_t = clock()
        self._first_t: float | None = None
        self._bytes = self._failures = 0
        self._place: dict[str, Any] = {}

    def expect(self, count: int) -> None:
        """Add to the total."""
        self.total += count

    def skip(self, count: int) -> None:
        """Add units that needed no work: they do not count in the rate."""
        self.n += count
        self.initial += count
        self.last_print_n += count

    def at(self, section: int, of: int, stack: str, z: float) -> None:
        """The section that is worked on, counted from 1."""
        self._place = {"section": section, "sections": of, "stack": stack, "z": z}

    def advance(self, tiles: int = 1, bytes_: int = 0, failures: int = 0) -> None:
        """Add units that are done, failed ones included; `bytes_` were read and written for them."""
        self._failures += failures
        if self._first_t is None and tiles:
            self._first_t = self._time()
            self.initial += tiles
        else:
            self._bytes += bytes_
        self.update(tiles)

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        """Show the progress."""
        self.total = max(self.total, self.n)
        per_s, mb_per_s, eta_s = self._rates()
        with suppress(OSError):
            if self._is_bar:
                left = "?" if eta_s is None else self.format_interval(eta_s)
                failures = f"{self._failures} failure{'' if self._failures == 1 else 's'}"
                rates = f"{per_s:.1f} {self.unit}s/s, {mb_per_s:.0f} MB/s, ETA {left}, {failures}"
                self.set_postfix_str(rates, refresh=False)
                if self._place:
                    self.desc = "section {section} of {sections}, ".format(**self._place)
                super().refresh(*args, **kwargs)
                return
            fields = {
                "time": datetime.now().astimezone().isoformat(timespec="seconds"),
                f"{self.unit}s": self.n,
                "of": self.total,
                f"{self.unit}s_per_s": round(per_s, 2),
                "mb_per_s": round(mb_per_s, 1),
                "eta_s": None if eta_s is None else round(eta_s),
                "failures": self._failures,
                **self._place,
            }
            # in one write: other processes write to the same stream
            self._stream.write(json.dumps({"progress": fields}) + "\n")
            self._stream.flush()

    def _rates(self) -> tuple[float, float, float | None]:
        """Units and MB a second, and the seconds left; None as long as it is unknown."""
        seconds = 0.0 if self._first_t is None else self._time() - self._first_t
        left = max(0, self.total - self.n)
        per_s = (self.n - self.initial) / seconds if seconds > 0 else 0.0
        mb_per_s = self._bytes / 1e6 / seconds if seconds > 0 else 0.0
        return per_s, mb_per_s, left / per_s if per_s else None if left else 0.0

    def close(self) -> None:
        """Leave the bar, or the last line, as it is: how the run ended is in its report."""
        if self._is_bar and not self.disable:
            self.refresh()
            with suppress(OSError):
                super().close()
        self.disable = True
