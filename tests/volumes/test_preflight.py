"""What is said of source files before anything is written: each message names the file and what to do."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.sources.preflight import SourceError, find_files, natural_key, preflight
from tests.permissions import folder_of_a_plain_user
from tests.volumes.volumes import random_array

PLANE = random_array((1, 20, 30))[0]


def tiff(path, array=PLANE, **options):
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **options})
    return str(path)


def picture(path, array=PLANE, **options):
    Image.fromarray(array).save(path, **options)
    return str(path)


def refused(*files):
    with pytest.raises(SourceError) as error:
        preflight("planes", list(files))
    assert error.value.field == "source"
    return {fault.file.rpartition("/")[2]: fault.reason for fault in error.value.faults}


def test_files_come_in_natural_order(tmp_path):
    names = ["z1.tif", "z2.tif", "z010.tif", "z10.tif", "z11.tif", "z100.tif"]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [name.rpartition("/")[2] for name in find_files(f"{tmp_path}/*.tif")] == names


@given(st.lists(st.text(alphabet="z10²_/é٣", max_size=6)))
def test_any_names_can_be_ordered(names):
    ordered = sorted(names, key=natural_key)
    assert sorted(ordered) == sorted(names)


def test_folders_are_no_planes(tmp_path):
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "a.tif").touch()
    assert find_files(f"{tmp_path}/*.tif") == [f"{tmp_path}/a.tif"]


def test_a_link_to_nowhere_is_a_missing_plane(tmp_path):
    (tmp_path / "a.tif").symlink_to(tmp_path / "gone.tif")
    files = find_files(f"{tmp_path}/*.tif")
    assert refused(*files) == {"a.tif": "cannot be read: No such file or directory"}


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    file = tiff(tmp_path / "stack[1].tif")
    assert find_files(file) == [file]


def test_folders_below_are_searched_where_asked(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "p.tif").touch()
    assert find_files(f"{tmp_path}/**/*.tif") == [f"{tmp_path}/a/b/p.tif"]


def test_nothing_found_says_what_to_do(tmp_path):
    with pytest.raises(
        ParameterError, match=r"source: .* matches no file; in a shell, put the pattern in quotes"
    ):
        find_files(f"{tmp_path}/*.tif")
    with pytest.raises(ParameterError, match=r"is a folder; name its files, like .*/\*.tif"):
        find_files(str(tmp_path))


def test_planes_of_single_files(tmp_path):
    files = [tiff(tmp_path / "a.tif"), picture(tmp_path / "b.png"), picture(tmp_path / "c.jpg")]
    found = preflight("planes", files)
    planes = found.planes
    assert (planes.size, planes.dtype, found.voxel_size_nm) == ((30, 20, 3), np.uint8, None)
    assert planes.whole_planes, "pictures are decoded as a whole"
    assert [plane.file for plane in planes.planes] == files


COLOUR = np.dstack([PLANE, 255 - PLANE, PLANE])
FIRE = np.array([np.arange(256), np.arange(256) // 2, np.zeros(256)], np.uint16) * 257
FAULTS = {
    "rgb.tif": (lambda path: tiff(path, COLOUR, photometric="rgb"), "has colours; planes are gray"),
    "rgb.png": (lambda path: picture(path, COLOUR), "has colours; planes are gray"),
    "rgb.jpg": (lambda path: picture(path, COLOUR), "has colours; planes are gray"),
    "cmyk.tif": (
        lambda path: tiff(path, np.dstack([COLOUR, PLANE]), photometric="separated"),
        "has colours; planes are gray",
    ),
    "palette.png": (
        lambda path: Image.fromarray(COLOUR).quantize(8).save(path),
        "has colours; planes are gray",
    ),
    "palette.tif": (lambda path: tiff(path, photometric="palette", colormap=FIRE), "has colours"),
    "lab.tif": (
        lambda path: tiff(path, COLOUR, photometric="cielab"),
        "colours of kind cielab; save it as gray",
    ),
    "five.tif": (
        lambda path: tiff(path, np.dstack([PLANE] * 5), planarconfig="contig"),
        "has 5 channels in each pixel; save each channel as a file of its own",
    ),
    "complex.tif": (
        lambda path: tiff(path, PLANE.astype(np.complex64)),
        "has complex64 samples; a volume can",
    ),
    "text.tif": (lambda path: path.write_text("no image"), "is not an image that can be read"),
    "empty.tif": (lambda path: path.touch(), "is not an image that can be read"),
    "start.tif": (lambda path: path.write_bytes(b"II*\0"), "cannot be read: it is damaged"),
    "channels.tif": (
        lambda path: tiff(path, np.zeros((4, 2, 20, 30), np.uint8), imagej=True, metadata={"axes": "ZCYX"}),
        "has 2 channels; choose one with --channel, from 0 to 1",
    ),
    "times.tif": (
        lambda path: tiff(path, np.zeros((4, 2, 20, 30), np.uint8), imagej=True, metadata={"axes": "TZYX"}),
        "has 4 times; choose one with --time, from 0 to 3",
    ),
    "series.ome.tif": (None, "has 2 image series (30 x 20 uint8, 30 x 20 uint8); choose one with --series"),
    "pipe.tif": (os.mkfifo, "is not a regular file"),
}


def two_series(path):
    with tifffile.TiffWriter(path, ome=True) as file:
        for _ in range(2):
            file.write(PLANE, photometric="minisblack")


@pytest.mark.parametrize("name", FAULTS)
def test_a_file_that_is_no_gray_plane_is_named(tmp_path, name):
    make, reason = FAULTS[name]
    (make or two_series)(tmp_path / name)
    assert reason in refused(str(tmp_path / name))[name]


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("pages", [1, 3])
def test_a_tiff_that_is_cut_short(tmp_path, compression, pages):
    path = tmp_path / "cut.tif"
    noise = random_array((pages, 64, 64), "uint16")
    tiff(path, noise, compression=compression)
    content = path.read_bytes()
    for length in range(10, len(content) - 1, len(content) // 7):
        path.write_bytes(content[:length])
        assert "cut.tif" in refused(str(path))


def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*")
    assert "a.tif" in refused(str(tmp_path / "a.tif"))
    with folder_of_a_plain_user() as folder:
        file = tiff(folder / "a.tif")
        Path(file).chmod(0)
        assert refused(file) == {"a.tif": "cannot be read: Permission denied"}


def test_mixed_sizes_and_types_name_the_strangers(tmp_path):
    files = [tiff(tmp_path / f"{z}.tif") for z in range(3)]
    files.append(tiff(tmp_path / "large.tif", random_array((1, 20, 31))[0]))
    files.append(tiff(tmp_path / "deep.tif", PLANE.astype(np.uint16)))
    assert refused(*files) == {
        "large.tif": "is 31 x 20, others 30 x 20",
        "deep.tif": "has samples of type uint16, others uint8",
    }


def test_byte_orders_may_be_mixed(tmp_path):
    array = random_array((2, 20, 30), "uint16")
    for name, compression in (("plain", None), ("packed", "zlib")):
        files = [
            tiff(tmp_path / f"{name}{z}.tif", array[z], byteorder=order, compression=compression)
            for z, order in enumerate("<>")
        ]
        planes = preflight("planes", files).planes
        for z in range(2):
            np.testing.assert_array_equal(planes.read(z, slice(0, 20), slice(0, 30)), array[z])


def test_a_stack_among_planes_is_refused(tmp_path):
    files = [tiff(tmp_path / "a.tif"), tiff(tmp_path / "stack.tif", random_array((4, 20, 30)))]
    assert refused(*files) == {"stack.tif": "has 4 pages; give one such file alone, or single planes"}


def test_all_faults_are_kept_and_few_shown(tmp_path):
    for z in range(9):
        (tmp_path / f"{z}.tif").touch()
    with pytest.raises(SourceError, match=r"0.tif is not an image.*; and 6 more") as error:
        preflight("planes", find_files(f"{tmp_path}/*.tif"))
    assert len(error.value.faults) == 9


@pytest.mark.parametrize(
    ("unit", "per_unit", "spacing"),
    [
        ("um", 250, 0.04),
        ("micron", 250, 0.04),
        ("nm", 0.25, 40),
        ("\\u00B5m", 250, 0.04),
        ("mm", 250_000, 4e-5),
    ],
)
def test_imagej_says_the_voxel_size(tmp_path, unit, per_unit, spacing):
    metadata = {"unit": unit, "spacing": spacing, "axes": "ZYX"}
    file = tiff(
        tmp_path / "a.tif",
        random_array((3, 20, 30)),
        imagej=True,
        resolution=(per_unit, per_unit / 2),
        metadata=metadata,
    )
    assert preflight("a", [file]).voxel_size_nm == pytest.approx((4, 8, 40))


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1), ("µm", 1e-3), ("Å", 10), ("mm", 1e-6), (None, 1e-3)])
def test_ome_says_the_voxel_size(tmp_path, unit, factor):
    metadata = {"axes": "ZYX"}
    for axis, length in zip("XYZ", (4, 8, 40), strict=True):
        metadata[f"PhysicalSize{axis}"] = length * factor
        if unit:
            metadata[f"PhysicalSize{axis}Unit"] = unit
    file = tiff(tmp_path / "a.ome.tif", random_array((3, 20, 30)), ome=True, metadata=metadata)
    assert preflight("a", [file]).voxel_size_nm == pytest.approx((4, 8, 40))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resolution": (300, 300)},
        {"imagej": True, "resolution": (100, 100), "metadata": {"spacing": 1.0, "unit": "pixel"}},
        {"imagej": True, "resolution": (100, 100), "metadata": {"unit": "um"}},
        {"imagej": True, "resolution": (100, 100), "metadata": {"unit": "um", "spacing": 0.0}},
        {"imagej": True, "resolution": (100, 100), "metadata": {"unit": "um", "spacing": "deep"}},
        {"ome": True, "metadata": {"PhysicalSizeX": 4.0, "PhysicalSizeY": 4.0}},
        {
            "ome": True,
            "metadata": {f"PhysicalSize{axis}": 4.0 for axis in "XYZ"} | {"PhysicalSizeXUnit": "pixel"},
        },
    ],
)
def test_voxel_sizes_that_say_too_little_are_none(tmp_path, options):
    assert preflight("a", [tiff(tmp_path / "a.tif", **options)]).voxel_size_nm is None
