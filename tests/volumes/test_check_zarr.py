"""Volumes of zarr 2 and 3 that other programs wrote have no faults; those that were spoiled have."""

import json

import numpy as np
import pytest
import tensorstore

from asap_ingest.check_precomputed import check_precomputed
from tests.volumes.checking import faults_of
from tests.volumes.others import (
    CHUNK_ZYX,
    SHAPE_ZYX,
    by_zarr_python,
    not_known,
    scales_of_array,
    write_group,
)
from tests.volumes.volumes import random_array

zarr = pytest.importorskip("zarr", minversion="3.0", reason="zarr 3 is not installed")


@pytest.mark.parametrize("driver", ["zarr", "zarr3"])
@pytest.mark.parametrize("is_big", [False, True])
def test_tensorstore_zarr(tmp_path, driver, is_big):
    array = random_array(SHAPE_ZYX, "int16")
    for number, scale in enumerate(scales_of_array(array)):
        metadata = {"shape": scale.shape}
        if driver == "zarr":
            metadata |= {"chunks": CHUNK_ZYX, "dtype": ">i2" if is_big else "<i2", "dimension_separator": "/"}
            metadata["compressor"] = {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 1}
        else:
            endian = {"endian": "big" if is_big else "little"}
            blosc = {"cname": "lz4", "clevel": 3, "shuffle": "shuffle", "typesize": 2}
            codecs = [{"name": "bytes", "configuration": endian}, {"name": "blosc", "configuration": blosc}]
            grid = {"name": "regular", "configuration": {"chunk_shape": CHUNK_ZYX}}
            metadata |= {"chunk_grid": grid, "data_type": "int16", "codecs": codecs}
        kvstore = {"driver": "file", "path": f"{tmp_path}/v/s{number}/"}
        spec = {"driver": driver, "kvstore": kvstore, "metadata": metadata}
        tensorstore.open(spec, create=True).result()[...] = scale
    write_group(tmp_path / "v", 2 if driver == "zarr" else 3, ["s0", "s1"])
    assert not_known(tmp_path / "v") == []


SLASH = {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
DOT = {"chunk_key_encoding": {"name": "v2", "separator": "."}}


def compressors():
    from numcodecs import BZ2, LZ4, GZip, Zlib, Zstd

    known = [None, BZ2(), Zlib(), GZip(), Zstd()]
    return [(codec, None) for codec in known] + [(LZ4(), "codec lz4: ")]


@pytest.mark.parametrize(("compressor", "unread"), compressors())
@pytest.mark.parametrize("naming", [SLASH, DOT])
def test_zarr_2(tmp_path, compressor, unread, naming):
    array = random_array(SHAPE_ZYX, "uint16")
    folder = by_zarr_python(tmp_path / "v", 2, array, settings={"compressors": compressor, **naming})
    separator = naming["chunk_key_encoding"]["separator"]
    victim = folder / "1" / separator.join("000")
    assert victim.is_file()
    expected = [f"scale {name}: {unread}" for name in "01"] if unread else []
    for depth in ("voxels", "chunks"):
        lines = not_known(folder, depth)
        assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected
    victim.write_bytes(b"")
    assert faults_of(folder, "chunks") == [f"{victim.relative_to(folder)}: missing or empty"]


@pytest.mark.parametrize("dtype", ["|u1", ">u2", "<i4", "<u8", ">f4"])
def test_sample_types_of_zarr_2(tmp_path, dtype):
    array = (
        random_array((9, 9, 9), np.dtype(dtype).newbyteorder("=").name) if dtype != "<u8" else big_labels()
    )
    fields = {"type": "mode"} if dtype == "<u8" else {}
    folder = by_zarr_python(tmp_path / "v", 2, array.astype(dtype), names=("full",), **fields)
    assert json.loads((folder / "full/.zarray").read_text())["dtype"] == dtype
    assert not_known(folder) == []


def big_labels():
    return random_array((9, 9, 9)).astype(np.uint64) + np.uint64(2**60)


@pytest.mark.parametrize(
    ("settings", "unread"),
    [
        ({}, None),
        ({"compressors": None}, None),
        ({"chunk_key_encoding": {"name": "default", "separator": "."}}, None),
        ({"compressors": zarr.codecs.BloscCodec(cname="zstd")}, None),
        ({"compressors": zarr.codecs.GzipCodec()}, None),
        ({"shards": (16, 16, 32)}, "codec sharding_indexed"),
        ({"filters": zarr.codecs.TransposeCodec(order=(2, 1, 0))}, None),
    ],
)
def test_zarr_3(tmp_path, settings, unread):
    folder = by_zarr_python(tmp_path / "v", 3, random_array(SHAPE_ZYX), settings=settings)
    expected = [f"scale {name}: {unread}" for name in "01"] if unread else []
    for depth in ("voxels", "chunks"):
        assert not_known(folder, depth) == expected


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_of_the_fill_value_have_no_file(tmp_path, zarr_format):
    array = random_array(SHAPE_ZYX)
    array[:8, :16, :32] = 7
    folder = by_zarr_python(tmp_path / "v", zarr_format, array, settings={"fill_value": 7, **SLASH})
    assert not (folder / "0/0/0/0").exists()
    for depth in ("voxels", "chunks"):
        assert not_known(folder, depth) == []
    (folder / "0/1/1/1").unlink()
    assert any(fault.startswith("scale 1 chunk at") for fault in faults_of(folder))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_scales_without_a_position(tmp_path, zarr_format):
    assert (
        not_known(by_zarr_python(tmp_path / "v", zarr_format, random_array(SHAPE_ZYX), translated=False))
        == []
    )


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("gaussian", "made by 'gaussian', which is not known"),
        (None, "the group has no type that says how scales are made"),
    ],
)
def test_scales_that_are_made_in_another_way_are_read_only(tmp_path, kind, reason):
    folder = by_zarr_python(tmp_path / "v", 2, random_array(SHAPE_ZYX), type=kind)
    zarr.open_array(str(folder / "1"))[...] = 0
    findings = check_precomputed(str(folder)).findings
    assert findings.groups == []
    assert findings.notes == [f"voxels of scale 1 are read, not compared: {reason}"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["float64", "bool", "float16"])
def test_sample_types_that_are_not_known(tmp_path, zarr_format, dtype):
    array = (random_array((9, 9, 9)) % 2).astype(dtype)
    folder = by_zarr_python(tmp_path / "v", zarr_format, array, names=("full",))
    assert not_known(folder) == [f"scale full: samples of {dtype}"]


def test_voxel_of_zarr_2_that_is_wrong(tmp_path):
    folder = by_zarr_python(tmp_path / "v", 2, random_array(SHAPE_ZYX), settings={"compressors": None})
    scale = zarr.open_array(str(folder / "1"))
    scale[1, 2, 3] = int(scale[1, 2, 3]) ^ 1
    assert faults_of(folder) == [
        "scale 1 chunk at (0, 0, 0): 1 of 896 voxels are not the mean of the finest scale; "
        "the first at (3, 2, 1)"
    ]


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        (".zattrs", {"multiscales": []}, ".zattrs: multiscales: is []; it must not be empty"),
        ("1/.zarray", {"shape": [7, 11]}, "1/.zarray: shape: is [7, 11]"),
        (
            "1/.zarray",
            {"dtype": "<z9"},
            '1/.zarray: Error parsing object member "dtype": Unsupported zarr dtype: "<z9"',
        ),
        ("1/.zarray", {"order": "K"}, '1/.zarray: Error parsing object member "order"'),
        ("1/.zarray", {"fill_value": "much"}, '1/.zarray: Error parsing object member "fill_value"'),
        ("1/.zarray", {"compressor": "zstd"}, "1/.zarray: compressor: is 'zstd'"),
        ("1/.zarray", {"shape": [8, 11, 19]}, "scale 1: size is (19, 11, 8)"),
    ],
)
def test_metadata_of_zarr_2_that_are_wrong(tmp_path, file, change, problem):
    folder = by_zarr_python(tmp_path / "v", 2, random_array(SHAPE_ZYX))
    content = json.loads((folder / file).read_text()) | change
    (folder / file).write_text(json.dumps(content))
    assert faults_of(folder, "levels")[0].startswith(problem)


def test_zarr_2_without_an_array(tmp_path):
    folder = by_zarr_python(tmp_path / "v", 2, random_array(SHAPE_ZYX))
    (folder / "1/.zarray").unlink()
    assert faults_of(folder) == ["1/.zarray: missing"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_nodes_of_zarr_are_not_known(tmp_path, zarr_format):
    folder = by_zarr_python(tmp_path / "v", zarr_format, random_array(SHAPE_ZYX))
    by_zarr_python(folder / "labels/cells", zarr_format, random_array(SHAPE_ZYX))
    zarr.create_group(str(folder / "labels"), zarr_format=zarr_format)
    assert not_known(folder) == ["folder labels: part of the zarr that is not a scale"]
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("")
    assert faults_of(folder) == ["notes/a.txt: does not belong to the volume"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("as_group", [False, True])
def test_zarr_that_is_no_image_of_ome(tmp_path, zarr_format, as_group):
    if as_group:
        zarr.create_group(str(tmp_path / "v"), zarr_format=zarr_format, attributes={"a": 1})
    else:
        zarr.create_array(str(tmp_path / "v"), shape=(4, 4), dtype="u1", zarr_format=zarr_format)
    (line,) = not_known(tmp_path / "v")
    assert "of OME-Zarr" in line


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_axes_and_units_of_others(tmp_path, zarr_format):
    folder = by_zarr_python(tmp_path / "v", zarr_format, random_array(SHAPE_ZYX))
    file = folder / (".zattrs" if zarr_format == 2 else "zarr.json")
    file.write_text(file.read_text().replace("nanometer", "inch"))
    assert not_known(folder) == [f"{file.name}: unit inch of axes; scales are compared as if it were nm"]
    file.write_text(file.read_text().replace('"name": "z"', '"name": "c"'))
    assert not_known(folder) == [f"{file.name}: axes c, y, x; known are z, y, x"]
