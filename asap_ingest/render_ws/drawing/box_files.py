"""Boxes that were drawn in advance: files below a folder that the stack names.

`root/1024x1024/0/3407.0/12/7.png` is the box of row 12 and column 7 of level 0; the folder of a layer may
also be named `3407`. Clients choose the root, so the checks here decide what they can read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.wire.java_numbers import double_text
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

#: First bytes of a file by extension; other files are not sent.
STARTS = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
#: Below this, a whole z has the same digits as a float and as an integer.
_LARGEST_WHOLE_Z = 1e15


def box_paths(*, width: int, height: int, level: int, z: float, row: int, column: int) -> list[str]:
    """Possible paths of a box of `width` x `height` pixels, relative to the root, without extension."""
    layers = [double_text(z)]
    if abs(z) < _LARGEST_WHOLE_Z and z == int(z):
        layers.append(str(int(z)))
    return [f"{width}x{height}/{level}/{layer}/{row}/{column}" for layer in layers]


def read_box_file(root: str, paths: Iterable[str], extension: str, images: SourceImages) -> bytes | None:
    """The content of the file of a box, None without a file.

    Parameters
    ----------
    root : str
        `materializedBoxRootPath` of the stack.
    paths : iterable of str
        As of `box_paths`.
    extension : str
        Key of `STARTS`.
    images : SourceImages
        Knows the folders that images may be read from.

    Raises
    ------
    IllegalArgumentError
        If the root is outside these folders, a symbolic link leads out of the root, or the file does not have
        the format of its extension.
    """
    if "\0" in root:
        raise IllegalArgumentError("materializedBoxRootPath holds a zero byte")
    folder = Path(os.path.realpath(images.allowed(Path(root), root)))
    for relative_path in paths:
        file = f"{relative_path}.{extension}"
        path, what = Path(os.path.realpath(folder / file)), f"{root}/{file}"
        if not path.is_relative_to(folder):
            raise images.file_error(what, f"box file '{folder / file}' leads out of its root")
        try:
            if path.is_file():
                return _image_bytes(path, what, STARTS[extension], images)
        except OSError as error:
            raise images.file_error(what, f"box file '{path}' cannot be read: {error.strerror}") from error
    return None


def _image_bytes(path: Path, what: str, start: bytes, images: SourceImages) -> bytes:
    with path.open("rb") as file:
        images.check_size(what, f"box file '{path}'", os.fstat(file.fileno()).st_size)
        if file.read(len(start)) != start:
            raise images.file_error(what, f"box file '{path}' is not an image of the format of its extension")
        return start + file.read()
