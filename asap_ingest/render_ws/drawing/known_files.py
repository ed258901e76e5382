"""Files that were found and need not be looked for again while their folders stay as they are.

Every picture promises that all files of its tiles are there, also of levels that it does not need. A picture
of some hundred tiles looks for thousands of files in a handful of folders: asking the folders whether they
changed takes a tenth of the time. A file that is emptied where it lies changes no folder, and is noticed when
it is read; so is one that goes away in a file system whose folders keep no times.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from asap_ingest.render_ws.drawing.image_urls import looked_for
from asap_ingest.render_ws.problems import IllegalArgumentError

Urls = tuple[str, ...]
#: Device, inode, and times of the last changes of a folder: the second of them can be set by no one.
_State = tuple[int, int, int, int]

_MOST_KEPT = 2**15
#: A folder may change again without another time: file systems count in steps of up to two seconds.
_SETTLED_NANOSECONDS = 2_500_000_000


class KnownFiles:
    """Remembers groups of files that were there, with the state of their folders; for many threads."""

    def __init__(self) -> None:
        self._found: dict[Urls, tuple[_State, ...]] = {}

    def check(self, groups: Iterable[Urls], look: Callable[[str], bool]) -> None:
        """Look for the files of each group, in their order, unless nothing happened since they were found.

        Parameters
        ----------
        look : callable
            Raises for a file that is not there; tells whether its folder changes when it goes away.
        """
        states: dict[str, _State | None] = {}
        looked: dict[str, bool] = {}  # tiles share masks
        for urls in groups:
            # the folders' states first: what changes meanwhile is then looked for again
            now = _states(urls, states)
            if now is not None and self._found.get(urls) == now:
                continue
            for url in urls:
                if url not in looked:
                    looked[url] = look(url)
            if now is not None and all(looked[url] for url in urls):
                if len(self._found) >= _MOST_KEPT:
                    self._found.clear()
                self._found[urls] = now


def _states(urls: Urls, known: dict[str, _State | None]) -> tuple[_State, ...] | None:
    """States of the folders of some files; None where one of them tells nothing."""
    folders = _folders(urls)
    if folders is None:
        return None
    found = []
    for folder in folders:
        if folder not in known:
            known[folder] = _state(folder)
        state = known[folder]
        if state is None:
            return None
        found.append(state)
    return tuple(found)


@lru_cache(maxsize=_MOST_KEPT)
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
