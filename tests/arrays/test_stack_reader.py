"""A stack of a real service from Python: its pixels are those that the service draws."""

import pickle

import numpy as np
import pytest
import requests

import asap_ingest
from asap_ingest import steps
from asap_ingest.errors import NoSectionsError, ParameterError, StackNotFoundError
from asap_ingest.render.stack import RenderConnection, Stack
from tests.test_export_to_precomputed import TILE_HEIGHT, TILE_WIDTH, fill

CORNER = (-150, -20)


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


@pytest.fixture
def opened(stack, tmp_path, service_url):
    """(reader, sections as drawn) of a stack whose tiles lie on both sides of 0."""
    sections = fill(stack, tmp_path / "images", [1, 2, 4], CORNER)
    return asap_ingest.open_stack(service_url, path_of(stack)), sections


def path_of(stack):
    connection = stack.connection
    return f"{connection.owner}/{connection.project}/{stack.name}"


def drawn_by_service(stack, z, left, top, width, height, form="raw", scale=1.0):
    url = f"{stack.url}/z/{z}/box/{left},{top},{width},{height},{scale}/{form}-image"
    content = requests.get(url, timeout=30).content
    shape = int(height * scale), int(width * scale)
    if form == "raw16":
        return np.frombuffer(content, ">u2").reshape(shape)
    return np.frombuffer(content, np.uint8).reshape(*shape, 4)[..., 1]


def test_pixels_are_what_the_service_draws(opened, stack):
    reader, sections = opened
    assert reader.z_values == [1.0, 2.0, 4.0]
    found = reader[2, -25:50, -160:13]
    assert found.dtype == np.uint8
    assert found.shape == (75, 173)
    assert np.array_equal(found, drawn_by_service(stack, 2, -160, -25, 173, 75))
    # half open, in world coordinates: the pixel at x -150 is the first of the tiles
    assert np.array_equal(found[5:, 10:], sections[2][:70, :163])
    assert not found[:5].any()
    assert not found[:, :10].any()


def test_pixels_of_16_bits(stack, tmp_path, service_url):
    fill(stack, tmp_path / "images", [1], CORNER, dtype=np.uint16)
    reader = asap_ingest.open_stack(service_url, path_of(stack), dtype="uint16")
    found = reader[1, -20:60, -150:100]
    assert found.dtype == np.uint16
    assert np.array_equal(found, drawn_by_service(stack, 1, -150, -20, 250, 80, "raw16"))
    assert found.max() > 255


def test_open_ends_take_the_bounds_and_slices_of_z_have_planes_for_gaps(opened):
    reader, sections = opened
    left, top = CORNER
    bounds = reader.bounds
    assert (bounds["minX"], bounds["minY"]) == CORNER
    whole = reader[1]
    assert np.array_equal(whole, sections[1][: whole.shape[0], : whole.shape[1]])
    planes = reader[2:5, top : top + 30, left : left + 40]
    assert planes.shape == (3, 30, 40)
    assert np.array_equal(planes[[0, 2]], [sections[2][:30, :40], sections[4][:30, :40]])
    assert not planes[1].any()
    assert reader[1, 3:3, 0:5].shape == (0, 5)
    assert reader[1, 0, -5:5].shape == (10,)


def test_boxes_that_take_several_requests(opened, monkeypatch):
    reader, _ = opened
    whole = reader[1, -30:90, -155:120]
    monkeypatch.setattr("asap_ingest.arrays.stack_reader._BOX_SIDE", 64)
    assert np.array_equal(reader[1, -30:90, -155:120], whole)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ((1, slice(5, 2)), "ends before it starts"),
        ((1, slice(0, 4, 2)), "no step"),
        ((1, 0.5), "not a whole number"),
        ((1, 0, 0, 0), "4 axes"),
        ((1, "a"), "not a whole number"),
    ],
)
def test_indices_that_are_refused(opened, index, words):
    with pytest.raises(ParameterError, match=words):
        opened[0][index]


@pytest.mark.parametrize("z", [3, 7.5, None])
def test_a_section_that_is_not_there(opened, z):
    with pytest.raises(NoSectionsError, match="it has z 1, 2, 4"):
        opened[0][z, 0:5, 0:5]


def test_a_section_between_whole_z(stack, tmp_path, service_url):
    sections = fill(stack, tmp_path / "images", [1.5])
    reader = asap_ingest.open_stack(service_url, path_of(stack))
    assert np.array_equal(reader[1.5, 0:40, 0:50], sections[1.5][:40, :50])
    assert reader.to_dask().compute().shape[0] == 1


def test_tiles_as_records_and_as_a_frame(opened):
    reader, _ = opened
    records = reader.tiles(2, as_frame=False)
    assert [tile["tileId"] for tile in records] == ["z2_0", "z2_1"]
    assert records[1] | {"imageUrl": ""} == records[1] | {
        "imageUrl": "",
        "z": 2.0,
        "minX": CORNER[0] + TILE_WIDTH,
        "width": TILE_WIDTH,
        "height": TILE_HEIGHT,
        "maxIntensity": 255.0,
        "levels": 1,
    }
    pandas = pytest.importorskip("pandas")
    frame = reader.tiles(2)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records")[0]["imageUrl"] == records[0]["imageUrl"]
    with pytest.raises(NoSectionsError):
        reader.tiles(3)


def test_without_pandas_and_dask(opened, monkeypatch):
    monkeypatch.setattr("asap_ingest.arrays.stack_reader.find_spec", lambda name: None)
    monkeypatch.setattr("asap_ingest.arrays.dask_arrays.find_spec", lambda name: None)
    reader, _ = opened
    assert isinstance(reader.tiles(1), list)
    with pytest.raises(ParameterError, match="pip install pandas"):
        reader.tiles(1, as_frame=True)
    with pytest.raises(ParameterError, match=r"pip install 'asap_ingest\[dask\]'"):
        reader.to_dask()


def test_a_dask_array_draws_when_it_is_computed(opened, stack, monkeypatch):
    reader, _ = opened
    monkeypatch.setattr("asap_ingest.arrays.stack_reader._BOX_SIDE", 64)
    whole = reader.to_dask()
    bounds = reader.bounds
    height, width = (int(bounds[f"max{axis}"]) - int(bounds[f"min{axis}"]) for axis in "YX")
    assert whole.shape == (3, height, width)
    assert whole.chunks[2][0] == 64
    assert np.array_equal(whole[2, 10:70, 100:170].compute(), reader[4, -10:50, -50:20])
    rows = whole[2, 70:10:-3, ::50]
    assert np.array_equal(rows.compute(), reader[4][70:10:-3, ::50])
    half = reader.to_dask(0.5)
    assert half.shape == (3, -(-height // 2), -(-width // 2))
    expected = drawn_by_service(stack, 1, *CORNER, half.shape[2] * 2, half.shape[1] * 2, scale=0.5)
    assert np.array_equal(half[0].compute(), expected)
    for scale in (0.3, 2, 0, -0.5, float("nan"), float("inf")):
        with pytest.raises(ParameterError, match="scale"):
            reader.to_dask(scale)


def test_readers_can_be_sent_to_workers(opened):
    reader, _ = opened
    copy = pickle.loads(pickle.dumps(reader))
    assert np.array_equal(copy[1, 0:9, 0:9], reader[1, 0:9, 0:9])


def test_addresses(stack, tmp_path, service_url):
    fill(stack, tmp_path / "images", [1])
    bare = service_url.removeprefix("http://")
    for url in (
        bare,
        f"{service_url}/",
        f"{service_url}/render-ws/v1",
        f"{service_url}/render-ws/view/x.html",
    ):
        assert asap_ingest.open_stack(url, path_of(stack)).z_values == [1.0]
    with pytest.raises(StackNotFoundError, match="it has raw"):
        asap_ingest.open_stack(service_url, f"{path_of(stack)}er")
    for path in ("raw", "a/b/c/d", "a//c"):
        with pytest.raises(ParameterError, match="owner/project/stack"):
            asap_ingest.open_stack(service_url, path)
    for dtype in ("float32", "int", "byte8", None):
        with pytest.raises(ParameterError, match="uint8, uint16"):
            asap_ingest.open_stack(service_url, path_of(stack), dtype=dtype)


def test_an_exported_volume_has_the_pixels_of_the_stack_at_the_same_index(opened, render, tmp_path):
    reader, _ = opened
    dest = str(tmp_path / "volume")
    output = steps.export_to_precomputed(
        render=render,
        input_stack="raw",
        dest=dest,
        format="zarr",
        chunk_size=[32, 32, 2],
        levels=2,
        voxel_size=[4, 4, 40],
        pool_size=1,
    )
    assert output["report"]["failures"] == []
    volume = asap_ingest.open_volume(dest)
    for index in ((2, slice(-20, 50), slice(-150, 13)), (slice(1, 5), slice(0, 7), slice(-3, 3))):
        assert np.array_equal(volume[index], reader[index])
