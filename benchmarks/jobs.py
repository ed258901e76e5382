"""Jobs that the benchmarks hand to worker processes, beside the package's own."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PilImage
from skimage.measure import block_reduce

from asap_ingest import storage
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidResult, build_pyramid


@dataclass(frozen=True)
class PlainCopy:
    """A file to read, and (path, bytes) of files to write: the least that any program must do."""

    source: str
    outputs: tuple[tuple[str, int], ...]


def read_and_write(job: PlainCopy) -> int:
    """The floor: the same bytes read and written by plain Python."""
    content = Path(job.source).read_bytes()
    for path, size in job.outputs:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content[:size])
    return len(content)


@dataclass(frozen=True)
class PlanesAndChunks:
    """The same for volumes: planes to read, and (name, bytes) of chunks to write below a folder."""

    planes: tuple[str, ...]
    folder: str
    chunks: tuple[tuple[str, int], ...]


def read_planes_write_chunks(job: PlanesAndChunks) -> int:
    """The floor of a volume: bytes of the planes, cut into chunks in any order."""
    content = b"".join(Path(plane).read_bytes() for plane in job.planes)
    start = 0
    for name, size in job.chunks:
        path = Path(job.folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[start : start + size])
        start = (start + size) % max(1, len(content) - size)
    return len(content)


def path_of(uri: str) -> Path:
    """The local file that a URI names."""
    path = storage.local_path(uri)
    assert path is not None
    return path


def predecessor_pyramid(job: PyramidJob) -> int:
    """The reference, as the predecessor's worker does it: Pillow reads and writes, scikit-image reduces."""
    with PilImage.open(path_of(job.image.source.uri)) as picture:
        image = np.asarray(picture)
    if image.dtype != np.uint8:
        image = (image / 256).astype(np.uint8)
    for level in range(1, job.settings.levels.count + 1):
        image = block_reduce(image, (2, 2), np.mean).astype(np.uint8)
        path = path_of(job.uri_of(level))
        path.parent.mkdir(parents=True, exist_ok=True)
        PilImage.fromarray(image).save(path)
    return image.size


@dataclass(frozen=True)
class Measured:
    """A result, and the peak memory of its worker in MB."""

    result: PyramidResult
    peak_mb: float


def measured_build(job: PyramidJob) -> Measured:
    result = build_pyramid(job)
    return Measured(result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
