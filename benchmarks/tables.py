"""Medians, the memory of a process, and Markdown tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike


def median_seconds(work: Callable[[], object], runs: int) -> float:
    """Median of `runs` runs after one that does not count."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def copy_seconds(side: int, dtype: DTypeLike = np.uint8, runs: int = 30) -> float:
    """Median time to copy an image of `side` x `side` over another one: the limit set by memory."""
    image, copy = np.ones((side, side), dtype), np.ones((side, side), dtype)
    return median_seconds(partial(np.copyto, copy, image), runs)


def memory_bytes(process_id: int, name: str) -> int:
    """Memory of a process: `VmRSS` is what it has now, `VmHWM` the most that it had."""
    fields = Path(f"/proc/{process_id}/status").read_text()
    return int(fields.partition(f"{name}:")[2].split()[0]) * 1024


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
