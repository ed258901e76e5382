"""Files of tiles that were found, and need not be looked for again while their folders stay as they are.

Every picture promises that all files of its tiles are there, also of levels that it does not need. A picture
of some hundred tiles looks for thousands of files in a handful of folders: asking the folders whether they
changed takes a tenth of the time. A file that is emptied where it lies changes no folder, and is noticed when
it is read; so is one that goes away in a file system whose folders keep no times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.image_urls import looked_for
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Urls = tuple[str, ...]
#: Device, inode, and times of the last changes of a folder: the second of them can be set by no one.
_State = tuple[int, int, int, int]

#: A folder may change again without another time: file systems count in steps of up to two seconds.
_SETTLED_NANOSECONDS = 2_500_000_000


class LayerFiles:
    """Remembers of which of `count` tiles all files were there, and since when; for many threads."""

    def __init__(self, count: int) -> None:
        # tiles whose files lie in the same folders are of one group; each change of these counts its age up
        self._group = np.full(count, -1)
        self._found_at = np.full(count, -1)
        self._groups: dict[tuple[str, ...] | None, int] = {}
        self._states: list[tuple[_State, ...] | None] = []
        self._ages: list[int] = []

    def check(
        self,
        which: NDArray[np.int64],
        urls_of: Callable[[int], Urls],
        look: Callable[[str], bool],
        leave_out: Callable[[int, IllegalArgumentError], None] | None = None,
    ) -> None:
        """Look for the files of some tiles, in their order, unless nothing happened since they were found.

        Parameters
        ----------
        look : callable
            Raises IllegalArgumentError for a file that is not there; tells whether its folder changes when it
            goes away.
        leave_out : callable, optional
            Gets each tile with a file that is not there, and the error; without it the first error is raised.
        """
        for index in which[self._group[which] < 0].tolist():
            self._group[index] = self._group_of(_folders(urls_of(index)))
        # the folders' states first: what changes meanwhile is then looked for again
        self._notice_changes(set(self._group[which].tolist()))
        ages = np.array(self._ages)[self._group[which]]
        changed = self._found_at[which] != ages
        look = cache(look)  # tiles share masks
        for index, age in zip(which[changed].tolist(), ages[changed].tolist(), strict=True):
            try:
                stay = [look(url) for url in urls_of(index)]
            except IllegalArgumentError as error:
                if leave_out is None:
                    raise
                leave_out(index, error)
                stay = [False]
            self._found_at[index] = age if all(stay) else -1

    def _group_of(self, folders: tuple[str, ...] | None) -> int:
        if folders not in self._groups:
            self._states.append(None)
            self._ages.append(0)
            self._groups[folders] = len(self._ages) - 1
        return self._groups[folders]

    def _notice_changes(self, groups: set[int]) -> None:
        known: dict[str, _State | None] = {}
        for folders, group in self._groups.items():
            if group in groups:
                now = None if folders is None else _states(folders, known)
                if now is None or now != self._states[group]:
                    self._states[group] = now
                    self._ages[group] += 1


def _states(folders: tuple[str, ...], known: dict[str, _State | None]) -> tuple[_State, ...] | None:
    """States of some folders; None where one of them tells nothing."""
    found = []
    for folder in folders:
        if folder not in known:
            known[folder] = _state(folder)
        state = known[folder]
        if state is None:
            return None
        found.append(state)
    return tuple(found)


def _folders(urls: Urls) -> tuple[str, ...] | None:
    """The folders of some files; None where a URL is none: the look will say what is wrong."""
    try:
        paths = [looked_for(url) for url in urls]
    except IllegalArgumentError:
        return None
    return tuple(dict.fromkeys(str(Path(path).parent) for path in paths if path is not None))


def _state(folder: str) -> _State | None:
    try:
        facts = Path(folder).stat()
    except OSError:
        return None
    if time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) < _SETTLED_NANOSECONDS:
        return None
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns
