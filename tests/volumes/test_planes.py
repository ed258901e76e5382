"""Planes of every kind of file are the array that was written, whatever part is read."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.volumes.sources.preflight import preflight
from tests.volumes.volumes import random_array

SHAPE = (3, 50, 70)
PARTS = [
    (slice(0, 50), slice(0, 70)),
    (slice(7, 33), slice(0, 70)),
    (slice(16, 32), slice(30, 69)),
    (slice(49, 50), slice(69, 70)),
]
TIFFS = {
    "plain": {},
    "strips": {"rowsperstrip": 7},
    "big-endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "deflate": {"compression": "zlib", "rowsperstrip": 8},
    "one strip": {"compression": "zlib", "rowsperstrip": 50},
    "deflate, big-endian": {"compression": "zlib", "byteorder": ">"},
    "predictor": {"compression": "zlib", "predictor": True},
    "predictor, big-endian": {"compression": "lzw", "predictor": True, "byteorder": ">"},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd", "bigtiff": True},
    "tiled": {"tile": (16, 32)},
    "tiled deflate": {"tile": (32, 16), "compression": "zlib"},
    "one page each, not in a row": {"contiguous": False},
    "white is zero": {"photometric": "miniswhite"},
    "white is zero, deflate": {"photometric": "miniswhite", "compression": "zlib"},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "imagej time": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome deflate": {"ome": True, "metadata": {"axes": "ZYX"}, "compression": "zlib"},
}


def write(path, array, contiguous=True, **options):
    options = {"photometric": "minisblack", **options}
    if contiguous:
        tifffile.imwrite(path, array, **options)
        return str(path)
    with tifffile.TiffWriter(path) as file:
        for plane in array:
            file.write(plane, contiguous=False, description="x" * 100, **options)
    return str(path)


def same(planes, array):
    for z, plane in enumerate(array):
        for rows, columns in PARTS:
            found = planes.read(z, rows, columns)
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, plane[rows, columns])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "float32"])
@pytest.mark.parametrize("kind", TIFFS)
def test_one_tiff_of_many_pages(tmp_path, kind, dtype):
    options = TIFFS[kind]
    if options.get("imagej") and dtype == "uint32":
        pytest.skip("ImageJ has no such samples")
    if options.get("predictor") and dtype == "float32":
        options = {**options, "predictor": 3}
    array = random_array(SHAPE, dtype)
    planes = preflight("stack", [write(tmp_path / "stack.tif", array, **options)]).planes
    assert planes.size == (70, 50, 3)
    same(planes, array)
    # what a worker gets
    part = pickle.loads(pickle.dumps(planes.part(1, 3)))
    assert len(part.planes) == 2
    np.testing.assert_array_equal(part.read(2, *PARTS[1]), array[2][PARTS[1]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", TIFFS)
def test_one_tiff_a_plane(tmp_path, kind, dtype):
    array = random_array(SHAPE, dtype)
    options = {name: value for name, value in TIFFS[kind].items() if name != "metadata"}
    files = [write(tmp_path / f"{z}.tif", array[z : z + 1], **options) for z in range(3)]
    same(preflight("planes", files).planes, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png(tmp_path, dtype):
    array = random_array(SHAPE, dtype)
    for z, plane in enumerate(array):
        Image.fromarray(plane).save(tmp_path / f"{z}.png")
    same(preflight("planes", [str(tmp_path / f"{z}.png") for z in range(3)]).planes, array)


def test_jpeg(tmp_path):
    plane = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    Image.fromarray(plane).save(tmp_path / "a.jpg", quality=95)
    planes = preflight("planes", [str(tmp_path / "a.jpg")]).planes
    np.testing.assert_array_equal(planes.read(0, *PARTS[0]), np.asarray(Image.open(tmp_path / "a.jpg")))


def test_a_jpeg_within_a_tiff(tmp_path):
    plane = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    file = write(tmp_path / "a.tif", plane[None], compression="jpeg", rowsperstrip=16)
    whole = tifffile.imread(file).reshape(50, 70)
    planes = preflight("a", [file]).planes
    for rows, columns in PARTS:
        np.testing.assert_array_equal(planes.read(0, rows, columns), whole[rows, columns])


def test_an_ome_tiff_over_several_files(tmp_path):
    """One of the files names the others; planes are read from where they lie."""
    from uuid import uuid4

    array = random_array(SHAPE, "uint16")
    uuids = [uuid4() for _ in range(3)]
    names = [f"z{z}.ome.tif" for z in range(3)]
    blocks = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{names[z]}">urn:uuid:{uuids[z]}</UUID></TiffData>'
        for z in range(3)
    )
    for z in range(3):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{uuids[z]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="70"'
            f' SizeY="50" SizeZ="3" SizeC="1" SizeT="1">{blocks}</Pixels></Image></OME>'
        )
        write(
            tmp_path / names[z], array[z], description=xml, metadata=None, compression=[None, "zlib", None][z]
        )
    planes = preflight("a", [str(tmp_path / names[0])]).planes
    same(planes, array)
    assert [plane.file.rpartition("/")[2] for plane in planes.planes] == names


def test_an_imagej_stack_beyond_4_gb(tmp_path):
    """ImageJ then writes the head of the first page alone; a sparse file stands for its planes."""
    path = tmp_path / "large.tif"
    depth, side = 70_000, 256
    tifffile.imwrite(
        path,
        np.zeros((side, side), np.uint8),
        photometric="minisblack",
        description=f"ImageJ=1.54\nimages={depth}\nslices={depth}\n",
        metadata=None,
    )
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].dataoffsets[0]
    last = random_array((1, side, side))[0]
    with path.open("r+b") as file:
        file.seek(offset + (depth - 1) * side * side)
        file.write(last.tobytes())
    assert path.stat().st_size > 2**32
    planes = preflight("large", [str(path)]).planes
    assert planes.size == (side, side, depth)
    np.testing.assert_array_equal(planes.read(depth - 1, slice(0, side), slice(0, side)), last)
    assert len(pickle.dumps(planes.part(0, 64))) < 10_000, "a worker gets its own planes alone"


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_reading_a_plane_does_not_take_the_whole_file(tmp_path, compression):
    import tracemalloc

    array = random_array((40, 256, 256))
    planes = preflight("a", [write(tmp_path / "a.tif", array, compression=compression)]).planes
    planes.read(0, slice(0, 256), slice(0, 256))
    tracemalloc.start()
    planes.read(39, slice(0, 64), slice(0, 256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.nbytes / 4


def test_files_are_closed(tmp_path):
    array = random_array((4, 50, 70))
    planes = preflight("a", [write(tmp_path / "a.tif", array, compression="zlib")]).planes
    before = len(list(Path("/proc/self/fd").iterdir()))
    same(planes, array)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_that_shrinks_after_the_preflight(tmp_path, compression):
    path = tmp_path / "a.tif"
    planes = preflight("a", [write(path, random_array(SHAPE, "uint16"), compression=compression)]).planes
    os.truncate(path, 1000)
    with pytest.raises(ImageError, match=r"a.tif: .*(it ends within plane 2|page 2 cannot be read)"):
        planes.read(2, *PARTS[0])
    path.unlink()
    with pytest.raises(StorageError, match="a.tif: No such file"):
        planes.read(2, *PARTS[0])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_that_changes_its_size(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"

    def put(shape):
        if suffix == "png":
            Image.fromarray(np.zeros(shape, np.uint8)).save(path)
        else:
            write(path, np.zeros((1, *shape), np.uint8), compression="zlib")

    put((50, 70))
    planes = preflight("a", [str(path)]).planes
    put((50, 71))
    with pytest.raises(
        ImageError, match=r"changed: it has uint8 samples of shape \(50, 71\), and had uint8 of"
    ):
        planes.read(0, *PARTS[0])


def test_a_damaged_png_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(random_array((1, 50, 70))[0]).save(path)
    planes = preflight("a", [str(path)]).planes
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError, match="a.png: cannot be read"):
        planes.read(0, *PARTS[0])


def test_damaged_strips_are_named(tmp_path):
    path = tmp_path / "a.tif"
    file = write(path, random_array((2, 50, 70)), compression="zlib")
    planes = preflight("a", [file]).planes
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[1].dataoffsets[0], tiff.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + count] = b"\xff" * count
    path.write_bytes(bytes(content))
    with pytest.raises(ImageError, match=r"a.tif: page 1 cannot be read"):
        planes.read(1, *PARTS[0])
