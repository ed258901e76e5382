"""Precomputed volumes that cloud-volume and tensorstore wrote have no faults; one that was spoiled has."""

import numpy as np
import pytest
import tensorstore

from tests.volumes.checking import faults_of
from tests.volumes.others import CHUNK_ZYX, LENGTHS, SHAPE_ZYX, not_known, scales_of_array
from tests.volumes.volumes import random_array


@pytest.mark.parametrize(
    ("compress", "suffix"), [("gzip", ".gz"), ("br", ".br"), ("zstd", ".zstd"), (False, ""), (None, None)]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")
def test_cloud_volume(tmp_path, compress, suffix):
    folder = cloud_volume(tmp_path / "v", random_array(SHAPE_ZYX, "uint16"), compress)
    chunks = sorted((folder / "4_4_40").iterdir())
    assert suffix is None or all(path.suffix == suffix for path in chunks)
    for depth in ("voxels", "chunks"):
        assert faults_of(folder, depth) == []
    chunks[0].write_bytes(chunks[0].read_bytes()[:-9])
    (fault,) = faults_of(folder)
    assert fault.startswith(f"4_4_40/{chunks[0].name}: ")


@pytest.mark.parametrize("encoding", ["jpeg", "compressed_segmentation"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")
def test_cloud_volume_with_another_encoding(tmp_path, encoding):
    dtype = "uint8" if encoding == "jpeg" else "uint32"
    folder = cloud_volume(tmp_path / "v", random_array(SHAPE_ZYX, dtype), None, encoding)
    known = [f"scale {key}: encoding {encoding!r}" for key in ("4_4_40", "8_8_80")]
    assert not_known(folder) == known
    next((folder / "8_8_80").iterdir()).unlink()
    (fault,) = faults_of(folder)
    assert fault.endswith(": missing")


def cloud_volume(folder, array, compress, encoding="raw"):
    from cloudvolume import CloudVolume

    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation" if encoding == "compressed_segmentation" else "image",
        data_type=array.dtype.name,
        encoding=encoding,
        resolution=[4, 4, 40],
        voxel_offset=(16, 8, 8),
        chunk_size=CHUNK_ZYX[::-1],
        volume_size=array.shape[::-1],
    )
    volume = CloudVolume(f"file://{folder}", info=info, progress=False, compress=compress)
    volume.add_scale((2, 2, 2), encoding=encoding, chunk_size=CHUNK_ZYX[::-1])
    volume.commit_info()
    volume.provenance.sources = ["a simulation"]
    volume.provenance.processing.append({"by": "a test", "method": "noise"})
    volume.commit_provenance()
    for mip, scale in enumerate(scales_of_array(array)):
        volume = CloudVolume(f"file://{folder}", mip=mip, progress=False, compress=compress)
        volume[volume.bounds] = scale.transpose(2, 1, 0)[..., None]
    return folder


SHARDING = {
    "@type": "neuroglancer_uint64_sharded_v1",
    "preshift_bits": 1,
    "hash": "murmurhash3_x86_128",
    "minishard_bits": 1,
    "shard_bits": 2,
    "minishard_index_encoding": "gzip",
    "data_encoding": "gzip",
}


@pytest.mark.parametrize("sharding", [None, SHARDING])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("encoding", ["raw", "jpeg", "png"])
def test_tensorstore_precomputed(tmp_path, sharding, channels, encoding):
    array = random_array(SHAPE_ZYX)
    for scale, name in zip(scales_of_array(array), ("4_4_40", "8_8_80"), strict=True):
        factor = 1 if name == "4_4_40" else 2
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{tmp_path}/v/"},
            "multiscale_metadata": {"data_type": "uint8", "num_channels": channels, "type": "image"},
            "scale_metadata": {
                "size": scale.shape[::-1],
                "encoding": encoding,
                "chunk_size": CHUNK_ZYX[::-1],
                "resolution": [length * factor for length in LENGTHS[::-1]],
                **({"sharding": sharding} if sharding else {}),
            },
        }
        volume = tensorstore.open(spec, create=True).result()
        volume[...] = np.stack([scale.transpose(2, 1, 0)] * channels, axis=-1)
    what = {"raw": f"{channels} channels"}.get(encoding, f"encoding {encoding!r}")
    plain = encoding == "raw" and channels == 1
    expected = [] if plain else [f"scale {key}: {what}" for key in ("4_4_40", "8_8_80")]
    for depth in ("voxels", "chunks"):
        assert not_known(tmp_path / "v", depth) == expected
