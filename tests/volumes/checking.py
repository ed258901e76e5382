"""Volumes to be spoiled, and what the check finds in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asap_ingest.check_precomputed import check_precomputed
from tests.volumes.volumes import make_volume, random_array

FORMATS = ("raw", "tiff", "sharded", "zarr")
SHAPE_ZYX = (13, 21, 37)


def noise_volume(
    folder: Path,
    chunk_format: str = "raw",
    shape: tuple[int, int, int] = SHAPE_ZYX,
    dtype: str = "uint8",
    **settings: Any,
) -> Path:
    """Three scales of small chunks; the folder."""
    settings = {"chunk_size": (8, 8, 8), "levels": 3, **settings}
    make_volume(folder, random_array(shape, dtype), chunk_format, **settings)
    return folder


def faults_of(volume: object, depth: str = "voxels") -> list[str]:
    """Faults as the command prints them."""
    return [str(fault) for fault in check_precomputed(str(volume), depth).findings.faults]


def change_json(file: Path, change: Callable[[Any], object]) -> None:
    """Write a JSON file anew, changed."""
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))
