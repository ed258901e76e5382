"""Images that say they are larger than their files can hold are refused before they are decoded."""

import io
import resource

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest.errors import ImageError
from asap_ingest.images import file_claims, formats, pictures
from asap_ingest.images.plane_samples import picture_stack
from tests.images.bombs import jpeg_that_says, png_of_zeros, with_frame_size


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tiff_bytes(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


def test_a_jpeg_of_300_bytes_is_no_image_of_four_gigabytes():
    before = peak_megabytes()
    for read in (formats.decode, lambda content: formats.read_head(io.BytesIO(content))):
        with pytest.raises(
            ImageError, match=r"decodes to 3,844,000,000 bytes, which \d+ bytes of JPEG cannot"
        ):
            read(jpeg_that_says(62000, 62000))
    assert peak_megabytes() - before < 50


def test_a_jpeg_in_a_strip_is_as_large_as_the_strip():
    content = tiff_bytes(np.zeros((16, 16), np.uint8), compression="jpeg")
    before = peak_megabytes()
    with pytest.raises(ImageError, match="strip or tile 0 of it says it is 30000 x 30000, not 16 x 16"):
        formats.decode(with_frame_size(content, 30000, 30000))
    assert peak_megabytes() - before < 50


@pytest.mark.parametrize("compression", ["jpegxl", "jpegxr", "webp", "png", "jpeg2000"])
@pytest.mark.parametrize("strips", [{"rowsperstrip": 24}, {"tile": (16, 16)}], ids=["strips", "tiles"])
def test_an_image_in_a_strip_is_as_large_as_the_strip(compression, strips):
    image = np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8)
    lossless = {"lossless": True} if compression == "webp" else {}
    made = {"photometric": "rgb", "compression": compression, "compressionargs": lossless} | strips
    np.testing.assert_array_equal(formats.decode(tiff_bytes(image, **made)), image)
    one = tiff_bytes(np.zeros((16, 16, 3), np.uint8), **made | {"rowsperstrip": 16})
    bomb = getattr(imagecodecs, f"{compression.replace('jpeg2000', 'jpeg2k')}_encode")(
        np.zeros((640, 512, 3), np.uint8)
    )
    longer = changed_strip(one, "TileByteCounts" if "tile" in strips else "StripByteCounts", len(bomb))
    elsewhere = changed_strip(longer, "TileOffsets" if "tile" in strips else "StripOffsets", len(one)) + bomb
    # the decoder compares the sizes before it allocates memory
    with pytest.raises(ImageError, match=r"strip or tile 0 of it is not 16 x 16: invalid out.shape"):
        formats.decode(elsewhere)


def changed_strip(content, tag, value):
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        place = file.pages[0].tags[tag].valueoffset
    return content[:place] + value.to_bytes(4, "little") + content[place + 4 :]


def test_a_strip_is_not_read_that_says_it_has_more_bytes_than_its_samples():
    content = tiff_bytes(np.zeros((16, 16), np.uint8), compression="zlib")
    longer = changed_strip(content, "StripByteCounts", 3 << 20) + bytes(4 << 20)
    with pytest.raises(ImageError, match="strip or tile 0 of it says it has 3,145,728 bytes"):
        formats.decode(longer)


def test_a_strip_cannot_hold_more_than_its_compression_allows(monkeypatch):
    monkeypatch.setattr(file_claims, "HARMLESS_BYTES", 1000)
    image = np.zeros((4096, 4096), np.uint8)
    np.testing.assert_array_equal(
        formats.decode(tiff_bytes(image, compression="zlib", rowsperstrip=4096)), image
    )
    content = tiff_bytes(image, compression="packbits", rowsperstrip=4096)
    with pytest.raises(ImageError, match="which 100 bytes of PACKBITS cannot hold"):
        formats.decode(changed_strip(content, "StripByteCounts", 100))


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "PPM", "JPEG"])
def test_blank_images_are_decoded(form, monkeypatch):
    """What compresses best is no bomb: masks are blank."""
    monkeypatch.setattr(file_claims, "HARMLESS_BYTES", 1000)
    file = io.BytesIO()
    PilImage.new("1" if form == "PNG" else "L", (5000, 4000)).save(
        file, form, optimize=True, progressive=True
    )
    image = formats.decode(file.getvalue())
    assert (image.shape, image.max()) == ((4000, 5000), 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_bands_make_the_whole_picture(mode, monkeypatch):
    shape = {"LA": (2,), "RGB": (3,), "RGBA": (4,)}.get(mode, ())
    samples = np.random.default_rng(1).integers(0, 255, (53, 41, *shape), np.uint8)
    picture = PilImage.fromarray(samples.astype(np.uint16) * 250 if mode == "I;16" else samples)
    if mode in ("1", "P"):
        picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, "PNG")
    whole = formats.decode(file.getvalue())
    monkeypatch.setattr(pictures, "_BAND_PIXELS", 100)
    np.testing.assert_array_equal(formats.decode(file.getvalue()), whole)


def test_a_plane_of_a_volume_is_no_bomb_either(tmp_path):
    path = tmp_path / "plane.jpg"
    path.write_bytes(jpeg_that_says(62000, 62000))
    with pytest.raises(ImageError, match="made to fill memory"):
        picture_stack(str(path))


def test_a_black_png_is_decoded():
    assert formats.decode(png_of_zeros(3000, 2000)).shape == (3000, 2000)
