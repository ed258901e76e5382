"""The simulated acquisition: files as the microscope writes them, tiles that fit where the stage says."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.execution.progress import Progress
from asap_ingest.simulation import acquisition, tissue
from asap_ingest.simulation.acquisition import Acquisition, find_section, simulate_section

REAL_METAFILE = Path(__file__).parents[2].parent / "shared" / "data" / "TEMCA_metafile.json"
SMALL = Acquisition(grid_shape=(2, 3), tile_shape_yx=(300, 400), overlap=0.25, jitter_px=9, seed=5)

CALIBRATION = {"y_nm_per_pix": float, "nm_per_pix": float, "angle": float, "x_nm_per_pix": float}
METADATA = {
    "roi_index": int,
    "roi_creation_time": str,
    "calibration": {"lowmag": CALIBRATION, "highmag": CALIBRATION},
    "specimen_id": str,
    "notes": str,
    "placement_id": str,
    "session_id": str,
    "camera_info": {
        "height": int,
        "width": int,
        "camera_model": str,
        "pixel_depth": int,
        "camera_id": str,
        "camera_bpp": int,
    },
    "roi_center": [int, int],
    "grid": str,
    "aperture_centroid": {"y": int, "x": int},
    "autofocus_value": float,
    "temca_id": str,
    "overlap": float,
}
TILE = {
    "img_path": str,
    "min": int,
    "max": int,
    "focus_score": float,
    "img_meta": {
        "angle": float,
        "pixel_size_y_move": float,
        "fps": str,
        "stage_pos": [int, int],
        "raster_index": int,
        "raster_pos": [int, int],
        "pixel_size_x_move": float,
        "pixel_size": float,
    },
    "astig_angle": float,
    "astig_score": float,
    "mean": int,
}


def structure(value):
    if isinstance(value, dict):
        return {key: structure(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [structure(inner) for inner in value]
    return type(value)


def load(metafile):
    metadata, data = json.loads(metafile.read_text())
    assert set(metadata) == {"metadata"}
    assert set(data) == {"data"}
    return metadata["metadata"], data["data"]


def place(tile):
    """The documented placement, in plain floating point: divide, turn, truncate."""
    meta = tile["img_meta"]
    x, y = meta["stage_pos"][0] / meta["pixel_size_x_move"], meta["stage_pos"][1] / meta["pixel_size_y_move"]
    angle = math.radians(meta["angle"])
    turned = (x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle))
    return math.trunc(turned[0]), math.trunc(turned[1])


def overlaps(metafile):
    """Pairs of float arrays: what each of two tiles shows of the part that both cover."""
    _, tiles = load(metafile)
    images = [tifffile.imread(metafile.parent / tile["img_path"]).astype(float) for tile in tiles]
    height, width = images[0].shape
    for (one, first), (other, second) in itertools.combinations(zip(tiles, images, strict=True), 2):
        dx, dy = np.subtract(place(other), place(one))
        if abs(dx) < width and abs(dy) < height:
            mine = first[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
            yours = second[max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)]
            yield mine, yours


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return simulate_section(tmp_path_factory.mktemp("small"), SMALL, section=3)


def test_metafile_has_the_structure_of_a_real_one(small):
    metadata, tiles = load(small)
    assert structure(metadata) == METADATA
    assert [structure(tile) for tile in tiles] == [TILE] * 6


def test_structure_kept_here_is_that_of_the_real_metafile():
    if not REAL_METAFILE.exists():
        pytest.skip("the real metafile lies outside the repository and is not here")
    metadata, tiles = load(REAL_METAFILE)
    assert structure(metadata) == METADATA
    assert all(structure(tile) == TILE for tile in tiles)


def test_metafile_describes_the_tiles(small):
    metadata, tiles = load(small)
    assert metadata["camera_info"]["pixel_depth"] == 2
    assert metadata["camera_info"]["camera_bpp"] == 12
    for tile in tiles:
        image = tifffile.imread(small.parent / tile["img_path"])
        assert (tile["min"], tile["max"]) == (image.min(), image.max())
        assert tile["mean"] == round(image.mean())
        column, row = tile["img_meta"]["raster_pos"]
        assert re.fullmatch(rf"\d{{17}}_simulated_0003_01_000003_0_{column}_{row}\.tif", tile["img_path"])
    assert small.name == "_metadata_20260105110000_simulated_0003_01_000003_0.json"
    assert [tile["img_meta"]["raster_pos"] for tile in tiles] == [
        [0, 0],
        [1, 0],
        [2, 0],
        [0, 1],
        [1, 1],
        [2, 1],
    ]
    assert {path.name for path in small.parent.iterdir()} == {
        small.name,
        *(tile["img_path"] for tile in tiles),
    }


def test_tiles_are_plain_little_endian_tiffs_of_12_bit_samples(small):
    for path in small.parent.glob("*.tif"):
        with tifffile.TiffFile(path) as tiff:
            assert len(tiff.pages) == 1
            assert tiff.byteorder == "<"
            assert tiff.pages[0].compression == 1
            image = tiff.asarray()
        assert image.shape == (300, 400)
        assert image.dtype == np.uint16
        assert not (image % 16).any()
        assert 25000 < image.mean() < 45000
        assert len(np.unique(image)) > 1000


def test_8_bit_is_the_high_byte_of_16_bit(small, tmp_path):
    metafile = simulate_section(tmp_path, dataclasses.replace(SMALL, bits=8), section=3)
    metadata, tiles = load(metafile)
    assert metadata["camera_info"]["pixel_depth"] == 1
    assert metadata["camera_info"]["camera_bpp"] == 8
    image = tifffile.imread(tmp_path / tiles[4]["img_path"])
    assert image.dtype == np.uint8
    assert np.array_equal(image, tifffile.imread(small.parent / tiles[4]["img_path"]) >> 8)


def test_same_seed_same_bytes_whatever_the_threads(small, tmp_path, monkeypatch):
    monkeypatch.setattr(acquisition, "usable_cores", lambda: 1)
    simulate_section(tmp_path, SMALL, section=3)
    assert contents(tmp_path) == contents(small.parent)


@pytest.mark.parametrize(("change", "section"), [({"seed": 6}, 3), ({}, 4)])
def test_another_seed_or_section_is_another_picture(small, tmp_path, change, section):
    metafile = simulate_section(tmp_path, dataclasses.replace(SMALL, **change), section=section)
    image = tifffile.imread(tmp_path / load(metafile)[1][0]["img_path"])
    assert not np.array_equal(image, tifffile.imread(small.parent / load(small)[1][0]["img_path"]))


def test_neighbouring_sections_resemble_each_other():
    one, two, other = (
        tissue.draw_section((800, 800), seed, depth).ravel()
        for seed, depth in ((1, 0), (1, tissue.SECTION_DEPTH), (2, 0))
    )
    assert np.corrcoef(one, two)[0, 1] > 0.2
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_far_sections_hold_as_many_cells_as_the_first():
    first, far = (tissue.draw_section((800, 800), 1, section * tissue.SECTION_DEPTH) for section in (0, 5000))
    assert np.mean(far < 110) > 0.5 * np.mean(first < 110)


def test_overlaps_show_the_same_tissue_where_the_stage_says(small):
    pairs = list(overlaps(small))
    assert len(pairs) >= 11
    for mine, yours in pairs:
        assert np.corrcoef(mine.ravel(), yours.ravel())[0, 1] > 0.9
        assert abs(mine.mean() - yours.mean()) < 150


@pytest.mark.parametrize("pixel_size_nm", [2.0, 3.5, 3.95, 4.0])
def test_without_camera_noise_overlaps_are_identical(tmp_path, monkeypatch, pixel_size_nm):
    monkeypatch.setattr(acquisition, "_SHOT_NOISE", 0)
    metafile = simulate_section(tmp_path, dataclasses.replace(SMALL, pixel_size_nm=pixel_size_nm))
    assert all(np.array_equal(mine, yours) for mine, yours in overlaps(metafile))


def test_tiles_jitter_but_always_touch(tmp_path):
    _, tiles = load(simulate_section(tmp_path, dataclasses.replace(SMALL, jitter_px=1000)))
    steps = np.diff([place(tile) for tile in tiles[:3]], axis=0)
    assert (steps[:, 0] != 300).any()
    assert (steps[:, 0] < 400).all()
    assert (steps[:, 0] > 200).all()


def test_stage_error_is_not_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(acquisition, "_SHOT_NOISE", 0)
    metafile = simulate_section(tmp_path, dataclasses.replace(SMALL, stage_error_px=12))
    assert not any(np.array_equal(mine, yours) for mine, yours in overlaps(metafile))


@pytest.mark.parametrize("shape", [(48, 64), (5, 7), (1, 1)])
def test_tiny_tiles(tmp_path, shape):
    metafile = simulate_section(tmp_path, Acquisition(grid_shape=(2, 2), tile_shape_yx=shape))
    metadata, tiles = load(metafile)
    assert (metadata["camera_info"]["height"], metadata["camera_info"]["width"]) == shape
    assert {tifffile.imread(tmp_path / tile["img_path"]).shape for tile in tiles} == {shape}


def test_a_section_that_was_simulated_before_is_found(tmp_path):
    assert find_section(tmp_path, SMALL) is None
    metafile = simulate_section(tmp_path, SMALL)
    assert find_section(tmp_path, SMALL) == metafile


@pytest.mark.parametrize(
    "change",
    [{"grid_shape": (3, 2)}, {"tile_shape_yx": (300, 401)}, {"seed": 6}, {"overlap": 0.3}, {"bits": 8}],
    ids=str,
)
def test_another_acquisition_is_not_taken_for_it(tmp_path, change):
    simulate_section(tmp_path, SMALL)
    assert find_section(tmp_path, dataclasses.replace(SMALL, **change)) is None


@pytest.mark.parametrize("damage", ["no tile", "a cut tile", "a cut metafile", "another file"])
def test_a_damaged_section_is_not_taken(tmp_path, damage):
    metafile = simulate_section(tmp_path, SMALL)
    tile = sorted(tmp_path.glob("*.tif"))[3]
    if damage == "no tile":
        tile.unlink()
    elif damage == "a cut tile":
        tile.write_bytes(tile.read_bytes()[:-300])
    else:
        metafile.write_bytes(metafile.read_bytes()[:999] if damage == "a cut metafile" else b"[3]")
    assert find_section(tmp_path, SMALL) is None


def test_progress_counts_to_the_end(tmp_path):
    stream = io.StringIO()
    with Progress("part", stream, interval_s=0) as progress:
        simulate_section(tmp_path, SMALL, progress=progress)
    lines = [json.loads(line)["progress"] for line in stream.getvalue().splitlines()]
    assert len(lines) > 6
    assert lines[-1]["parts"] == lines[-1]["of"] == lines[0]["of"]


def test_bands_leave_no_seam(monkeypatch):
    whole = tissue.draw_section((700, 300), 3)
    monkeypatch.setattr(tissue, "_BAND_ROWS", 64)
    assert np.array_equal(tissue.draw_section((700, 300), 3), whole)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("grid_shape", (0, 4)),
        ("grid_shape", (4, 4000)),
        ("tile_shape_yx", (64, 0)),
        ("tile_shape_yx", (64,)),
        ("bits", 12),
        ("overlap", 1.0),
        ("overlap", -0.1),
        ("jitter_px", -1),
        ("stage_error_px", -1),
        ("pixel_size_nm", 0.5),
        ("pixel_size_nm", float("nan")),
        ("seed", -1),
    ],
)
def test_bad_parameters_are_named(field, value):
    with pytest.raises(ParameterError) as caught:
        Acquisition(**{field: value})
    assert caught.value.field == field


def test_negative_section_writes_nothing(tmp_path):
    with pytest.raises(ParameterError, match="section: is -1"):
        simulate_section(tmp_path / "new", SMALL, section=-1)
    assert not (tmp_path / "new").exists()


def test_no_metafile_without_all_tiles(tmp_path, monkeypatch):
    written = []

    def fill_up(uri, content):
        written.append(uri)
        if len(written) > 2:
            raise StorageError(uri, "No space left on device")
        Path(uri).write_bytes(content)

    monkeypatch.setattr(acquisition.storage, "write_bytes", fill_up)
    with pytest.raises(StorageError, match="No space left"):
        simulate_section(tmp_path, SMALL)
    assert not list(tmp_path.glob("_metadata_*"))
