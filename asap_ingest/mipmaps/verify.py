"""Reads images and their levels: whether levels exist, can be decoded, and have the right size and type."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.images.downsample import level_shape
from asap_ingest.images.pixels import ImageHead
from asap_ingest.mipmaps.tile_images import Source

#: Samples that levels may have.
SAMPLE_TYPES = ("uint8", "uint16")


class Fault(NamedTuple):
    """A faulty file, and the reason."""

    file: str
    reason: str


def faults_of(
    uris: Sequence[str], shape_yx: tuple[int, int] | None, sample_type: str | None = None
) -> list[Fault]:
    """Faults of levels 1, 2, ... of one image: every file is read and decoded.

    Parameters
    ----------
    shape_yx : tuple of int or None
        (height, width) of level 0; None where the tilespec lacks it.
    sample_type : str or None
        Of `SAMPLE_TYPES`; None: any of them, but the same for all levels.
    """
    allowed = SAMPLE_TYPES if sample_type is None else (sample_type,)
    faults = []
    for level, uri in enumerate(uris, start=1):
        try:
            image = formats.decode(storage.read_bytes(uri), strips_only=True)
        except (StorageError, ImageError) as error:
            faults.append(Fault(uri, reason_of(error)))
            continue
        expected = image.shape[:2] if shape_yx is None else level_shape(shape_yx, level)
        if image.shape[:2] != expected:
            faults.append(Fault(uri, f"is {_size(image.shape)}, must be {_size(expected)}"))
        elif str(image.dtype) not in allowed:
            faults.append(Fault(uri, f"has {image.dtype} samples, must have {' or '.join(allowed)}"))
        else:
            allowed = (str(image.dtype),)
    return faults


def level_0_head(source: Source) -> ImageHead:
    """Size and sample type of a level 0, from its header; pixels are not decoded.

    Raises
    ------
    StorageError, ImageError
    """
    with opened(source.uri) as file:
        return formats.read_head(file, source.page_index)


@contextmanager
def opened(uri: str) -> Iterator[formats.OpenFile]:
    """Open an image file: a local one in place, so that it is read in part; others are read as a whole.

    Raises
    ------
    StorageError
        Also for errors of a local file inside of the block.
    """
    path = storage.local_path(uri)
    try:
        if path is None or not path.is_file():
            with io.BytesIO(storage.read_bytes(uri)) as content:  # raises the right error for a path
                yield content
        else:
            with path.open("rb") as file:
                yield file
    except OSError as error:
        raise StorageError(uri, error.strerror or str(error)) from error


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def reason_of(error: StorageError | ImageError) -> str:
    """What is wrong with a file, without its URI."""
    return error.problem if isinstance(error, StorageError) else str(error)
