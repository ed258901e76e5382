"""Small acquisitions for tests: a metafile and its images, from arrays."""

import json
from pathlib import Path

import numpy as np
import tifffile

PIXEL_NM = 3.5


def tile_entry(name, stage=(0, 0), raster=(0, 0), angle=180.0):
    """One object of a metafile's data list."""
    return {
        "img_path": name,
        "img_meta": {
            "angle": angle,
            "stage_pos": list(stage),
            "raster_pos": list(raster),
            "pixel_size_x_move": PIXEL_NM,
            "pixel_size_y_move": PIXEL_NM,
        },
    }


def metafile_document(entries, width=64, height=48):
    """A metafile with what the ingest reads."""
    return [
        {
            "metadata": {
                "camera_info": {"width": width, "height": height, "camera_id": "4450"},
                "temca_id": "temca2",
                "calibration": {"highmag": {"x_nm_per_pix": PIXEL_NM}},
            }
        },
        {"data": entries},
    ]


def write_acquisition(folder: Path, images: dict[str, np.ndarray], columns: int = 4) -> Path:
    """TIFFs in a grid without overlap, and their metafile; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = next(iter(images.values())).shape[:2]
    entries = []
    for index, (name, image) in enumerate(images.items()):
        row, column = divmod(index, columns)
        tifffile.imwrite(folder / name, image)
        stage = (round(-column * width * PIXEL_NM), round(-row * height * PIXEL_NM))
        entries.append(tile_entry(name, stage, (column, row)))
    metafile = folder / "_metadata_test.json"
    metafile.write_text(json.dumps(metafile_document(entries, width, height)))
    return metafile


def random_tiles(count, shape=(48, 64), dtype=np.uint8, seed=0):
    """Names and random images."""
    random = np.random.default_rng(seed)
    limit = np.iinfo(dtype).max + 1
    return {f"tile_{n:02}.tif": random.integers(0, limit, shape).astype(dtype) for n in range(count)}
