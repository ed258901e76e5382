"""A simulated acquisition: the metafile and tiles that the microscope would have written for one section."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.execution.progress import Progress
from asap_ingest.images import formats
from asap_ingest.simulation.simulated_metafile import (
    region_name,
    section_metadata,
    stage_nm,
    start_of,
    tile_record,
)

_LONGEST_SIDE = 100_000  # pixels of a section
_GAIN, _SHOT_NOISE = 16, 1.9  # 12-bit steps per grey value; noise in steps per root of a step


@dataclass(frozen=True)
class Acquisition:
    """Parameters of a simulated acquisition.

    Attributes
    ----------
    grid_shape : tiles of the section, (rows, columns)
    tile_shape_yx : pixels of a tile, (height, width)
    bits : 16 writes the 12-bit samples of the camera times 16, as uint16; 8 writes their high byte, as uint8
    overlap : part of a tile's side that its neighbour shows too, 0 up to but not including 1
    jitter_px : largest distance of tiles from the regular grid, in each axis; stage positions include it.
        At most a quarter of the overlap is used, so that neighbours always touch
    stage_error_px : largest difference, in each axis, between stage position and imaged place
    pixel_size_nm : nanometres per pixel; at least 2, because stage positions are whole nanometres
    seed : the tissue; the same seed gives the same bytes

    Raises
    ------
    ParameterError
        Names the attribute that cannot be used.
    """

    grid_shape: tuple[int, int] = (4, 4)
    tile_shape_yx: tuple[int, int] = (3840, 3840)
    bits: int = 16
    overlap: float = 0.07
    jitter_px: int = 30
    stage_error_px: int = 0
    pixel_size_nm: float = 3.5
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("grid_shape", "tile_shape_yx"):
            if len(getattr(self, field)) != 2 or min(getattr(self, field)) < 1:
                raise ParameterError(field, f"is {getattr(self, field)}, needs two numbers of at least 1")
        if self.bits not in (8, 16):
            raise ParameterError("bits", f"is {self.bits}, must be 8 or 16")
        if not 0 <= self.overlap < 1:
            raise ParameterError("overlap", f"is {self.overlap}, must be at least 0 and less than 1")
        for field in ("jitter_px", "stage_error_px", "seed"):
            if getattr(self, field) < 0:
                raise ParameterError(field, f"is {getattr(self, field)}, must not be negative")
        if not self.pixel_size_nm >= 2:
            raise ParameterError("pixel_size_nm", f"is {self.pixel_size_nm}, must be at least 2")
        if max(self.section_shape_yx) > _LONGEST_SIDE:
            problem = f"makes a section of {self.section_shape_yx} pixels, at most {_LONGEST_SIDE} a side"
            raise ParameterError("grid_shape", problem)

    @property
    def step_yx(self) -> tuple[int, int]:
        """Pixels from a tile to the next one of the regular grid."""
        height, width = (max(1, round(side * (1 - self.overlap))) for side in self.tile_shape_yx)
        return height, width

    @property
    def largest_jitter_yx(self) -> tuple[int, int]:
        """`jitter_px`, or less where the overlap is small."""
        sides = zip(self.tile_shape_yx, self.step_yx, strict=True)
        height, width = (min(self.jitter_px, (side - step) // 4) for side, step in sides)
        return height, width

    @property
    def section_shape_yx(self) -> tuple[int, int]:
        """Size of the picture that the tiles are cut from; the same for every section of an acquisition."""
        height, width = (
            (count - 1) * step + side + 2 * (jitter + self.stage_error_px)
            for count, step, side, jitter in zip(
                self.grid_shape, self.step_yx, self.tile_shape_yx, self.largest_jitter_yx, strict=True
            )
        )
        return height, width


@dataclass(frozen=True)
class Exposure:
    """One tile to take: the stage reports `stage_nm` and is at `taken_xy`, in pixels of the section."""

    index: int
    image_name: str
    raster_pos: tuple[int, int]
    stage_nm: list[int]
    taken_xy: tuple[int, int]
    fps: str


def simulate_section(
    directory: Path,
    acquisition: Acquisition | None = None,
    section: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write the tiles of one section and then its metafile.

    Overlaps of neighbouring tiles show the same tissue, apart from the camera's noise. A stage position
    divided by the pixel size, turned by 180 degrees and truncated, gives a tile's place in whole pixels.

    Parameters
    ----------
    directory : made if it is missing; files of the same names are replaced
    acquisition : by default 4 x 4 tiles of 3840 x 3840 pixels, 16 bit
    section : number of the section, from 0; neighbouring sections show the same cells, a little moved
    progress : counts parts of the drawing, then tiles

    Returns
    -------
    Path
        The metafile. It is written last: where it lies, its tiles are complete.

    Raises
    ------
    ParameterError, StorageError
    """
    acquisition = acquisition or Acquisition()
    if section < 0:
        raise ParameterError("section", f"is {section}, must not be negative")
    # compiled code, which takes a while to load
    from asap_ingest.simulation.tissue import SECTION_DEPTH, draw_section, drawing_parts

    storage.ensure_writable_folder(str(directory))
    exposures = _plan(acquisition, section)
    shape_yx = acquisition.section_shape_yx
    advance = (lambda parts: None) if progress is None else progress.advance
    if progress is not None:
        progress.expect(drawing_parts(shape_yx) + len(exposures))
    picture = draw_section(shape_yx, acquisition.seed, section * SECTION_DEPTH, advance)

    def take(exposure: Exposure) -> dict[str, Any]:
        tile = _photograph(picture, exposure, acquisition, section)
        storage.write_bytes(str(Path(directory) / exposure.image_name), formats.encode(tile, "tif"))
        return tile_record(tile, exposure, acquisition, section)

    # a tile needs about 200 MB while it is made: more threads would cost more memory than they save time
    with ThreadPoolExecutor(min(4, usable_cores())) as pool:
        records = []
        for record in pool.map(take, exposures):
            records.append(record)
            advance(1)
    metafile = _metafile(directory, acquisition, section)
    content = json.dumps([{"metadata": section_metadata(acquisition, section)}, {"data": records}], indent=4)
    storage.write_bytes(str(metafile), content.encode())
    return metafile


def find_section(directory: Path, acquisition: Acquisition, section: int = 0) -> Path | None:
    """The metafile of a section if `simulate_section` wrote it into this folder before, else None.

    Metadata and stage positions must be those of the acquisition, and all images must have their full size.
    """
    metafile = _metafile(directory, acquisition, section)
    try:
        described, listed = json.loads(metafile.read_bytes())
        records = {record["img_path"]: record["img_meta"]["stage_pos"] for record in listed["data"]}
        smallest = min((metafile.with_name(name).stat().st_size for name in records), default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    planned = {exposure.image_name: exposure.stage_nm for exposure in _plan(acquisition, section)}
    height, width = acquisition.tile_shape_yx
    is_complete = smallest >= height * width * acquisition.bits // 8
    is_same = described == {"metadata": section_metadata(acquisition, section)} and records == planned
    return metafile if is_complete and is_same else None


def _metafile(directory: Path, acquisition: Acquisition, section: int) -> Path:
    created = f"{start_of(section):%Y%m%d%H%M%S}"
    return Path(directory) / f"_metadata_{created}_{region_name(section)}.json"


def _plan(acquisition: Acquisition, section: int) -> list[Exposure]:
    """The tiles to take, row by row: where and when."""
    rng = np.random.default_rng([acquisition.seed, 20, section])
    error = acquisition.stage_error_px
    time = start_of(section)
    exposures: list[Exposure] = []
    for row, column in np.ndindex(*acquisition.grid_shape):
        recorded, taken = [], []
        for axis, number in ((1, column), (0, row)):
            jitter = acquisition.largest_jitter_yx[axis]
            place = number * acquisition.step_yx[axis] + jitter + error
            recorded.append(place + int(rng.integers(-jitter, jitter + 1)))
            taken.append(recorded[-1] + int(rng.integers(-error, error + 1)))
        seconds = float(rng.uniform(0.344, 0.42))
        time += timedelta(milliseconds=round(1000 * seconds))
        fps = f"{1 / seconds:.2f}" if exposures else "0.00"
        stamp = f"{time:%Y%m%d%H%M%S}{time.microsecond // 1000:03d}"
        name = f"{stamp}_{region_name(section)}_{column}_{row}.tif"
        position_nm = stage_nm((recorded[0], recorded[1]), acquisition.pixel_size_nm)
        taken_xy = taken[0], taken[1]
        exposures.append(Exposure(len(exposures), name, (column, row), position_nm, taken_xy, fps))
    return exposures


def _photograph(
    picture: NDArray[np.uint8], exposure: Exposure, acquisition: Acquisition, section: int
) -> NDArray[Any]:
    """Cut a tile and add the camera's shot noise; shape (height, width)."""
    left, top = exposure.taken_xy
    height, width = acquisition.tile_shape_yx
    grey = picture[top : top + height, left : left + width]
    rng = np.random.default_rng([acquisition.seed, 21, section, exposure.index])
    samples = rng.standard_normal(grey.shape, dtype=np.float32)
    steps = np.arange(256, dtype=np.float32) * np.float32(_GAIN)
    samples *= (np.float32(_SHOT_NOISE) * np.sqrt(steps))[grey]
    samples += steps[grey]
    np.clip(np.rint(samples, out=samples), 0, 4095, out=samples)
    twelve_bit = samples.astype(np.uint16)
    return twelve_bit * np.uint16(16) if acquisition.bits == 16 else (twelve_bit >> 4).astype(np.uint8)
