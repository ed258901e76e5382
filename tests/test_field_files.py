"""Image files of kinds that people reported, through every command that reads images.

Each is made here, byte by byte where no library writes it; where the reported files lie beside the
repository, they are tried too.
"""

import io
import json
import struct
import time
import zlib
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import tensorstore
import tifffile
from PIL import Image

from asap_ingest import check_precomputed, storage
from asap_ingest.images import formats
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_and_verify
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.precomputed_tif import PrecomputedTif
from asap_ingest.render_ws.drawing.source_images import ImageSource, SourceImages
from tests.images.reference import mean, reference
from tests.images.tiff_files import gray_tags, packed, reversed_bits, tiff_of, tiles_of
from tests.steps import refused, run_step
from tests.volumes.reading import read_volume

REPORTED = Path(__file__).resolve().parents[2] / "shared" / "field"
IMAGE = np.random.default_rng(9).integers(0, 256, (64, 80), np.uint8)
STRIP = [IMAGE.tobytes()]
RAMP = np.arange(256, dtype=np.uint16) * 257


def palette_tiff():
    file = io.BytesIO()
    tifffile.imwrite(file, IMAGE, photometric="palette", colormap=np.tile(RAMP, (3, 1)), metadata=None)
    return file.getvalue()


def palette_png():
    picture = Image.fromarray(IMAGE).convert("P")
    picture.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def sparse(compress):
    image = IMAGE[:64, :64].copy()
    image[32:, 32:] = 0
    tiles = [*map(compress, tiles_of(image, 32)[:3]), None]
    return image, tiles


PLAIN, ZLIB = sparse(bytes), sparse(zlib.compress)
SPARSE_TAGS = {"tile_width": 32, "tile_height": 32}
LOW, DEEP = IMAGE % 16, IMAGE.astype(np.uint16) * 16 + 5
MADE = {
    "4bit.tif": (LOW, tiff_of(gray_tags(64, 80, 4), [packed(LOW, 4)])),
    "12bit.tif": (DEEP, tiff_of(gray_tags(64, 80, 12), [packed(DEEP, 12)], ">")),
    "counts_zero.tif": (IMAGE, tiff_of(gray_tags(64, 80), STRIP, counts=[0])),
    "counts_too_large.tif": (IMAGE, tiff_of(gray_tags(64, 80), STRIP, counts=[9216])),
    "counts_absent.tif": (IMAGE, tiff_of(gray_tags(64, 80), STRIP, counts="absent")),
    "fill_order_2.tif": (IMAGE, tiff_of(gray_tags(64, 80, fill_order=2), [reversed_bits(IMAGE.tobytes())])),
    "sparse.tif": (PLAIN[0], tiff_of(gray_tags(64, 64, **SPARSE_TAGS), PLAIN[1], tiled=True)),
    "sparse_zlib.tif": (
        ZLIB[0],
        tiff_of(gray_tags(64, 64, compression=8, **SPARSE_TAGS), ZLIB[1], tiled=True),
    ),
    "palette.tif": (IMAGE, palette_tiff()),
    "palette.png": (IMAGE, palette_png()),
}
REPORTED_FILES = {
    "packed_samples": {"4bit.tif": "4bit.npy", "12bit.tif": "12bit.npy"},
    "strip_byte_counts": dict.fromkeys(
        ("zero.tif", "too_large.tif", "absent.tif", "greatest.tif"), "right.npy"
    ),
    "fill_order_2": {"fill_order_2.tif": "right.npy"},
    "sparse_tiles": {"plain.tif": "right.npy", "zlib.tif": "right.npy"},
    "gray_palette": {"gray_palette.tif": "right.npy", "gray_palette.png": "right.npy"},
}
REPORTED_NAMES = [(folder, name) for folder, files in REPORTED_FILES.items() for name in files]


def volume_of(source, dest, *arguments, **parameters):
    """What precomputed-tif makes of files, as an array (z, y, x)."""
    given = {"source": str(source), "dest": str(dest), "voxel_size": [4, 4, 40], "pool_size": 1, "levels": 1}
    assert PrecomputedTif({**given, "format": "raw", **parameters}, args=list(arguments)).run() == 0
    form = parameters.get("format", "raw")
    return read_sharded(dest) if form == "sharded" else read_volume(Path(dest), form)[0]


def read_sharded(folder):
    where = {"driver": "file", "path": f"{folder}/"}
    volume = tensorstore.open({"driver": "neuroglancer_precomputed", "kvstore": where}).result()
    return volume.read().result()[..., 0].T


def level_of(image, level):
    """Exact means over whole blocks: what is left over at the lower and right ends counts for nothing."""
    height, width = (length >> level << level for length in image.shape)
    return reference(image[None, :height, :width], (1, 2**level, 2**level), mean)[0]


def comes_out_right(folder, path, right):
    """A volume, the embedded service and an image pyramid all have the right samples."""
    np.testing.assert_array_equal(volume_of(path, folder / "volume"), right[None])
    if "sparse" not in str(path):  # render, and so its embedded service, refuses tiled TIFFs
        np.testing.assert_array_equal(SourceImages(None, 1 << 20).load(ImageSource(path.as_uri())), right)
    settings = PyramidSettings(Levels(str(folder / "mipmaps"), "tif", 2), convert_to_8bit=False)
    job = PyramidJob(TileImage(Source(path.as_uri()), ("a.1.0",)), settings)
    build_and_verify(job)
    for level in (1, 2):
        written = formats.decode(storage.read_bytes(job.uri_of(level)))
        np.testing.assert_array_equal(written, level_of(right, level))


@pytest.mark.parametrize("name", MADE)
def test_files_that_people_have(tmp_path, name):
    right, content = MADE[name]
    path = tmp_path / name
    path.write_bytes(content)
    comes_out_right(tmp_path, path, right)


@pytest.mark.skipif(not REPORTED.is_dir(), reason=f"no reported files at {REPORTED}")
@pytest.mark.parametrize(("folder", "name"), REPORTED_NAMES)
def test_files_that_people_reported(tmp_path, folder, name):
    right = np.load(REPORTED / folder / REPORTED_FILES[folder][name])
    comes_out_right(tmp_path, REPORTED / folder / name, right)


# -- one damaged file among sound ones ------------------------------------------------------------------


def png(image, *chunks):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    content = file.getvalue()
    return content[:33] + b"".join(chunks) + content[33:]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(
    "spoilt",
    [
        png(IMAGE, chunk(b"cHRM", b"\0" * 8)),
        png(IMAGE)[:-30],
        tiff_of(gray_tags(64, 80, compression=8), [zlib.compress(IMAGE.tobytes())[:-9] + b"x" * 9]),
    ],
    ids=["PNG chunk", "cut PNG", "deflate"],
)
def test_a_damaged_file_among_sound_ones_is_named(tmp_path, spoilt):
    folder = tmp_path / "planes"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(IMAGE))
    (folder / "b.img").write_bytes(spoilt)
    given = {"source": f"{folder}/*", "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40], "pool_size": 1}
    ran = run_step("precomputed_tif", given, tmp_path)
    if ran.exit_code == 1:  # only its pixels tell: found when they are read
        assert any("b.img: " in failure["reason"] for failure in ran.output["report"]["failures"])
        assert "Traceback" not in ran.stderr
    else:
        refused(ran, 2, "b.img cannot be read: it is damaged")


# -- sets of files, channels and times ------------------------------------------------------------------


def ome_set(folder, names, plane_of, listed=None, pixels='PhysicalSizeX="4" PhysicalSizeXUnit="nm" '):
    """OME-TIFFs of one plane each, which all name one another."""
    folder.mkdir()
    listed = names if listed is None else listed
    uuids = {name: uuid4() for name in listed}
    blocks = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{uuids[name]}</UUID></TiffData>'
        for z, name in enumerate(listed)
    )
    height, width = plane_of(0).shape
    size = 'PhysicalSizeY="4" PhysicalSizeYUnit="nm" PhysicalSizeZ="40" PhysicalSizeZUnit="nm"'
    for z, name in enumerate(names):
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{uuids[name]}">'
            f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {pixels}{size}'
            f' SizeX="{width}" SizeY="{height}" SizeZ="{len(listed)}" SizeC="1" SizeT="1">{blocks}'
            "</Pixels></Image></OME>"
        )
        tifffile.imwrite(folder / name, plane_of(z), description=xml, metadata=None)
    return f"{folder}/*.tif"


def test_a_glob_of_an_ome_set_is_that_set(tmp_path, capsys):
    names = [f"exp_z{z}.ome.tif" for z in range(4)]
    source = ome_set(tmp_path / "set", names, lambda z: np.full((8, 8), z + 1, np.uint8))
    volume = PrecomputedTif(
        {"source": source, "dest": str(tmp_path / "v"), "format": "raw", "levels": 1}, args=[]
    )
    assert volume.run() == 0  # the voxel size is that of the files
    assert read_volume(tmp_path / "v", "raw")[0][:, 0, 0].tolist() == [1, 2, 3, 4]
    assert json.loads((tmp_path / "v" / "info").read_bytes())["scales"][0]["resolution"] == [4, 4, 40]


def test_a_set_is_read_once_however_many_files_it_has(tmp_path):
    names = [f"exp_z{z:03}.ome.tif" for z in range(400)]
    source = ome_set(tmp_path / "set", names, lambda z: np.full((8, 8), z % 256, np.uint8))
    start = time.perf_counter()
    assert volume_of(source, tmp_path / "v")[:, 0, 0].tolist() == [z % 256 for z in range(400)]
    assert time.perf_counter() - start < 30


def test_two_sets_are_two_stacks(tmp_path):
    for letter in "ab":
        ome_set(tmp_path / letter, [f"{letter}{z}.ome.tif" for z in range(2)], lambda z: IMAGE)
    given = {"source": f"{tmp_path}/[ab]/*", "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40]}
    refused(
        run_step("precomputed_tif", given, tmp_path), 2, "a0.ome.tif has 2 pages; give one such file alone"
    )


def test_a_set_of_which_a_file_is_missing(tmp_path):
    source = ome_set(tmp_path / "set", ["z0.ome.tif"], lambda z: IMAGE, listed=["z0.ome.tif", "z1.ome.tif"])
    given = {"source": source, "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40]}
    refused(
        run_step("precomputed_tif", given, tmp_path), 2, "names plane 1 and does not hold it; its file may be"
    )


def test_a_set_does_not_reach_into_other_folders(tmp_path):
    tifffile.imwrite(tmp_path / "secret.tif", IMAGE)
    names = ["z0.ome.tif", "../secret.tif"]
    source = ome_set(tmp_path / "set", names[:1], lambda z: IMAGE, listed=names)
    given = {"source": source, "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40]}
    ran = run_step("precomputed_tif", given, tmp_path)
    assert ran.exit_code == 2 and not (tmp_path / "v").exists()
    assert "which is not in its folder" in ran.stderr or "does not hold it" in ran.stderr


@pytest.mark.parametrize("axes", ["TZCYX", "ZCYX", "CZYX"])
def test_a_channel_and_a_time_can_be_chosen(tmp_path, axes):
    lengths = {"T": 2, "Z": 3, "C": 2, "Y": 16, "X": 20}
    array = np.random.default_rng(1).integers(0, 256, [lengths[axis] for axis in axes], np.uint8)
    kind = {"imagej": True} if axes != "CZYX" else {"ome": True}
    path = tmp_path / "hyperstack.tif"
    tifffile.imwrite(path, array, metadata={"axes": axes}, photometric="minisblack", **kind)
    chosen = {"channel": 1, **({"time": 1} if "T" in axes else {})}
    right = array
    for axis, number in (("T", 1), ("C", 1)):
        if axis in axes:
            right = np.take(
                right, number, axis=axes.replace("T" if axis == "C" and "T" in axes else "-", "").index(axis)
            )
    np.testing.assert_array_equal(volume_of(path, tmp_path / "v", **chosen), right)


def test_one_of_several_series_can_be_chosen(tmp_path):
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for other in (IMAGE, 255 - IMAGE):
            file.write(np.stack([IMAGE, other]), photometric="minisblack", metadata={"axes": "ZYX"})
    found = volume_of(path, tmp_path / "v", series=1)
    np.testing.assert_array_equal(found, np.stack([IMAGE, 255 - IMAGE]))


@pytest.mark.parametrize("choice", ["--channel", "--time", "--series"])
def test_a_choice_that_is_not_there(tmp_path, choice):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([IMAGE, IMAGE]), photometric="minisblack")
    given = {"source": str(path), "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40]}
    refused(run_step("precomputed_tif", given, tmp_path, choice, "5"), 2, f"{choice[2:]} 5 was asked for")


def test_what_loses_precision_or_is_left_out_is_told(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(IMAGE.astype(np.float64), metadata=None)
        file.write(IMAGE[::4, ::4], subfiletype=1, metadata=None)
    given = {"source": str(path), "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40], "pool_size": 1}
    ran = run_step("precomputed_tif", given, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert f"warning: {path} leaves out 20 x 16 uint8\n" in ran.stderr
    assert f"warning: {path} has float64 samples, which are rounded to float32\n" in ran.stderr


# -- labels ---------------------------------------------------------------------------------------------

LABELS = np.array([0, 1, 2**32 + 5, 2**53 + 1, 2**63, 2**64 - 1], np.uint64)
VOLUMES = ("tiff", "raw", "sharded", "zarr")


@pytest.mark.parametrize("form", VOLUMES)
@pytest.mark.parametrize("dtype", ["uint64", "int64", "int32", "int16", "int8"])
def test_labels_of_every_width(tmp_path, dtype, form):
    """int64, as NumPy makes labels, becomes uint64; the values stay."""
    limits = np.iinfo(dtype)
    chosen = [
        value for value in (*LABELS.tolist(), limits.min, limits.max) if limits.min <= value <= limits.max
    ]
    chosen = [value for value in chosen if value >= 0 or dtype != "int64"]
    labels = np.random.default_rng(2).choice(np.array(chosen, dtype), (5, 30, 40))
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, labels, photometric="minisblack", compression="zlib")
    found = volume_of(path, tmp_path / "v", type="segmentation", format=form)
    assert found.dtype == (dtype if dtype != "int64" else "uint64")
    np.testing.assert_array_equal(found, labels)
    assert check_precomputed.main([str(tmp_path / "v")]) == 0


@pytest.mark.skipif(not REPORTED.is_dir(), reason=f"no reported files at {REPORTED}")
@pytest.mark.parametrize("form", VOLUMES)
def test_reported_labels(tmp_path, form):
    path = REPORTED / "labels_64_bit" / "labels.tif"
    found = volume_of(path, tmp_path / "v", type="segmentation", format=form)
    assert found.dtype == np.uint64
    np.testing.assert_array_equal(found, tifffile.imread(path))


@pytest.mark.skipif(not REPORTED.is_dir(), reason=f"no reported files at {REPORTED}")
def test_a_reported_set(tmp_path):
    source = f"{REPORTED}/ome_set/*.ome.tif"
    volume = PrecomputedTif(
        {"source": source, "dest": str(tmp_path / "v"), "format": "raw", "levels": 1}, args=[]
    )
    assert volume.run() == 0
    assert read_volume(tmp_path / "v", "raw")[0][:, 0, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.skipif(not REPORTED.is_dir(), reason=f"no reported files at {REPORTED}")
def test_a_reported_png_with_a_damaged_chunk(tmp_path):
    source = f"{REPORTED}/png_with_damaged_chunk/*.png"
    given = {"source": source, "dest": str(tmp_path / "v"), "voxel_size": [4, 4, 40]}
    refused(run_step("precomputed_tif", given, tmp_path), 2, "cut_chrm.png cannot be read: it is damaged")
