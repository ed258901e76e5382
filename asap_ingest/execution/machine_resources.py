"""Cores and memory that this process may use: in containers and cluster jobs less than the machine has."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

#: The cgroups of this process, one a line: number, controllers (empty in version 2) and path.
_PROC = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores(memberships: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Cores that the process may run on, or its cgroup's quota in cores, rounded up; at least 1."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        cores = os.cpu_count() or 1
    quotas = [_quota(folder) for folder in _folders(memberships, cgroups, "cpu")]
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas if quota is not None)]))


def usable_memory(memberships: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Bytes of memory: the machine's, or the lowest limit of the process's cgroups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _folders(memberships, cgroups, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits += [int(text) for text in _words(folder / name)[:1] if text.isdigit()]
    return min(limits)


def _folders(memberships: Path, cgroups: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's cgroup and of its parents: limits of all of them apply (versions 2 and 1)."""
    for line in _text(memberships).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        # a container may see its own group as the root, and a path that does not exist there
        root = cgroups / controllers if controllers else cgroups
        inside = root / path.lstrip("/")
        yield from dict.fromkeys(
            [inside, *(each for each in inside.parents if each.is_relative_to(root)), root]
        )


def _quota(folder: Path) -> float | None:
    """A group's quota in cores; None without one."""
    words = _words(folder / "cpu.max") or [
        *_words(folder / "cpu.cfs_quota_us")[:1],
        *_words(folder / "cpu.cfs_period_us")[:1],
    ]
    if len(words) != 2 or not all(word.isdigit() and int(word) > 0 for word in words):
        return None  # max, or -1
    return int(words[0]) / int(words[1])


def _words(file: Path) -> list[str]:
    return _text(file).split()


def _text(file: Path) -> str:
    """The content of a file; empty if it cannot be read, which then sets no limit."""
    try:
        return file.read_text()
    except OSError:
        return ""
