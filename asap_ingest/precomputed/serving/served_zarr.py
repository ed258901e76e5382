"""Which files an OME-Zarr volume (version 3 of zarr) consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from asap_ingest.precomputed.info import ZARR
from asap_ingest.precomputed.serving.served_names import (
    DescriptionError,
    ServedFile,
    description_file,
    is_plain_path,
)

_PREFIXES = {"default": "c", "v2": ""}
_SEPARATORS = {"default": "/", "v2": "."}


@dataclass(frozen=True)
class ArrayNames:
    """Names of the chunks of one array."""

    path: str
    counts: tuple[int, ...]
    prefix: str
    separator: str

    def has(self, name: str) -> bool:
        """Whether a name, below the array's path, is that of a chunk."""
        indices = name.split(self.separator)
        if self.prefix and indices.pop(0) != self.prefix:
            return False
        return len(indices) == len(self.counts) and all(map(_is_index, indices, self.counts))


def _is_index(text: str, count: int) -> bool:
    # in one spelling only
    return text.isdecimal() and len(text) < 12 and str(int(text)) == text and int(text) < count


class ZarrNames:
    """The files that the `zarr.json` of a multiscale group and of its arrays imply.

    Parameters
    ----------
    read : callable
        Gives the JSON of a file by its name.

    Raises
    ------
    DescriptionError
        For a group without multiscales, or whose paths lead elsewhere.
    """

    def __init__(self, read: Callable[[str], Any]) -> None:
        try:
            paths = paths_of(read(ZARR))
            self.arrays = [_array(path, read(_below(path, ZARR))) for path in paths]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
            raise DescriptionError(
                f"{ZARR} does not describe a volume: {type(error).__name__} {error}"
            ) from error
        folders = {"", *(folder for path in paths for folder in _folders(path))}
        self._descriptions = {_below(folder, ZARR) for folder in folders}

    def find(self, name: str) -> ServedFile | None:
        """The file that a name stands for; None when the volume has no such file."""
        if name in self._descriptions:
            return description_file(name)
        for array in self.arrays:
            prefix = _below(array.path, "")
            if name.startswith(prefix) and array.has(name.removeprefix(prefix)):
                return ServedFile(name)
        return None

    def samples(self) -> Iterator[tuple[str, ServedFile]]:
        """None: chunks of zarr are compressed."""
        return iter(())


def paths_of(group: Any) -> list[str]:
    """Paths of the arrays, finest first; that of a lone array is empty."""
    if group["node_type"] == "array":
        return [""]
    multiscales = group["attributes"].get("ome", {}).get("multiscales")
    if not multiscales:
        raise DescriptionError(f"{ZARR} is of a group without multiscales of OME-Zarr 0.5")
    paths = [dataset["path"] for dataset in multiscales[0]["datasets"]]
    for path in paths:
        if not is_plain_path(path):
            raise DescriptionError(
                f"{ZARR} has the path {path!r}: arrays lie in the group, without '..' and hidden names"
            )
    return paths


def _array(path: str, array: Any) -> ArrayNames:
    chunk = array["chunk_grid"]["configuration"]["chunk_shape"]
    encoding = array["chunk_key_encoding"]
    name = encoding["name"]
    separator = encoding.get("configuration", {}).get("separator", _SEPARATORS[name])
    return ArrayNames(path, _counts(array["shape"], chunk), _PREFIXES[name], separator)


def _counts(shape: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-int(size) // int(length)) for size, length in zip(shape, chunk, strict=True))


def _folders(path: str) -> Iterator[str]:
    """A path and the folders above it."""
    parts = path.split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
