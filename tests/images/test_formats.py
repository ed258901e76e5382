"""Files to arrays and back; what is no usable image is refused with a reason."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest.errors import ImageError
from asap_ingest.images import formats
from asap_ingest.images.memory import ReusedMemory
from tests.images.tiff_files import gray_tags, tiff_of

GRAY = np.arange(7 * 5, dtype=np.uint8).reshape(7, 5) * 7
GRAY_16 = GRAY.astype(np.uint16) * 257
COLOUR = np.stack([GRAY, GRAY[::-1], 255 - GRAY], axis=2)


def pillow_bytes(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff_bytes(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


@pytest.mark.parametrize("extension", ["tif", "png"])
@pytest.mark.parametrize("image", [GRAY, GRAY_16, COLOUR], ids=["8bit", "16bit", "colour"])
def test_lossless_round_trip(image, extension):
    decoded = formats.decode(formats.encode(image, extension))
    np.testing.assert_array_equal(decoded, image)
    assert decoded.dtype == image.dtype


def test_jpeg_keeps_shape_and_is_near():
    smooth = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)
    decoded = formats.decode(formats.encode(smooth, "jpg"))
    assert decoded.shape == smooth.shape
    assert np.abs(decoded.astype(int) - smooth).max() < 12


def test_the_same_image_gives_the_same_bytes():
    for extension in formats.ENCODERS:
        assert formats.encode(GRAY, extension) == formats.encode(GRAY.copy(), extension)


@pytest.mark.parametrize("compression", sorted(formats.TIFF_COMPRESSIONS))
@pytest.mark.parametrize("image", [GRAY, GRAY_16, COLOUR], ids=["8bit", "16bit", "colour"])
def test_tiff_compressions(image, compression):
    content = formats.encode(image, "tif", compression)
    np.testing.assert_array_equal(formats.decode(content), image)
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        expected = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}[compression]
        assert tiff.pages.first.compression == expected
        np.testing.assert_array_equal(tiff.asarray(), image)


def test_16bit_does_not_fit_a_jpeg():
    with pytest.raises(ImageError, match="16-bit samples do not fit a JPEG"):
        formats.encode(GRAY_16, "jpg")


@pytest.mark.parametrize(
    "content",
    [
        tiff_bytes(GRAY_16, byteorder=">"),
        tiff_bytes(GRAY_16, compression="zlib"),
        tiff_bytes(GRAY_16, compression="lzw"),
        tiff_bytes(GRAY_16, tile=(16, 16)),
        tiff_bytes(GRAY_16, bigtiff=True),
        tiff_bytes(np.stack([GRAY_16, GRAY_16 // 2]), photometric="minisblack"),
    ],
    ids=["big-endian", "deflate", "lzw", "tiled", "bigtiff", "first page"],
)
def test_tiff_variants(content):
    decoded = formats.decode(content)
    np.testing.assert_array_equal(decoded, GRAY_16)
    assert decoded.dtype.isnative


def test_values_of_white_is_zero_are_taken_as_they_are():
    np.testing.assert_array_equal(formats.decode(tiff_bytes(GRAY, photometric="miniswhite")), GRAY)


def test_planar_colour_tiff():
    planar = tiff_bytes(np.moveaxis(COLOUR, 2, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(formats.decode(planar), COLOUR)


def test_alpha_is_dropped():
    rgba = PilImage.fromarray(np.dstack([COLOUR, GRAY]))
    np.testing.assert_array_equal(formats.decode(pillow_bytes(rgba, "PNG")), COLOUR)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM"])
def test_other_formats(kind):
    np.testing.assert_array_equal(formats.decode(pillow_bytes(PilImage.fromarray(GRAY), kind)), GRAY)


def test_palette_gives_its_index_and_one_bit_gives_0_and_1():
    indexed = PilImage.fromarray(GRAY % 3)
    indexed.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 77])
    np.testing.assert_array_equal(formats.decode(pillow_bytes(indexed, "PNG")), GRAY % 3)
    one_bit = pillow_bytes(PilImage.fromarray(GRAY > 50), "PNG")
    np.testing.assert_array_equal(formats.decode(one_bit), (GRAY > 50).astype(np.uint8))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("width", [8, 11])
def test_one_bit_tiff_gives_0_and_255(photometric, width):
    bits = np.arange(5 * width).reshape(5, width) % 3 == 0
    content = tiff_bytes(bits, photometric=photometric)
    decoded = formats.decode(content)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, np.where(bits, 255, 0))


def test_gray_with_alpha_is_brightened_as_by_java():
    pair = np.dstack([np.full((2, 2), 150, np.uint8), np.zeros((2, 2), np.uint8)])
    assert formats.decode(pillow_bytes(PilImage.fromarray(pair), "PNG")).tolist() == [[202, 202], [202, 202]]


def test_a_page_of_several():
    pages = tiff_bytes(np.stack([GRAY, GRAY // 2]), photometric="minisblack")
    np.testing.assert_array_equal(formats.decode(pages, page_index=1), GRAY // 2)
    with pytest.raises(ImageError, match="page 3 was asked for; it has 2"):
        formats.decode(pages, page_index=2)


@pytest.mark.parametrize("offset", [8, 9, 4095])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("image", [GRAY, GRAY_16], ids=["8bit", "16bit"])
def test_plain_samples_are_read_into_memory_that_is_used_again(image, byteorder, offset):
    samples = image.astype(image.dtype.newbyteorder(byteorder)).tobytes()
    tags = gray_tags(*image.shape, bits=8 * image.itemsize)
    before_samples = bytes(offset - 8)
    content = tiff_of(tags, [before_samples + samples], byteorder, offsets=[offset])
    memory = ReusedMemory()
    memory.array((1000,), np.uint8)[:] = 255  # what is left of an image before
    decoded = formats.decode_page(io.BytesIO(content), 0, memory=memory)
    np.testing.assert_array_equal(decoded, image)
    assert decoded.flags.aligned
    swapped = image.dtype == np.uint16 and byteorder == ">"
    assert np.shares_memory(decoded, memory.array((1000,), np.uint8)) != swapped


def test_a_file_that_is_cut_while_it_is_read_is_refused():
    class Shrinking(io.BytesIO):
        def readinto(self, buffer):
            return super().readinto(buffer[:10])

    content = tiff_of(gray_tags(*GRAY.shape), [GRAY.tobytes()])
    with pytest.raises(ImageError, match="is cut short: pixels reach to byte 43 of 18"):
        formats.decode_page(Shrinking(content), 0, memory=ReusedMemory())


def test_tiles_can_be_refused():
    with pytest.raises(ImageError, match="is a tiled TIFF; only strips can be read"):
        formats.decode(tiff_bytes(GRAY, tile=(16, 16)), strips_only=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (
            b"This is a text file named .tif",
            "is not an image that can be read; it starts with b'This is a te",
        ),
        (b"II*\0" + b"\xff" * 40, "cannot be read"),
        (tiff_bytes(GRAY)[:-3], "is cut short: pixels reach to byte"),
        (tiff_bytes(GRAY, compression="zlib")[:-9], "is cut short|cannot be read"),
        (pillow_bytes(PilImage.fromarray(GRAY), "PNG")[:50], "cannot be read"),
        (pillow_bytes(PilImage.fromarray(np.tile(GRAY, (9, 9))), "JPEG")[:400], "cannot be read"),
        (tiff_bytes(GRAY.astype(np.int8)), "has int8 samples; tiles have 8 or 16 bit: save it as uint8"),
        (tiff_bytes(GRAY.astype(np.uint64)), "has uint64 samples"),
        (tiff_bytes(COLOUR, photometric="cielab"), "has colours of kind cielab; save it as gray or RGB"),
        (tiff_bytes(GRAY.astype(np.uint32)), "has uint32 samples"),
        (tiff_bytes(COLOUR.astype(np.uint16), photometric="rgb"), "3 channels of uint16"),
    ],
    ids=[
        "empty",
        "text",
        "damaged",
        "cut",
        "cut deflate",
        "cut png",
        "cut jpeg",
        "signed",
        "labels",
        "lab",
        "32bit",
        "colour16",
    ],
)
def test_what_is_no_usable_image_is_refused(content, says):
    with pytest.raises(ImageError, match=says):
        formats.decode(content)


def test_a_header_that_asks_for_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(formats, "MAX_BYTES", 20)
    with pytest.raises(ImageError, match="says it is 5 x 7, of 35 bytes; the limit is 20"):
        formats.decode(tiff_bytes(GRAY))
