"""What a section's page is made from, and what was found in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ReportTile:
    """A tile as the run left it.

    Attributes
    ----------
    box : tuple of float
        minX, minY, maxX, maxY in the stage's pixels of level 0.
    thumbnail_uri : str or None
        The top level of its pyramid.
    scores : mapping of float
        The metafile's, `focus_score` and `astig_score`, where known.
    failure : str or None
        Why it has no, or not all, levels.
    """

    tile_id: str
    box: Box
    thumbnail_uri: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True)
class SectionSummary:
    """A section of a stack; later tiles are drawn over earlier ones.

    `throughput` is shown as it is, a label and its text a line (`throughput_texts` makes it).
    """

    stack: str
    z: float
    tiles: Sequence[ReportTile]
    throughput: Mapping[str, str] = field(default_factory=dict)

    @property
    def z_text(self) -> str:
        """`1` for 1.0, `1.5` for 1.5."""
        return str(int(self.z)) if self.z == int(self.z) else repr(float(self.z))


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
