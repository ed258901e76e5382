"""Tilespecs of one section into a stack, in batches that workers send."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asap_ingest.execution import Executor
from asap_ingest.render.stack import Stack
from asap_ingest.sections.occupied_z import Occupancy

_TILES_PER_REQUEST = 1000


@dataclass(frozen=True)
class UploadReport:
    """Tiles that one upload added, replaced and removed."""

    tiles: int
    added: int
    replaced: int
    removed: int
    seconds: float


def upload_section(
    stack: Stack, z: float, tilespecs: Sequence[Any], occupancy: Occupancy, executor: Executor
) -> UploadReport:
    """Put tilespecs into a stack that is LOADING, and remove those that `occupancy` names.

    Raises
    ------
    ServiceError, ServiceUnreachableError
        Batches that are stored stay: an upload can be repeated.
    """
    start = time.perf_counter()
    before, after = occupancy.before, {tilespec.tileId for tilespec in tilespecs}
    keeps_others = occupancy.keeps_others(after)
    if occupancy.removed and not keeps_others:
        stack.delete_section(z)
    batches = [
        (stack, tuple(tilespecs[first : first + _TILES_PER_REQUEST]))
        for first in range(0, len(tilespecs), _TILES_PER_REQUEST)
    ]
    for outcome in executor.run(_put_batch, batches):
        outcome.result()
    if keeps_others:
        stack.delete_tiles(occupancy.removed)
    return UploadReport(
        tiles=len(tilespecs),
        added=len(after - before),
        replaced=len(after & before),
        removed=len(occupancy.removed),
        seconds=time.perf_counter() - start,
    )


def _put_batch(batch: tuple[Stack, tuple[Any, ...]]) -> None:
    stack, tilespecs = batch
    stack.put_tilespecs(list(tilespecs))
