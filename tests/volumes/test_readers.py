"""Readers of others see the voxels that were given, at every scale."""

import json

import numpy as np
import pytest
import tensorstore
import tifffile

from tests.volumes.volumes import make_volume, random_array

SHAPES_ZYX = [(13, 37, 21), (1, 37, 50), (20, 33, 1), (1, 1, 1), (17, 16, 33)]
TYPES = [("uint8", "image"), ("uint16", "image"), ("float32", "image"), ("uint32", "segmentation")]
FACTORS = [(1, 1, 1), (2, 2, 2), (4, 4, 4)]
OFFSET = (8, 4, 12)


def expected_scales(array, kind):
    """All scales of a small array, voxel by voxel as the format defines them."""
    scales = [array]
    while len(scales) < 3 and max(scales[-1].shape) > 1:
        before = array if kind == "image" else scales[-1]
        times = 2 ** len(scales) if kind == "image" else 2
        steps = [times if length > 1 else 1 for length in before.shape]
        shape = [-(-length // step) for length, step in zip(before.shape, steps, strict=True)]
        scale = np.empty(shape, array.dtype)
        for place in np.ndindex(*shape):
            block = before[
                tuple(slice(p * step, (p + 1) * step) for p, step in zip(place, steps, strict=True))
            ]
            scale[place] = reduced(block, kind)
        scales.append(scale)
    return scales


def reduced(block, kind):
    if kind == "segmentation":
        labels, counts = np.unique(block, return_counts=True)
        return labels[counts.argmax()]
    mean = block.mean(dtype=np.float64)
    return np.floor(mean + 0.5) if block.dtype.kind == "u" else mean


def by_tensorstore_precomputed(folder, index):
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}", "scale_index": index}
    volume = tensorstore.open(spec).result()
    begin = volume.domain.inclusive_min[:3]
    return volume[..., 0].read().result().transpose(2, 1, 0), begin


def by_cloud_volume(folder, index):
    from cloudvolume import CloudVolume

    volume = CloudVolume(
        f"file://{folder}", mip=index, fill_missing=False, progress=False, bounded=True, parallel=1
    )
    return np.asarray(volume[:, :, :])[..., 0].transpose(2, 1, 0), tuple(volume.voxel_offset)


def by_tensorstore_zarr(folder, index):
    group = json.loads((folder / "zarr.json").read_text())
    dataset = group["attributes"]["ome"]["multiscales"][0]["datasets"][index]
    volume = tensorstore.open({"driver": "zarr3", "kvstore": f"file://{folder}/{dataset['path']}/"}).result()
    transformations = {each["type"]: each[each["type"]] for each in dataset["coordinateTransformations"]}
    pairs = zip(transformations["translation"], transformations["scale"], strict=True)
    finest = group["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
    begin = [
        (centre - (length - short) / 2) / length
        for (centre, length), short in zip(pairs, finest["scale"], strict=True)
    ]
    return volume.read().result(), tuple(begin[::-1])


def by_tifffile(folder, index):
    scale = json.loads((folder / "info").read_text())["scales"][index]
    offset = scale["voxel_offset"]
    samples = None
    for file in (folder / scale["key"]).iterdir():
        with tifffile.TiffFile(file) as tiff:
            chunk = np.stack([page.asarray() for page in tiff.pages])
        if samples is None:
            samples = np.zeros(scale["size"][::-1], chunk.dtype)
        ranges = [tuple(map(int, part.split("-"))) for part in file.name.removesuffix(".tiff").split("_")]
        region = tuple(
            slice(begin - start, end - start) for (begin, end), start in zip(ranges, offset, strict=True)
        )
        samples[region[::-1]] = chunk
    return samples, tuple(offset)


READERS = [
    ("raw", by_tensorstore_precomputed),
    ("raw", by_cloud_volume),
    ("sharded", by_tensorstore_precomputed),
    ("sharded", by_cloud_volume),
    ("zarr", by_tensorstore_zarr),
    ("tiff", by_tifffile),
]


@pytest.mark.parametrize(("dtype", "kind"), TYPES)
@pytest.mark.parametrize("shape", SHAPES_ZYX)
@pytest.mark.parametrize(("chunk_format", "read"), READERS)
# libraries that cloud-volume uses warn of their own code
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")
def test_readers_see_the_same_voxels(tmp_path, chunk_format, read, shape, dtype, kind):
    array = random_array(shape, dtype)
    if kind == "segmentation":
        array %= np.uint32(5)
    make_volume(tmp_path, array, chunk_format, levels=3, chunk_size=(8, 16, 4), kind=kind, offset=OFFSET)
    for index, expected in enumerate(expected_scales(array, kind)):
        found, begin = read(tmp_path, index)
        assert found.dtype == array.dtype
        if dtype == "float32":
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
        else:
            np.testing.assert_array_equal(found, expected)
        factors = [2**index if length > 1 else 1 for length in shape[::-1]]
        np.testing.assert_allclose(begin, [o / f for o, f in zip(OFFSET, factors, strict=True)])


def test_zarr_library_reads_the_group(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3.0", reason="zarr 3 is not installed")
    array = random_array((13, 37, 21))
    make_volume(tmp_path, array, "zarr", chunk_size=(8, 16, 4))
    group = zarr.open_group(str(tmp_path), mode="r")
    np.testing.assert_array_equal(group["1_1_1"][:], array)
