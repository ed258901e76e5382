"""Convert samples as stored in a file to pixels, by one rule for tiles and one for planes of volumes.

Tiles are read as the render service reads them, so that pictures drawn from level 0 and from coarser levels
agree. Planes of volumes are gray values, however stored, or labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError

Image = NDArray[Any]

#: Type of stored samples -> type in a volume, where it differs (int64: labels saved by NumPy).
GRAY_TYPES = {"bool": "uint8", "float16": "float32", "float64": "float32", "int64": "uint64"}

#: Samples that pixels of tiles may have.
TILE_TYPES = ("uint8", "uint16", "float32")

_GRAY = ("minisblack", "miniswhite", "mask", "cfa", "linear_raw", "depth_map")


@dataclass(frozen=True)
class ImageHead:
    """Head of an image: its size, and the type and meaning of its samples.

    Attributes
    ----------
    shape_yx : tuple of int
        (height, width)
    sample_type : str
        NumPy's name of the stored type of samples.
    samples : int
        Per pixel.
    photometric : str
        Meaning of the samples in the terms of TIFF: `minisblack`, `rgb`, `palette`, ...
    is_tiff : bool
    palette : ndarray of uint8, shape (entries, 3), or None
        Colours of the samples of a `palette` image.
    """

    shape_yx: tuple[int, int]
    sample_type: str
    samples: int
    photometric: str
    is_tiff: bool
    palette: NDArray[np.uint8] | None = None

    @property
    def sample_bytes(self) -> int:
        """Bytes of all samples once they are decoded."""
        height, width = self.shape_yx
        return height * width * self.samples * np.dtype(self.sample_type).itemsize

    @property
    def tile_type(self) -> str:
        """Type of the result of `tile_pixels`."""
        return {"bool": "uint8", "int16": "uint16", "float16": "float32", "float64": "float32"}.get(
            self.sample_type, self.sample_type
        )

    @property
    def gray_type(self) -> str:
        """Type of the result of `gray_pixels`."""
        return GRAY_TYPES.get(self.sample_type, self.sample_type)

    @property
    def is_gray_as_stored(self) -> bool:
        """Whether a plane of a volume has these samples unchanged."""
        return self.samples == 1 and self.photometric in _GRAY and self.gray_type == self.sample_type

    @property
    def may_have_colours(self) -> bool:
        """Whether only the pixels show if the image is gray."""
        if self.palette is not None:
            return bool((self.palette != self.palette[:, :1]).any())
        return self.photometric not in _GRAY


def tile_pixels(samples: Image, head: ImageHead) -> Image:
    """Convert samples to pixels as the render service does.

    White-is-zero is ignored, palette images give their index, 1-bit images 0 and 1 (but TIFFs of 1 bit
    0 and 255, as ImageJ has them), signed 16-bit samples are raised by 32768 as ImageJ does, alpha
    channels are dropped, and CMYK becomes RGB.

    Parameters
    ----------
    samples : ndarray, shape (height, width) or (height, width, samples)

    Returns
    -------
    ndarray of uint8, uint16 or float32, shape (height, width), or of uint8, shape (height, width, 3)

    Raises
    ------
    ImageError
        Other samples, or colours of other kinds.
    """
    if head.sample_type == "bool":
        samples = np.where(samples, np.uint8(255 if head.is_tiff else 1), np.uint8(0))
    elif head.sample_type == "int16":
        samples = samples.view(np.uint16) ^ np.uint16(0x8000)
    elif head.sample_type in ("float16", "float64"):
        samples = samples.astype(np.float32)
    if samples.dtype.name not in TILE_TYPES:
        raise ImageError(
            f"has {head.sample_type} samples; tiles have 8 or 16 bit: "
            "save it as uint8, uint16 or int16, with the gray values that are to be seen"
        )
    if head.photometric == "separated":
        samples = _rgb_of_cmyk(samples, head)
    elif head.photometric not in (*_GRAY, "palette", "rgb"):
        raise ImageError(f"has colours of kind {head.photometric}; save it as gray or RGB")
    elif not head.is_tiff and head.samples == 2:
        samples = _as_srgb(samples)
    pixels = _without_alpha(samples)
    if pixels.ndim == 3 and (pixels.shape[2] != 3 or pixels.dtype != np.uint8):
        raise ImageError(f"has {pixels.shape[2]} channels of {pixels.dtype}; colour images have 3 of uint8")
    return pixels


def gray_pixels(samples: Image, head: ImageHead) -> Image:
    """Convert samples to gray values, or labels, of a volume.

    White-is-zero is ignored, alpha channels are dropped, and 1 bit gives 0 and 255. Palettes, RGB and CMYK
    give their gray values where all colours are gray. The types change as `GRAY_TYPES` says.

    Parameters
    ----------
    samples : ndarray, shape (height, width) or (height, width, samples)

    Returns
    -------
    ndarray of `head.gray_type`, shape (height, width)

    Raises
    ------
    ImageError
        Colours that are not gray, negative labels of 64 bit.
    """
    if head.photometric == "palette":
        samples = _gray_of(_colours_of(_without_alpha(samples), head))
    elif head.photometric == "separated":
        samples = _gray_of(_rgb_of_cmyk(samples, head))
    elif head.photometric == "rgb" or samples.ndim == 3:
        refuse_colours(head)
        samples = _gray_of(_without_alpha(samples))
    if samples.dtype == bool:
        return np.where(samples, np.uint8(255), np.uint8(0))
    if samples.dtype == np.int64 and samples.size and samples.min() < 0:
        raise ImageError("has labels below 0; save it as int32, or with labels from 0 on")
    return samples.astype(head.gray_type, copy=False)


def refuse_colours(head: ImageHead) -> None:
    """Raise ImageError for colours that cannot be gray, as far as the head shows."""
    if head.photometric not in (*_GRAY, "palette", "rgb", "separated"):
        raise ImageError(f"has colours of kind {head.photometric}; save it as gray")
    if head.photometric in _GRAY and head.samples > 2:
        raise ImageError(f"has {head.samples} channels in each pixel; save each channel as a file of its own")


def _colours_of(indices: Image, head: ImageHead) -> Image:
    palette = head.palette
    if palette is None or (indices.size and int(indices.max()) >= len(palette)):
        raise ImageError("is damaged: it has samples that its palette does not name")
    return palette[indices]


def _gray_of(colours: Image) -> Image:
    """The common value of all channels; ImageError where they differ."""
    if colours.ndim == 2:
        return colours
    first = colours[..., 0]
    if any(not np.array_equal(first, colours[..., channel]) for channel in range(1, colours.shape[2])):
        raise ImageError("has colours; planes are gray: split the channels, or convert it to 8-bit gray")
    return first


def _rgb_of_cmyk(samples: Image, head: ImageHead) -> Image:
    """Remaining light of inks: (255 - ink) x (255 - black) / 255, halves up."""
    if samples.ndim != 3 or samples.shape[2] < 4 or samples.dtype != np.uint8:
        raise ImageError(f"has {head.samples} inks of {head.sample_type}; save it as gray or RGB of 8 bit")
    light = 255 - samples[..., :4].astype(np.uint16)
    product = light[..., :3] * light[..., 3:]  # at most 255 x 255: fits
    return ((product.astype(np.uint32) * 2 + 255) // 510).astype(np.uint8)


def _as_srgb(image: Image) -> Image:
    """Gray values of linear light as sRGB: how Java converts 8-bit gray images with an alpha channel.

    Curve: IEC 61966-2-1, the standard of sRGB.
    """
    light = np.arange(256) / 255
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.floor(curve * 255 + 0.5).astype(np.uint8)[image[..., 0]]


def _without_alpha(image: Image) -> Image:
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image = np.ascontiguousarray(image[..., : image.shape[2] - 1])
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
