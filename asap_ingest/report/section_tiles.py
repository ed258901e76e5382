"""The input of a section's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]
Raster = tuple[int, int]


@dataclass(frozen=True)
class ReportTile:
    """A tile after the run.

    Attributes
    ----------
    box : tuple of float
        minX, minY, maxX, maxY in the stage's pixels of level 0.
    level_uris : sequence of str
        Levels 1, 2, ... of its first image; empty where it has none.
    shape_yx : tuple of int or None
        (height, width) of level 0, where the tilespec has it.
    raster : tuple of int or None
        (column, row).
    scores : mapping of float
        The metafile's, `focus_score` and `astig_score`, where known.
    failure : str or None
        Why it has not all of its levels.
    """

    tile_id: str
    box: Box
    level_uris: Sequence[str] = ()
    shape_yx: tuple[int, int] | None = None
    raster: Raster | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class SectionSummary:
    """A section of a stack.

    Attributes
    ----------
    throughput : mapping
        Label -> text of the lines about throughput (`throughput_texts` makes it).
    seconds : float or None
        Time of the workers for this section.
    view : str or None
        Address of the stack's page, to which `&z=`, `&x=`, `&y=` and `&zoom=` can be added.
    planned : frozenset of (column, row)
        Raster positions that the metafile has.
    """

    stack: str
    z: float
    tiles: Sequence[ReportTile]
    throughput: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    view: str | None = None
    planned: frozenset[Raster] = frozenset()

    @property
    def z_text(self) -> str:
        """`1` for 1.0, `1.5` for 1.5."""
        return str(int(self.z)) if self.z == int(self.z) else repr(float(self.z))

    @property
    def missing(self) -> list[Raster]:
        """Raster positions without a tile, by rows: planned ones, and those between tiles of a row or column.

        Positions beyond the last tile of their row and column do not count: regions have any shape.
        """
        taken = {tile.raster for tile in self.tiles if tile.raster is not None}
        gaps = set(self.planned)
        for axis in (0, 1):
            lines: dict[int, list[int]] = {}
            for raster in taken:
                lines.setdefault(raster[1 - axis], []).append(raster[axis])
            for line, places in lines.items():
                # a wrong position far out must not become a million gaps
                if max(places) - min(places) < 2 * len(taken):
                    between = range(min(places), max(places))
                    gaps |= {(at, line) if axis == 0 else (line, at) for at in between}
        return sorted(gaps - taken, key=lambda raster: (raster[1], raster[0]))


def throughput_texts(
    tiles: int, bytes_read: int, bytes_written: int, seconds: float, stage_seconds: Mapping[str, float]
) -> dict[str, str]:
    """A run's figures as lines for the page; `stage_seconds` are summed over workers."""
    texts = {
        "time": f"{seconds:.1f} s",
        "read": f"{bytes_read / 1e6:,.1f} MB",
        "written": f"{bytes_written / 1e6:,.1f} MB",
    }
    if seconds > 0:
        speed = (bytes_read + bytes_written) / 1e6 / seconds
        texts["speed"] = f"{tiles / seconds:,.1f} tiles/s, {speed:,.1f} MB/s"
    total = sum(stage_seconds.values())
    if total > 0:
        by_time = sorted(stage_seconds.items(), key=lambda stage: (-stage[1], stage[0]))
        slowest, longest = by_time[0]
        texts["slowest stage"] = f"{slowest}, {longest / total:.0%} of the workers' time"
        texts["stages"] = ", ".join(f"{name} {spent:.1f} s" for name, spent in by_time)
    return texts
