"""One door for images: every way of reading a TIFF gives the samples that tifffile's own reader gives.

Files that tifffile trusts too much (wrong lengths, files cut short) have their values beside them.
"""

import io
import os
import struct
import zlib
from unittest import mock

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.images.plane_samples import picture_stack, read_plane, require_gray
from asap_ingest.images.tiff_pages import opened_tiff, page_at, plain_samples, read_samples
from asap_ingest.images.tiff_stacks import tiff_stack
from tests.images.tiff_files import gray_tags, packed, reversed_bits, tiff_of, tiles_of

NOISE = np.random.default_rng(5).integers(0, 256, (64, 80), np.uint8)


def planes_of(path, content, most=1 << 30):
    """The planes of a file, as a volume reads them: whole, and a part of each; none of more than `most`."""
    path.write_bytes(content)
    is_tiff = content[:2] in (b"II", b"MM")
    stack = tiff_stack(str(path)) if is_tiff else picture_stack(str(path))
    _, height, width = stack.shape
    if max(height, 1) * width > most:
        return []
    require_gray(stack)
    dtype = np.dtype(stack.sample_type)
    rows, columns = slice(height // 3, height), slice(width // 4, max(width // 2, width // 4 + 1))
    planes = []
    for plane in stack.planes:
        whole = read_plane(plane, (height, width), dtype, slice(0, height), slice(0, width))
        part = read_plane(plane, (height, width), dtype, rows, columns)
        np.testing.assert_array_equal(part, whole[rows, columns])
        planes.append(whole)
    return planes


def both_doors(path, content):
    """The same file as a tile and as a plane of a volume: equal, else the test fails."""
    (plane,) = planes_of(path, content)
    tile = formats.decode(content)
    np.testing.assert_array_equal(tile, plane)
    assert tile.dtype == plane.dtype
    return plane


# -- what tifffile writes ------------------------------------------------------------------------------

LAYOUTS = st.one_of(
    st.fixed_dictionaries({"rowsperstrip": st.integers(1, 40)}),
    st.fixed_dictionaries({"tile": st.sampled_from([(16, 16), (32, 16), (16, 48)])}),
)
STORAGE = st.fixed_dictionaries(
    {
        "byteorder": st.sampled_from("<>"),
        "bigtiff": st.booleans(),
        "compression": st.sampled_from([None, "zlib", "lzw", "zstd", "packbits"]),
        "predictor": st.booleans(),
    }
)
DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "uint64", "float32", "float64")


def written(array, options):
    options = dict(options)
    whole_numbers_of_64_bit = array.dtype.itemsize == 8 and array.dtype.kind != "f"
    if options["compression"] in (None, "packbits") or not options["predictor"] or whole_numbers_of_64_bit:
        options["predictor"] = None
    elif array.dtype.kind == "f":
        options["predictor"] = 3
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def noise(shape, dtype, seed):
    samples = np.random.default_rng(seed).integers(0, 100, shape)
    return (samples - 50 if np.dtype(dtype).kind == "i" else samples).astype(dtype)


@given(
    st.data(),
    st.sampled_from(DTYPES),
    st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70)),
    LAYOUTS,
    STORAGE,
)
def test_pages_of_every_layout(data, dtype, shape, layout, storage_of):
    array = noise(shape, dtype, 1)
    content = written(array, {"photometric": "minisblack", **layout, **storage_of})
    number = data.draw(st.integers(0, shape[0] - 1))
    rows, columns = (part_of(data, length) for length in shape[1:])
    with opened_tiff(io.BytesIO(content)) as tiff:
        page = page_at(tiff, number)
        np.testing.assert_array_equal(read_samples(page, rows, columns), page.asarray()[rows, columns])
        plain = plain_samples(page)
        if plain is not None:
            np.testing.assert_array_equal(
                plain.arranged(np.frombuffer(content, np.uint8)[plain.offset : plain.end]), array[number]
            )


def part_of(data, length):
    start = data.draw(st.integers(0, length - 1))
    return slice(start, data.draw(st.integers(start + 1, length)))


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.booleans(), LAYOUTS, STORAGE)
def test_colours_of_every_layout(shape, apart, layout, storage_of):
    colours = noise((*shape, 3), "uint8", 2)
    array = np.moveaxis(colours, 2, 0) if apart else colours
    planar = {"photometric": "rgb", "planarconfig": "separate" if apart else "contig"}
    content = written(array, {**planar, **layout, **storage_of})
    np.testing.assert_array_equal(formats.decode(content), colours)


@given(st.sampled_from(["uint8", "uint16"]), LAYOUTS, STORAGE)
def test_both_doors_give_the_same(tmp_path_factory, dtype, layout, storage_of):
    array = noise((33, 47), dtype, 3)
    content = written(array, {"photometric": "minisblack", **layout, **storage_of})
    found = both_doors(tmp_path_factory.getbasetemp() / "both.tif", content)
    np.testing.assert_array_equal(found, array)


# -- what it does not write ----------------------------------------------------------------------------


BITS = st.integers(1, 31).filter(lambda bits: bits != 24)
SIDE = st.integers(1, 12)


@given(BITS, SIDE, SIDE, st.integers(1, 13), st.sampled_from([1, 2]))
def test_samples_of_any_number_of_bits(bits, height, width, rows, fill_order):
    dtype = "uint8" if bits <= 8 else "uint16" if bits <= 16 else "uint32"
    samples = np.random.default_rng(bits).integers(0, 2**bits, (height, width)).astype(dtype)
    if bits in (8, 16):
        strips = [samples[y : y + rows].tobytes() for y in range(0, height, rows)]
        strips = [reversed_bits(strip) if fill_order == 2 else strip for strip in strips]
    else:
        strips = [packed(samples[y : y + rows], bits, fill_order) for y in range(0, height, rows)]
    order = "<" if bits in (8, 16) else ">"  # packed samples have their highest bits first
    tags = gray_tags(height, width, bits, rows=rows, fill_order=fill_order)
    with opened_tiff(io.BytesIO(tiff_of(tags, strips, order))) as tiff:
        page = page_at(tiff, 0)
        found = read_samples(page, slice(0, height), slice(0, width))
        np.testing.assert_array_equal(found, page.asarray())
    np.testing.assert_array_equal(found, samples)


def test_samples_of_24_bits_are_refused():
    content = tiff_of(gray_tags(1, 2, 24), [bytes(6)])
    with pytest.raises(ImageError, match="has samples of 24 bits.*; save it with 32 bits"):
        formats.decode(content)


@pytest.mark.parametrize("bits", [4, 12])
def test_packed_samples_in_one_strip(tmp_path, bits):
    samples = np.arange(40 * 50).reshape(40, 50) % 2**bits
    samples = samples.astype(np.uint8 if bits < 8 else np.uint16)
    content = tiff_of(gray_tags(40, 50, bits), [packed(samples, bits)], ">")
    np.testing.assert_array_equal(both_doors(tmp_path / "a.tif", content), samples)


@pytest.mark.parametrize("rows", [64, 16, 7])
@pytest.mark.parametrize("counts", ["zero", "too large", "greatest", "absent"])
def test_lengths_of_uncompressed_strips_follow_from_the_image(tmp_path, counts, rows):
    strips = [NOISE[y : y + rows].tobytes() for y in range(0, 64, rows)]
    said = {"zero": 0, "too large": 9216, "greatest": 2**32 - 1}.get(counts)
    given_counts = "absent" if said is None else [said] * len(strips)
    content = tiff_of(gray_tags(64, 80, rows=rows), strips, counts=given_counts)
    np.testing.assert_array_equal(both_doors(tmp_path / "a.tif", content), NOISE)


@pytest.mark.parametrize("counts", ["zero", "too large", "absent"])
def test_a_file_that_really_ends_early_is_named(tmp_path, counts):
    said = {"zero": [0], "too large": [9216]}.get(counts, "absent")
    content = tiff_of(gray_tags(64, 80), [NOISE.tobytes()], counts=said)
    short = tiff_of(gray_tags(64, 80), [NOISE.tobytes()[:4000]], counts=said)
    with pytest.raises(ImageError, match="is cut short"):
        formats.decode(short)
    (tmp_path / "a.tif").write_bytes(short)
    with pytest.raises(ImageError, match="is cut short"):
        tiff_stack(str(tmp_path / "a.tif"))
    assert formats.decode(content).shape == (64, 80)


def test_bits_of_each_byte_reversed(tmp_path):
    content = tiff_of(gray_tags(64, 80, fill_order=2), [reversed_bits(NOISE.tobytes())])
    np.testing.assert_array_equal(both_doors(tmp_path / "a.tif", content), NOISE)


def test_bits_of_16_bit_samples_reversed(tmp_path):
    wide = NOISE.astype(np.uint16) * 257
    content = tiff_of(gray_tags(64, 80, 16, fill_order=2), [reversed_bits(wide.tobytes())])
    np.testing.assert_array_equal(both_doors(tmp_path / "a.tif", content), wide)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("left_out", [(3,), (0, 2), (0, 1, 2, 3)])
def test_tiles_without_bytes_are_background(tmp_path, compressed, left_out):
    image = NOISE[:64, :64]
    tiles = [zlib.compress(tile) if compressed else tile for tile in tiles_of(image, 32)]
    tiles = [None if number in left_out else tile for number, tile in enumerate(tiles)]
    tags = gray_tags(64, 64, compression=8 if compressed else 1, tile_width=32, tile_height=32)
    expected = image.copy()
    for number in left_out:
        y, x = divmod(number, 2)
        expected[32 * y : 32 * y + 32, 32 * x : 32 * x + 32] = 0
    found = both_doors(tmp_path / "a.tif", tiff_of(tags, tiles, tiled=True))
    np.testing.assert_array_equal(found, expected)


def test_strips_without_bytes_have_the_value_for_no_data(tmp_path):
    tags = gray_tags(64, 80, rows=32)
    tags[42113] = (2, [bytes([byte]) for byte in b"7\0"])  # GDAL_NODATA
    content = tiff_of(tags, [NOISE[:32].tobytes(), None])
    found = both_doors(tmp_path / "a.tif", content)
    np.testing.assert_array_equal(found[:32], NOISE[:32])
    assert (found[32:] == 7).all()


def test_a_compressed_strip_that_was_never_written_is_no_background(tmp_path):
    content = tiff_of(gray_tags(64, 80, compression=8), [zlib.compress(NOISE.tobytes())], counts=[0])
    with pytest.raises(ImageError, match="strip or tile 0 of it is empty"):
        formats.decode(content)


# -- what samples mean ---------------------------------------------------------------------------------


def tiff_bytes(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def picture_bytes(picture, kind):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def test_inks_become_light():
    inks = np.zeros((2, 3, 4), np.uint8)
    inks[0, :, 3] = 0, 128, 255  # black ink alone
    inks[1, 0], inks[1, 1], inks[1, 2] = (255, 0, 0, 0), (100, 50, 25, 0), (100, 50, 25, 128)
    found = formats.decode(tiff_bytes(inks, photometric="separated"))
    assert found[0, :, 0].tolist() == [255, 127, 0]
    assert found[1].tolist() == [[0, 255, 255], [155, 205, 230], [77, 102, 115]]


def test_gray_inks_are_a_plane(tmp_path):
    inks = np.zeros((*NOISE.shape, 4), np.uint8)
    inks[..., 3] = 255 - NOISE
    (plane,) = planes_of(tmp_path / "a.tif", tiff_bytes(inks, photometric="separated"))
    np.testing.assert_array_equal(plane, NOISE)


def test_a_cmyk_jpeg_is_no_longer_black():
    gray = PilImage.fromarray(np.full((16, 16), 200, np.uint8)).convert("RGB").convert("CMYK")
    found = formats.decode(picture_bytes(gray, "JPEG"))
    assert np.abs(found.astype(int) - 200).max() <= 2


RAMP = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))


@pytest.mark.parametrize("downwards", [False, True])
def test_gray_palettes(tmp_path, downwards):
    ramp = RAMP[:, ::-1] if downwards else RAMP
    expected = 255 - NOISE if downwards else NOISE
    content = tiff_bytes(NOISE, photometric="palette", colormap=ramp)
    (plane,) = planes_of(tmp_path / "a.tif", content)
    np.testing.assert_array_equal(plane, expected)
    np.testing.assert_array_equal(formats.decode(content), NOISE)  # as the render service reads it
    indexed = PilImage.fromarray(NOISE, "L").convert("P")
    indexed.putpalette((ramp.T >> 8).astype(np.uint8).tobytes())
    (plane,) = planes_of(tmp_path / "a.png", picture_bytes(indexed, "PNG"))
    np.testing.assert_array_equal(plane, np.asarray(indexed.convert("L")))


def test_a_palette_with_alpha(tmp_path):
    pair = PilImage.fromarray(NOISE, "L").convert("P")
    pair.putpalette(np.repeat(np.arange(256, dtype=np.uint8)[::-1], 3).tobytes())
    expected = np.asarray(pair.convert("L"))
    (plane,) = planes_of(tmp_path / "a.tif", picture_bytes(pair.convert("PA"), "TIFF"))
    np.testing.assert_array_equal(plane, expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [False, True])
def test_equal_channels_are_gray(tmp_path, dtype, alpha):
    gray = NOISE.astype(dtype) * (257 if dtype == "uint16" else 1)
    channels = [gray] * 3 + [np.full_like(gray, 9)] * alpha
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]} if alpha else {"photometric": "rgb"}
    content = tiff_bytes(np.dstack(channels), rowsperstrip=16, compression="zlib", **options)
    (plane,) = planes_of(tmp_path / "a.tif", content)
    np.testing.assert_array_equal(plane, gray)


def test_one_pixel_of_colour_is_found_wherever_it_is(tmp_path):
    colours = np.dstack([NOISE] * 3)
    colours[63, 79, 2] ^= 1
    for kind in ("TIFF", "PNG"):
        with pytest.raises(ImageError, match="has colours; planes are gray"):
            planes_of(tmp_path / f"a.{kind}", picture_bytes(PilImage.fromarray(colours), kind))


@pytest.mark.parametrize(
    ("stored", "tile", "plane"),
    [
        ("bool", "uint8", "uint8"),
        ("int16", "uint16", "int16"),
        ("float16", "float32", "float32"),
        ("float64", "float32", "float32"),
        ("int8", None, "int8"),
        ("int32", None, "int32"),
        ("uint32", None, "uint32"),
        ("uint64", None, "uint64"),
        ("int64", None, "uint64"),
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_types_of_samples(tmp_path, stored, tile, plane, compression):
    values = (NOISE % 3 == 0) if stored == "bool" else (NOISE // 2).astype(stored)
    content = tiff_bytes(values, photometric="minisblack", compression=compression)
    (found,) = planes_of(tmp_path / "a.tif", content)
    assert found.dtype == plane
    np.testing.assert_array_equal(found, values * 255 if stored == "bool" else values)
    if tile is None:
        with pytest.raises(ImageError, match=f"has {stored} samples; tiles have 8 or 16 bit: save it as"):
            formats.decode(content)
    else:
        assert formats.decode(content).dtype == tile
        assert formats.read_head(io.BytesIO(content)).tile_type == tile


def test_signed_samples_of_a_tile_are_raised_as_imagej_does():
    values = np.array([[-32768, -1, 0, 32767]], np.int16)
    assert formats.decode(tiff_bytes(values)).tolist() == [[0, 32767, 32768, 65535]]


def test_labels_below_0_are_refused(tmp_path):
    with pytest.raises(ImageError, match="has labels below 0; save it as int32"):
        planes_of(tmp_path / "a.tif", tiff_bytes(np.array([[3, -1]], np.int64)))


# -- pages and files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["thumbnail before", "thumbnail between", "mask", "unmarked thumbnail"])
def test_a_page_of_another_kind_does_not_spoil_its_neighbours(tmp_path, kind):
    path = tmp_path / "a.tif"
    planes = [NOISE, NOISE[::-1]]
    small = {"data": NOISE[:20, :24], "subfiletype": 0 if kind == "unmarked thumbnail" else 1}
    mask = {"data": NOISE > 100, "subfiletype": 4, "photometric": "mask"}
    pages = [{"data": plane} for plane in planes]
    pages.insert(0 if kind == "thumbnail before" else 1, mask if kind == "mask" else small)
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(**{"photometric": "minisblack", "metadata": None, **page})
    stack = tiff_stack(str(path))
    assert (stack.shape, stack.left_out[:11]) == ((2, 64, 80), "leaves out ")
    for plane, expected in zip(planes_of(path, path.read_bytes()), planes, strict=True):
        np.testing.assert_array_equal(plane, expected)


def test_smaller_images_below_a_page_are_left_out(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(NOISE, subifds=1, metadata=None)
        file.write(NOISE[::2, ::2], subfiletype=1, metadata=None)
    (plane,) = planes_of(path, path.read_bytes())
    np.testing.assert_array_equal(plane, NOISE)


def test_slices_of_an_imagej_stack_with_one_head(tmp_path):
    said = "ImageJ=1.54\nimages=3\nslices=3\n"
    content = tiff_bytes(NOISE, description=said) + NOISE[::-1].tobytes() + (255 - NOISE).tobytes()
    for number, plane in enumerate([NOISE, NOISE[::-1], 255 - NOISE]):
        np.testing.assert_array_equal(formats.decode(content, page_index=number), plane)
    with pytest.raises(ImageError, match="page 4 was asked for"):
        formats.decode(content, page_index=3)
    with pytest.raises(ImageError, match="page 3 was asked for; it has 1"):
        formats.decode(content[:-1], page_index=2)
    with pytest.raises(ImageError, match="is cut short: it counts 3 images and holds 1"):
        planes_of(tmp_path / "a.tif", content[:-1])
    planes = planes_of(tmp_path / "a.tif", content)
    assert len(planes) == 3
    np.testing.assert_array_equal(planes[2], 255 - NOISE)


def raised_by_damage(content):
    """What both doors say of every way to spoil a file: an ImageError, or nothing."""
    try:
        formats.decode(content)
    except ImageError as error:
        return str(error)
    return ""


@given(st.data())
def test_damaged_files_end_as_one_line(tmp_path_factory, data):
    """Files whose head asks for much memory are left out here: what they may ask for is tested elsewhere."""
    kind = data.draw(st.sampled_from(sorted(SOUND)))
    content = bytearray(SOUND[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content) - 1, 400)))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(8, len(content)))])
    path = tmp_path_factory.getbasetemp() / "damaged"
    said = []
    with mock.patch.object(formats, "MAX_BYTES", 1 << 26):
        said.append(raised_by_damage(content))
    try:
        planes_of(path, content, most=1 << 24)
    except (ImageError, StorageError) as error:
        said.append(str(error))
    for text in said:
        assert "\n" not in text
        assert not any(word in text for word in ("NoneType", "unpack requires", "out of range", "object has"))


SOUND = {
    "plain": tiff_bytes(NOISE),
    "deflate": tiff_bytes(NOISE, compression="zlib", rowsperstrip=8),
    "lzw": tiff_bytes(NOISE.astype(np.uint16), compression="lzw", predictor=True),
    "tiled": tiff_bytes(NOISE, tile=(16, 16), compression="zstd"),
    "jpeg": tiff_bytes(NOISE, compression="jpeg"),
    "stack": tiff_bytes(np.stack([NOISE, NOISE]), photometric="minisblack"),
    "png": picture_bytes(PilImage.fromarray(NOISE), "PNG"),
    "jpg": picture_bytes(PilImage.fromarray(NOISE), "JPEG"),
    "palette": picture_bytes(PilImage.fromarray(NOISE).quantize(16), "PNG"),
    "packed": tiff_of(gray_tags(64, 80, 4), [packed(NOISE % 16, 4)]),
}


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("kind", [b"cHRM", b"pHYs", b"gAMA"])
def test_a_png_whose_description_is_cut(tmp_path, kind):
    content = SOUND["png"]
    spoilt = content[:33] + png_chunk(kind, b"\0\1") + content[33:]
    said = raised_by_damage(spoilt)
    assert not said or said.startswith("cannot be read: it is damaged")
    if said:
        with pytest.raises(ImageError, match="cannot be read: it is damaged"):
            planes_of(tmp_path / "a.png", spoilt)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), os.mkdir])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "a.tif")
    with pytest.raises(StorageError, match="a.tif: (is not a regular file|Is a directory)"):
        storage.read_bytes(str(tmp_path / "a.tif"))
