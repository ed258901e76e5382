"""Checks that the files of tiles exist, repeated only when their folders have changed.

A picture is refused if any file of its tiles is missing, even one of a level that it does not need. Some
hundred tiles have thousands of files in a handful of folders, so reading the times of the folders takes a
tenth of the time. Two changes are noticed only when the file is read: truncation in place, which does not
change the folder, and removal in a file system whose folders have no times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from asap_ingest.render_ws.drawing.layers import JsonObject, LayerTile
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, one_line

#: Device, inode, mtime and ctime of each of some folders; programs can set the mtime, not the ctime.
_States = tuple[tuple[int, int, int, int], ...]

#: A folder that changed less than this ago may change again without a new time: some file systems round times
#: to two seconds.
_SETTLED_NANOSECONDS = 2_500_000_000


def check_files(
    tiles: Iterable[LayerTile],
    check: Callable[[str], bool],
    leave_out: Callable[[LayerTile, IllegalArgumentError], None] | None = None,
) -> None:
    """Check the files of tiles in order, unless their folders are unchanged since all files were there.

    Parameters
    ----------
    check : callable
        Takes a URL; raises IllegalArgumentError if its file is missing, and returns False if the file could
        go without a change of its folder.
    leave_out : callable, optional
        Called with each tile that lacks a file, and the error; without it the first error is raised.
    """
    check, states_of = cache(check), cache(_states_of)  # tiles share masks and folders
    for tile in tiles:
        # read before the files are checked, so that a change meanwhile is noticed next time
        states = None if tile.folders is None else states_of(tile.folders)
        if states is not None and states == tile.checked:
            continue
        tile.checked = None
        try:
            in_folders = [check(url) for url in tile.urls]
        except IllegalArgumentError as error:
            if leave_out is None:
                raise
            leave_out(tile, error)
        else:
            tile.checked = states if all(in_folders) else None


def _states_of(folders: tuple[str, ...]) -> _States | None:
    """States of folders; None where one is missing, or may change again and keep its times."""
    try:
        stats = [Path(folder).stat() for folder in folders]
    except OSError:
        return None
    latest = max((max(stat.st_mtime_ns, stat.st_ctime_ns) for stat in stats), default=0)
    if time.time_ns() - latest < _SETTLED_NANOSECONDS:
        return None
    return tuple((stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for stat in stats)


class MissingTiles:
    """The tiles that are left out of a picture while it is drawn, and the reasons."""

    def __init__(self, parameters: RenderParameters) -> None:
        self.reasons: dict[LayerTile, str] = {}
        self._parameters = parameters

    def leave_out(self, tile: LayerTile, error: IllegalArgumentError) -> None:
        """Add a tile; the first reason counts."""
        self.reasons.setdefault(tile, one_line(error))

    def described(self) -> Iterator[JsonObject]:
        """`tileId`, `reason` and `box` of each.

        The box is left, top, right, bottom of the stored bounds in pixels of the picture; it may reach beyond
        the picture.
        """
        x, y, scale = self._parameters.x, self._parameters.y, self._parameters.scale
        for tile, reason in self.reasons.items():
            sides = zip(tile.bounds, (x, y, x, y), strict=True)
            box = [_whole((side - start) * scale) for side, start in sides]
            yield {"tileId": tile.tile_id, "reason": reason, "box": box}


def _whole(value: float) -> int:
    return round(value) if math.isfinite(value) else 0
