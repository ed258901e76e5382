"""The check finds damaged files of each format."""

import gzip
import struct

import imagecodecs
import numpy as np
import pytest
import tensorstore
import tifffile

from asap_ingest.check_precomputed import check_precomputed
from tests.volumes.checking import change_json, faults_of, noise_volume
from tests.volumes.volumes import random_array

TIFF = "2_2_2/8-16_0-8_0-7.tiff"


def cut(content):
    return content[:-50]


@pytest.mark.parametrize("spoil", [cut, lambda content: b"no tiff", lambda content: content[:30]])
def test_damaged_tiff(tmp_path, spoil):
    chunk = noise_volume(tmp_path / "v", "tiff") / TIFF
    chunk.write_bytes(spoil(chunk.read_bytes()))
    (fault,) = faults_of(tmp_path / "v")
    assert fault.startswith(f"{TIFF}: ")


@pytest.mark.parametrize(
    ("shape", "dtype", "problem"),
    [
        ((6, 8, 8), "uint8", "has 6 pages of shape [(8, 8)]; there must be 7 of (8, 8)"),
        ((7, 8, 9), "uint8", "has 7 pages of shape [(8, 9)]"),
        ((7, 8, 8), "uint16", "has samples of uint16; they must be uint8"),
    ],
)
def test_tiff_of_another_shape_or_type(tmp_path, shape, dtype, problem):
    noise_volume(tmp_path / "v", "tiff")
    tifffile.imwrite(tmp_path / "v" / TIFF, np.zeros(shape, dtype), photometric="minisblack")
    (fault,) = faults_of(tmp_path / "v")
    assert fault.startswith(f"{TIFF}: {problem}")


def test_tiff_that_is_missing(tmp_path):
    (noise_volume(tmp_path / "v", "tiff") / "1_1_1/8-16_0-8_0-8.tiff").unlink()
    for depth in ("voxels", "chunks"):
        assert faults_of(tmp_path / "v", depth) == ["1_1_1/8-16_0-8_0-8.tiff: missing"]
    # before the first file is seen, nothing says that files are TIFFs
    (tmp_path / "v/1_1_1/0-8_0-8_0-8.tiff").unlink()
    assert faults_of(tmp_path / "v")[0] == "1_1_1/0-8_0-8_0-8: missing"


def test_zarr_chunks(tmp_path):
    volume = noise_volume(tmp_path / "v", "zarr")
    (volume / "2_2_2/c/0/0/1").unlink()
    chunk = volume / "1_1_1/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    (volume / "1_1_1/c/0/0/7").write_bytes(b"")
    (volume / "4_4_4/c/0/0/0").write_bytes(imagecodecs.zstd_encode(bytes(511)))
    faults = faults_of(volume)
    assert faults[0].startswith("1_1_1/c/0/0/0: cannot be decoded: Truncated Zstd-compressed stream")
    assert set(faults[1:]) == {
        "2_2_2/c/0/0/1: missing",
        "4_4_4/c/0/0/0: cannot be decoded: Not enough data: expected at least 512 or 1 more; at byte 19; "
        "at uncompressed byte 511",
        "1_1_1/c/0/0/7: does not belong to the volume",
    }


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("2_2_2/zarr.json", lambda it: it.update(shape=[7, 11, 18]), "scale 2_2_2: size is (18, 11, 7)"),
        (
            "2_2_2/zarr.json",
            lambda it: it["codecs"][1].update(name=7),
            "2_2_2/zarr.json: codecs[1].name",
        ),
        ("2_2_2/zarr.json", lambda it: it.update(codecs=[]), "2_2_2/zarr.json: codecs: is []"),
        ("2_2_2/zarr.json", lambda it: it.update(data_type="uint16"), "zarr.json: scales have several"),
        (
            "2_2_2/zarr.json",
            lambda it: it.pop("chunk_grid"),
            '2_2_2/zarr.json: Error parsing object member "chunk_grid"',
        ),
        ("zarr.json", lambda it: it["attributes"]["ome"].update(version="0.4"), "zarr.json: attributes.ome"),
        ("zarr.json", lambda it: it.update(zarr_format=2), "zarr.json: zarr_format: is 2"),
    ],
)
def test_zarr_metadata(tmp_path, file, change, problem):
    volume = noise_volume(tmp_path / "v", "zarr")
    change_json(volume / file, change)
    assert faults_of(volume, "levels")[0].startswith(problem)


@pytest.mark.parametrize("part", [0, 1])
def test_zarr_positions(tmp_path, part):
    volume = noise_volume(tmp_path / "v", "zarr")

    def change(group):
        dataset = group["attributes"]["ome"]["multiscales"][0]["datasets"][1]
        transformation = dataset["coordinateTransformations"][part]
        transformation[transformation["type"]] = [81, 9, 9]

    change_json(volume / "zarr.json", change)
    (fault,) = faults_of(volume, "levels")
    assert fault.startswith("scale 2_2_2: " + ("resolution", "begins")[part])


def test_zarr_scale_without_metadata(tmp_path):
    volume = noise_volume(tmp_path / "v", "zarr")
    (volume / "2_2_2/zarr.json").unlink()
    assert faults_of(volume) == ["2_2_2/zarr.json: missing"]


def test_shard_that_is_missing(tmp_path):
    volume = noise_volume(tmp_path / "v", "sharded")
    (volume / "2_2_2/0.shard").unlink()
    for depth in ("voxels", "chunks"):
        assert faults_of(volume, depth) == ["2_2_2/0.shard: missing"]


def test_shard_that_does_not_belong_there(tmp_path):
    volume = noise_volume(tmp_path / "v", "sharded")
    (volume / "2_2_2/1.shard").write_bytes(b"")
    assert faults_of(volume) == ["2_2_2/1.shard: does not belong to the volume"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (
            lambda content: b"",
            "Error retrieving shard index entry: Requested byte range [0, 16) is not valid",
        ),
        (lambda content: content[:100], "Requested byte range ["),
        (lambda content: content[:-9] + bytes(9), "Error decoding zlib-compressed data"),
    ],
)
def test_shard_whose_index_is_damaged(tmp_path, spoil, problem):
    shard = noise_volume(tmp_path / "v", "sharded") / "2_2_2/0.shard"
    shard.write_bytes(spoil(shard.read_bytes()))
    for depth in ("voxels", "chunks"):
        findings = check_precomputed(str(tmp_path / "v"), depth).findings
        assert findings.count == 6
        (group,) = findings.groups
        expected = f"2_2_2/0.shard chunk (0, 0, 0): cannot be read: Error reading minishard 0: {problem}"
        assert next(iter(group.examples)).startswith(expected)


def with_index(content, change):
    """A shard with one minishard whose index columns (number, gap, length) were changed."""
    begin, end = struct.unpack("<QQ", content[:16])
    columns = np.frombuffer(gzip.decompress(content[16 + begin : 16 + end]), "<u8").reshape(3, -1).copy()
    packed = gzip.compress(change(columns).tobytes())
    return struct.pack("<QQ", begin, begin + len(packed)) + content[16 : 16 + begin] + packed


def without_last(columns):
    return columns[:, :-1]


def shifted_number(columns):
    columns[0, -1] += 1000
    return columns


def longer(columns):
    columns[2, -1] += 100_000
    return columns


def shorter(columns):
    columns[2, -1] -= 1
    return columns


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_last, "2_2_2/0.shard chunk (2, 1, 0): missing"),
        (shifted_number, "2_2_2/0.shard chunk (2, 1, 0): missing"),
        (longer, "2_2_2/0.shard chunk (2, 1, 0): cannot be read: Requested byte range ["),
        (shorter, "2_2_2/0.shard chunk (2, 1, 0): has 62 bytes; 3 x 3 x 7 voxels of uint8 take 63"),
    ],
)
def test_shard_whose_index_is_wrong(tmp_path, change, problem):
    shard = noise_volume(tmp_path / "v", "sharded") / "2_2_2/0.shard"
    shard.write_bytes(with_index(shard.read_bytes(), change))
    for depth in ("voxels", "chunks"):
        (fault,) = faults_of(tmp_path / "v", depth)
        assert fault.startswith(problem)


def test_gzipped_chunk_of_a_shard_that_is_damaged(tmp_path):
    volume = noise_volume(tmp_path / "v", "sharded", dtype="uint32", kind="segmentation")
    shard = volume / "4_4_4/0.shard"
    content = bytearray(shard.read_bytes())
    content[16 + 40] ^= 255
    shard.write_bytes(bytes(content))
    (fault,) = faults_of(volume)
    assert fault.startswith("4_4_4/0.shard chunk (0, 0, 0): cannot be decompressed")


def test_shards_of_another_program_with_another_hash(tmp_path):
    """As igneous makes them: chunks in the order of a hash."""
    samples = random_array((20, 30, 40))
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": 1,
        "hash": "murmurhash3_x86_128",
        "minishard_bits": 2,
        "shard_bits": 3,
        "minishard_index_encoding": "raw",
        "data_encoding": "gzip",
    }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{tmp_path}/v"},
        "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
        "scale_metadata": {
            "size": [40, 30, 20],
            "encoding": "raw",
            "chunk_size": [8, 8, 8],
            "resolution": [4, 4, 40],
            "sharding": sharding,
        },
    }
    volume = tensorstore.open(spec, create=True).result()
    volume[..., 0] = samples.transpose(2, 1, 0)
    assert faults_of(tmp_path / "v") == []
    shards = sorted((tmp_path / "v").glob("*/*.shard"))
    assert len(shards) > 1
    shards[0].unlink()
    (fault,) = faults_of(tmp_path / "v")
    assert fault == f"{shards[0].relative_to(tmp_path / 'v')}: missing"
