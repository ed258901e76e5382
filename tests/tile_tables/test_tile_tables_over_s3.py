"""Tables and images in a real object store: heads alone are fetched, also over connections that break."""

# ruff: noqa: F401, F811 - fixtures are imported

import io

import numpy as np
import pytest
import tifffile

from asap_ingest.tile_tables.read_tables import read_tile_table
from asap_ingest.tile_tables.table_positions import Placement
from asap_ingest.tile_tables.table_records import TileTableError
from tests.s3 import CUT_DOWNLOAD, bucket, credentials, inside, line, store

pytestmark = pytest.mark.slow


def tiff(shape_yx):
    file = io.BytesIO()
    # noise: an object of zeros would be small where it is compressed on its way
    tifffile.imwrite(file, np.random.default_rng(0).integers(0, 256, shape_yx).astype(np.uint8))
    return file.getvalue()


@pytest.fixture
def table(store, bucket):
    """URI of a table of two images, one of them large."""
    store.put(f"{bucket}/roi/large.tif", tiff((1200, 1000)))
    store.put(f"{bucket}/roi/sub/b.tif", tiff((48, 64)))
    store.put(f"{bucket}/roi/t.csv", b"path,x,y\nlarge.tif,0,0\nsub/../sub/b.tif,0,0\n")
    return f"{bucket}/roi/t.csv"


def test_relative_paths_begin_at_the_table(table, bucket, inside):
    read = read_tile_table(table, z=1)
    assert [(tile.image_uri, tile.width, tile.height) for tile in read.tiles] == [
        (f"{bucket}/roi/large.tif", 1000, 1200),
        (f"{bucket}/roi/sub/b.tif", 64, 48),
    ]


def test_a_transfer_that_is_cut_off_is_made_again(table, line):
    line.faults = [None, CUT_DOWNLOAD, CUT_DOWNLOAD]
    assert [tile.width for tile in read_tile_table(table, z=1).tiles] == [1000, 64]
    assert line.faults == []


def test_an_image_that_is_not_there(table, store, bucket, inside):
    store.put(table, b"path,x,y\nlarge.tif,0,0\nabsent.tif,0,0\n")
    with pytest.raises(TileTableError, match=f"line 3: {bucket}/roi/absent.tif: no such file"):
        read_tile_table(table, z=1)


def test_a_pattern_over_folders(store, bucket, inside):
    for z in (1, 2):
        store.put(f"{bucket}/grid/z{z}/t_0_0.tif", tiff((48, 64)))
    read = read_tile_table(
        is_pattern=True,
        source=f"{bucket}/grid/z{{z}}/t_{{row}}_{{col}}.tif",
        placement=Placement(overlap_percent=0),
    )
    assert [(tile.image_uri, tile.z) for tile in read.tiles] == [
        (f"{bucket}/grid/z{z}/t_0_0.tif", z) for z in (1, 2)
    ]


def test_of_a_large_image_the_head_alone_is_fetched(table, line, monkeypatch):
    import fsspec

    fetched = []
    cache = fsspec.caching.caches["readahead"]
    fetch = cache._fetch

    def counting(self, start, stop):
        content = fetch(self, start, stop)
        fetched.append(len(content))
        return content

    monkeypatch.setattr(cache, "_fetch", counting)
    read_tile_table(table, z=1)
    assert 0 < sum(fetched) < 100_000
