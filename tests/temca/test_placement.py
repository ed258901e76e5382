"""Stage positions become the pixels that the rule says, for the real metafile too."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from asap_ingest.temca.metafile import TileRecord, read_metafile
from asap_ingest.temca.metafile_tilespecs import tile_positions

REAL = Path(__file__).parents[3] / "shared" / "data" / "TEMCA_metafile.json"


def tile(stage, angle=180.0, move=(3.5, 3.5)):
    return TileRecord("a.tif", stage, (0, 0), angle, move)


def positions(*stages, **options):
    return tile_positions([tile(stage, **options) for stage in stages]).tolist()


def test_smallest_is_zero():
    assert positions((700, 7000)) == [[0, 0]]
    assert positions((0, 0), (-350, 0), (0, -700)) == [[0, 0], [100, 0], [0, 200]]


def test_each_coordinate_is_truncated_before_the_shift():
    # 1.9 px and -1.9 px are 1 and -1: two apart, not four
    assert positions((-6.65, 0), (6.65, 0)) == [[2, 0], [0, 0]]


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        (0, [[0, 0], [100, 200]]),
        (90, [[0, 100], [200, 0]]),
        (180, [[100, 200], [0, 0]]),
        (270, [[200, 0], [0, 100]]),
    ],
)
def test_quarter_turns(angle, expected):
    assert positions((0, 0), (350, 700), angle=angle) == expected


def test_turn_by_30_degrees():
    # 1000 px along x: x cos 30 = 866.03, -x sin 30 = -500
    assert positions((0, 0), (3500, 0), angle=30) == [[0, 500], [866, 0]]


def test_whole_pixels_do_not_lose_one_to_rounding_errors():
    # -825404 nm is exactly 235829 and 5/7 pixels, -807709 nm exactly 230774
    assert positions((0, 0), (-807709, 825404)) == [[0, 235829], [230774, 0]]


def test_axes_have_their_own_pixel_size():
    assert positions((0, 0), (-400, -400), move=(2.0, 4.0)) == [[0, 0], [200, 100]]


@pytest.mark.skipif(not REAL.exists(), reason="the real metafile is not beside this checkout")
def test_real_metafile_equals_the_rule_in_exact_arithmetic():
    tiles = read_metafile(str(REAL)).tiles
    assert len(tiles) == 200
    # turned by 180 degrees: both signs change; int() truncates a Fraction towards zero
    exact = np.array([[int(Fraction(-int(nm)) / Fraction("3.5")) for nm in tile.stage_nm] for tile in tiles])
    np.testing.assert_array_equal(tile_positions(tiles), exact - exact.min(axis=0))


@pytest.mark.skipif(not REAL.exists(), reason="the real metafile is not beside this checkout")
@pytest.mark.parametrize(
    ("index", "expected"),
    # by hand: (-x / 3.5, -y / 3.5) truncated, minus the region's smallest, (2216, -239410)
    [(0, (271413, 11)), (1, (274983, 0)), (2, (203561, 3590)), (199, (274982, 14290))],
)
def test_real_tiles_by_hand(index, expected):
    assert tuple(tile_positions(read_metafile(str(REAL)).tiles)[index]) == expected
