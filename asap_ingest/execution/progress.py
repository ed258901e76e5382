"""Progress of a run: a bar on a terminal, else a line of JSON on standard error every few seconds.

Everything is written by the calls that report progress. There is no thread, so that none runs while worker
processes are started.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, TextIO

from tqdm import tqdm

#: Width of the bar on terminals of unknown width, which report 0.
_DEFAULT_COLUMNS = 100
_BAR_SECONDS = 0.1
_BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"


class Progress:
    """Counts what is done and shows it.

    On a terminal: a bar. Else: one JSON line at most every `interval_s` seconds, written by the next call of
    `advance`; a run that is shorter prints nothing.

    Rates are means since the first item was done, because workers take time to start; items that needed no
    work are not counted. The time left follows from them. A closed terminal or pipe does not stop the work.

    Parameters
    ----------
    noun : what is counted, in the singular: tile, section, chunk
    stream : standard error if left out
    interval_s : seconds between JSON lines
    clock : gives seconds
    """

    def __init__(
        self,
        noun: str = "tile",
        stream: TextIO | None = None,
        interval_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._noun, self._clock = noun, clock
        self._stream = sys.stderr if stream is None else stream
        self._is_bar = self._stream.isatty()
        self._interval_s = _BAR_SECONDS if self._is_bar else interval_s
        self._start = self._shown_at = clock()
        self._first_at: float | None = None
        self._expected = self._done = self._bytes = self._failures = 0
        self._timed = 0  # items that count in the rate: those after the first that needed work
        self._section: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar, or the last line, as it is: how the run ended is in its report."""
        if self._is_bar:
            self._show(end="\n")

    def expect(self, count: int) -> None:
        """Add to the total."""
        self._expected += count

    def skip(self, count: int) -> None:
        """Add items that needed no work: they do not count in the rate."""
        self._done += count

    def at(self, section: int, of: int, stack: str, z: float) -> None:
        """Set the section that is worked on: number `section` of `of`, counted from 1."""
        self._section = {"section": section, "sections": of, "stack": stack, "z": z}

    def advance(self, count: int = 1, bytes_: int = 0, failures: int = 0) -> None:
        """Add items that are done, failed ones included; `bytes_` were read and written for them."""
        now = self._clock()
        self._failures += failures
        self._done += count
        if self._first_at is None and count:
            self._first_at = now
        else:
            self._timed += count
            self._bytes += bytes_
        if now - self._shown_at >= self._interval_s:
            self._shown_at = now
            self._show()

    def _show(self, end: str = "") -> None:
        now = self._clock()
        seconds = 0.0 if self._first_at is None else now - self._first_at
        per_s = self._timed / seconds if seconds > 0 else 0.0
        mb_per_s = self._bytes / 1e6 / seconds if seconds > 0 else 0.0
        total = max(self._expected, self._done)
        eta_s = (total - self._done) / per_s if per_s else None
        if total == self._done:
            eta_s = 0.0
        with suppress(OSError):
            if self._is_bar:
                eta = "?" if eta_s is None else tqdm.format_interval(eta_s)
                failures = f"{self._failures} failure{'' if self._failures == 1 else 's'}"
                where = "section {section} of {sections}, ".format(**self._section) if self._section else ""
                line = tqdm.format_meter(
                    *(self._done, total, now - self._start),
                    ncols=os.get_terminal_size(self._stream.fileno()).columns or _DEFAULT_COLUMNS,
                    prefix=where,
                    bar_format=f"{_BAR} {self._noun}s{{postfix}} [{{elapsed}}]",
                    postfix=f"{per_s:.1f} {self._noun}s/s, {mb_per_s:.0f} MB/s, ETA {eta}, {failures}",
                )
                self._stream.write(f"\r{line}{end}")
            else:
                fields = {
                    "time": datetime.now().astimezone().isoformat(timespec="seconds"),
                    f"{self._noun}s": self._done,
                    "of": total,
                    f"{self._noun}s_per_s": round(per_s, 2),
                    "mb_per_s": round(mb_per_s, 1),
                    "eta_s": None if eta_s is None else round(eta_s),
                    "failures": self._failures,
                    **self._section,
                }
                # in one write: other processes write to the same stream
                self._stream.write(json.dumps({"progress": fields}) + "\n")
            self._stream.flush()
