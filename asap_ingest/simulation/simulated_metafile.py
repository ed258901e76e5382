"""The metafile of a simulated section, as pyTEMCA writes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from asap_ingest.simulation.acquisition import Acquisition, Exposure

_FIRST_EXPOSURE = datetime(2026, 1, 5, 8, 0, 0)  # fixed: a second run writes the same names
_STAGE_ORIGIN_PX = (180_000, 240_000)  # further out than a section is long: no coordinate changes its sign


def stage_nm(place_xy: tuple[int, int], pixel_size_nm: float) -> list[int]:
    """The stage position of a pixel of the section, both axes reversed, in whole nanometres.

    Three tenths of a pixel are added away from zero, so that neither the rounding to nanometres nor that
    of the division back can carry a truncated place to the pixel before.
    """
    x, y = place_xy
    away_x, away_y = _STAGE_ORIGIN_PX[0] + x, _STAGE_ORIGIN_PX[1] - y
    return [-round((away_x + 0.3) * pixel_size_nm), round((away_y + 0.3) * pixel_size_nm)]


def tile_record(
    tile: NDArray[Any], exposure: Exposure, acquisition: Acquisition, section: int
) -> dict[str, Any]:
    rng = np.random.default_rng([acquisition.seed, 22, section, exposure.index])
    pixel_size = float(acquisition.pixel_size_nm)
    return {
        "img_path": exposure.image_name,
        "min": int(tile.min()),
        "max": int(tile.max()),
        "focus_score": float(rng.normal(22.2, 0.4)),
        "img_meta": {
            "angle": 180.0,
            "pixel_size_y_move": pixel_size,
            "fps": exposure.fps,
            "stage_pos": exposure.stage_nm,
            "raster_index": exposure.index,
            "raster_pos": list(exposure.raster_pos),
            "pixel_size_x_move": pixel_size,
            "pixel_size": pixel_size,
        },
        "astig_angle": float(rng.uniform(-np.pi / 2, np.pi / 2)),
        "astig_score": float(rng.normal(0, 0.03)),
        "mean": round(float(tile.mean())),
    }


def section_metadata(acquisition: Acquisition, section: int) -> dict[str, Any]:
    height, width = acquisition.tile_shape_yx
    pixel_size = float(acquisition.pixel_size_nm)
    middle = acquisition.section_shape_yx[1] // 2, acquisition.section_shape_yx[0] // 2
    return {
        "roi_index": 0,
        "roi_creation_time": f"{start_of(section):%Y%m%d%H%M%S}",
        "calibration": {
            name: {"y_nm_per_pix": size, "nm_per_pix": size, "angle": angle, "x_nm_per_pix": size}
            for name, size, angle in (("lowmag", 213.0, 102.0), ("highmag", pixel_size, 180.0))
        },
        "specimen_id": "simulated",
        "notes": "",
        "placement_id": "",
        "session_id": _session(section),
        "camera_info": {
            "height": height,
            "width": width,
            "camera_model": "simulated",
            "pixel_depth": acquisition.bits // 8,
            "camera_id": "00000000",
            "camera_bpp": 12 if acquisition.bits == 16 else 8,
        },
        "roi_center": stage_nm(middle, pixel_size),
        "grid": f"{section:06d}",
        "aperture_centroid": dict(zip("xy", stage_nm((0, 0), pixel_size), strict=True)),
        "autofocus_value": 22.5,
        "temca_id": "simulated",
        "overlap": float(acquisition.overlap),
    }


def start_of(section: int) -> datetime:
    return _FIRST_EXPOSURE + timedelta(hours=section)


def _session(section: int) -> str:
    return f"simulated_{section:04d}_01"


def region_name(section: int) -> str:
    """The common part of the names of a section's files: session, grid and region."""
    return f"{_session(section)}_{section:06d}_0"
