"""Checks of tiles' files, not repeated while their folders stay as they are.

A picture is refused where a file of its tiles is missing, also one of a level that it does not need. Some
hundred tiles have thousands of files in a handful of folders: asking the folders whether they changed takes a
tenth of the time. Two changes are noticed only when a file is read: it was truncated in place, which does not
change its folder, or removed in a file system whose folders have no times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from asap_ingest.render_ws.drawing.image_urls import local_file_or_none
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Urls = tuple[str, ...]
Folders = tuple[str, ...]
#: Device, inode, and times of the last changes of folders: the second of them cannot be set.
_States = tuple[tuple[int, int, int, int], ...]

#: A folder may change again without another time: file systems count in steps of up to two seconds.
_SETTLED_NANOSECONDS = 2_500_000_000


class LayerFiles:
    """Remembers the state of their folders when all files of a tile were there; for many threads."""

    def __init__(self, count: int) -> None:
        #: None where not known yet, or where a URL is malformed.
        self._folders: list[Folders | None] = [None] * count
        self._checked: list[_States | None] = [None] * count
        self._states: dict[Folders, _States | None] = {}

    def check(
        self,
        which: Iterable[int],
        urls_of: Callable[[int], Urls],
        look: Callable[[str], bool],
        leave_out: Callable[[int, IllegalArgumentError], None] | None = None,
    ) -> None:
        """Look for the files of some tiles, in order, unless their folders are as they were.

        Parameters
        ----------
        look : callable
            Raises IllegalArgumentError for a missing file; returns whether removing the file would change its
            folder.
        leave_out : callable, optional
            Gets each tile with a missing file, and the error; without it the first error is raised.
        """
        look, states_of = cache(look), cache(self._states_of)  # tiles share masks and folders
        for index in which:
            folders = self._folders[index]
            if folders is None:
                folders = self._folders[index] = _folders(urls_of(index))
            # before the files: what changes meanwhile is checked again
            states = None if folders is None else states_of(folders)
            if states is not None and states is self._checked[index]:
                continue
            try:
                stay = [look(url) for url in urls_of(index)]
            except IllegalArgumentError as error:
                if leave_out is None:
                    raise
                leave_out(index, error)
                stay = [False]
            self._checked[index] = states if all(stay) else None

    def _states_of(self, folders: Folders) -> _States | None:
        """States of folders, the same object while they are equal."""
        now = _current_states(folders)
        if now != self._states.get(folders):
            self._states[folders] = now
            return now
        return self._states.get(folders)


def _current_states(folders: Folders) -> _States | None:
    """States of folders; None where one of them may still change without another time."""
    try:
        facts = [Path(folder).stat() for folder in folders]
    except OSError:
        return None
    latest = max((max(fact.st_mtime_ns, fact.st_ctime_ns) for fact in facts), default=0)
    if time.time_ns() - latest < _SETTLED_NANOSECONDS:
        return None
    return tuple((fact.st_dev, fact.st_ino, fact.st_mtime_ns, fact.st_ctime_ns) for fact in facts)


def _folders(urls: Urls) -> Folders | None:
    """The folders of files; None where a URL is malformed, which `look` reports."""
    try:
        paths = [local_file_or_none(url) for url in urls]
    except IllegalArgumentError:
        return None
    return tuple(dict.fromkeys(str(Path(path).parent) for path in paths if path is not None))
