"""Checks of tiles' files, not repeated while their folders stay as they are.

A picture is refused where a file of its tiles is missing, also one of a level that it does not need. Some
hundred tiles have thousands of files in a handful of folders: asking the folders whether they changed takes a
tenth of the time. Two changes are noticed only when a file is read: it was truncated in place, which does not
change its folder, or removed in a file system whose folders have no times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path

from asap_ingest.render_ws.drawing.layers import JsonObject, LayerTile
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, one_line

#: Device, inode, and times of the last changes of folders: the second of them cannot be set.
_States = tuple[tuple[int, int, int, int], ...]

#: A folder may change again without another time: file systems count in steps of up to two seconds.
_SETTLED_NANOSECONDS = 2_500_000_000


def check_files(
    tiles: Iterable[LayerTile],
    look: Callable[[str], bool],
    leave_out: Callable[[LayerTile, IllegalArgumentError], None] | None = None,
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
    look, states_of = cache(look), cache(_states_of)  # tiles share masks and folders
    for tile in tiles:
        # before the files: what changes meanwhile is checked again
        states = None if tile.folders is None else states_of(tile.folders)
        if states is not None and states is tile.checked:
            continue
        try:
            stay = [look(url) for url in tile.urls]
        except IllegalArgumentError as error:
            if leave_out is None:
                raise
            leave_out(tile, error)
            stay = [False]
        tile.checked = states if all(stay) else None


def _states_of(folders: tuple[str, ...]) -> _States | None:
    """States of folders, the same object while they are equal: thousands of tiles are compared by it.

    None where a folder may still change without another time.
    """
    try:
        facts = [Path(folder).stat() for folder in folders]
    except OSError:
        return None
    latest = max((max(fact.st_mtime_ns, fact.st_ctime_ns) for fact in facts), default=0)
    if time.time_ns() - latest < _SETTLED_NANOSECONDS:
        return None
    return _interned(tuple((fact.st_dev, fact.st_ino, fact.st_mtime_ns, fact.st_ctime_ns) for fact in facts))


@lru_cache(maxsize=1024)
def _interned(states: _States) -> _States:
    return states


class MissingTiles:
    """Collects the tiles that are left out of a picture while it is drawn, and the reasons."""

    def __init__(self, parameters: RenderParameters) -> None:
        self.reasons: dict[LayerTile, str] = {}
        self._parameters = parameters

    def leave_out(self, tile: LayerTile, error: IllegalArgumentError) -> None:
        """Add a tile; the first reason counts."""
        self.reasons.setdefault(tile, one_line(error))

    def described(self) -> Iterator[JsonObject]:
        """Id, reason and box of each: its stored bounds in pixels of the picture, beyond which it may reach.

        The box is left, top, right, bottom.
        """
        x, y, scale = self._parameters.x, self._parameters.y, self._parameters.scale
        for tile, reason in self.reasons.items():
            sides = zip(tile.bounds, (x, y, x, y), strict=True)
            box = [_whole((side - start) * scale) for side, start in sides]
            yield {"tileId": tile.tile_id, "reason": reason, "box": box}


def _whole(value: float) -> int:
    return round(value) if math.isfinite(value) else 0
