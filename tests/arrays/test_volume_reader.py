"""Volumes from Python: samples of every format, from folders and servers, also what other libraries wrote."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import tifffile

from asap_ingest import open_volume, steps
from asap_ingest.errors import ParameterError, VolumeError
from tests.volumes.serving import serving

PLANES = np.random.default_rng(3).integers(0, 2**16, (7, 45, 70), np.uint16)
OFFSET_XYZ = (-30, 8, 4)


def make(folder, chunk_format, **more):
    tifffile.imwrite(folder / "planes.tif", PLANES)
    dest = folder / "volume"
    steps.precomputed_tif(
        source=str(folder / "planes.tif"),
        dest=str(dest),
        format=chunk_format,
        voxel_size=[4, 4, 40],
        voxel_offset=list(OFFSET_XYZ),
        chunk_size=[32, 16, 4],
        levels=2,
        factor=[2, 2, 1],
        pool_size=1,
        **more,
    )
    return dest


@pytest.mark.parametrize(
    ("chunk_format", "more"),
    [("raw", {}), ("sharded", {}), ("tiff", {}), ("zarr", {}), ("zarr", {"zarr_format": 2})],
    ids=["raw", "sharded", "tiff", "zarr3", "zarr2"],
)
def test_every_format_from_a_folder_and_from_a_server(tmp_path, chunk_format, more):
    dest = make(tmp_path, chunk_format, **more)
    with serving(dest) as url:
        for where in (dest, str(dest), f"precomputed://{url}", f"zarr3://{url}"):
            volume = open_volume(where)
            finest, coarser = volume.scales
            assert (finest.begin, finest.shape) == ((4, 8, -30), PLANES.shape)
            assert (finest.voxel_size_nm, finest.dtype) == ((40, 4, 4), np.uint16)
            assert (coarser.begin, coarser.voxel_size_nm) == ((4, 4, -15), (40, 8, 8))
            assert np.array_equal(volume[:], PLANES)
            assert np.array_equal(volume[5, 10:40, -29:3], PLANES[1, 2:32, 1:33])
            assert np.array_equal(coarser[4:6, 4:7, -15], coarser[:][:2, :3, 0])


def test_a_dask_array_reads_chunk_by_chunk(tmp_path):
    volume = open_volume(make(tmp_path, "sharded"))
    whole = volume.to_dask()
    assert whole.chunksize == (4, 16, 32)
    assert np.array_equal(whole.compute(scheduler="threads"), PLANES)
    assert np.array_equal(whole[1, ::2, 40:2:-5].compute(), PLANES[1, ::2, 40:2:-5])
    assert volume.to_dask(1).shape == volume.scales[1].shape
    with pytest.raises(ParameterError, match="0 to 1"):
        volume.to_dask(2)
    copy = pickle.loads(pickle.dumps(volume.scales[0]))
    assert np.array_equal(copy[4], PLANES[0])


@pytest.mark.parametrize("index", [(4, 0), (slice(3, 6),), (slice(None), slice(8, 99)), (4, 8, 40)])
def test_beyond_the_volume(tmp_path, index):
    with pytest.raises(ParameterError, match="beyond the volume's"):
        open_volume(make(tmp_path, "raw"))[index]


def test_a_missing_chunk_is_named_and_not_black(tmp_path):
    dest = make(tmp_path, "raw")
    lost = next((dest / "1_1_1").iterdir())
    lost.unlink()
    volume = open_volume(dest)
    with pytest.raises(VolumeError, match=f"{lost.name}: missing"):
        volume[:]


def test_no_volume(tmp_path):
    with pytest.raises(ParameterError, match="is not a folder"):
        open_volume(tmp_path / "nowhere")
    with pytest.raises(VolumeError, match="is not a volume"):
        open_volume(tmp_path)
    (tmp_path / "info").write_text(json.dumps({"type": "image"}))
    with pytest.raises(VolumeError, match="data_type: missing"):
        open_volume(tmp_path)


def written_by_tensorstore(folder, samples_zyx, **scale):
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": f"file://{folder}/",
        "multiscale_metadata": {"type": "segmentation", "data_type": "uint32", "num_channels": 1},
        "scale_metadata": {
            "size": list(samples_zyx.shape[::-1]),
            "chunk_size": [16, 16, 16],
            "resolution": [4, 4, 40],
            "voxel_offset": list(OFFSET_XYZ),
            **scale,
        },
    }
    tensorstore.open(spec, create=True).result()[..., 0].write(samples_zyx.T).result()


def test_encodings_that_tensorstore_reads(tmp_path, monkeypatch):
    labels = np.random.default_rng(1).integers(0, 9, (5, 20, 30)).astype(np.uint32)
    encoding = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8]}
    written_by_tensorstore(tmp_path / "labels", labels, **encoding)
    with serving(tmp_path / "labels") as url:
        for where in (tmp_path / "labels", url):
            volume = open_volume(where)
            assert volume.is_segmentation
            assert np.array_equal(volume[:], labels)
            assert np.array_equal(volume[5, 8:20, -30:-4], labels[1, :12, :26])
            assert np.array_equal(volume.to_dask()[2:4].compute(), labels[2:4])
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(ParameterError, match=r"pip install 'asap_ingest\[volumes\]'"):
        open_volume(tmp_path / "labels")[:]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(Path.unlink, "missing"), (lambda path: path.write_bytes(b"x" * 9), "Corrupted")],
)
def test_a_defective_chunk_that_tensorstore_reads_is_named(tmp_path, damage, problem):
    encoding = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": [8, 8, 8]}
    written_by_tensorstore(tmp_path, np.ones((5, 20, 30), np.uint32), **encoding)
    chunk = tmp_path / "4_4_40" / "-14-0_8-24_4-9"
    damage(chunk)
    volume = open_volume(tmp_path)
    assert np.all(volume[4:9, 8:24, -30:-14] == 1)
    with pytest.raises(VolumeError, match=f"{chunk.name}.*{problem}"):
        volume[:]
