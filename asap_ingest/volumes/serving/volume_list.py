"""Search for volumes: a folder itself, or the folders below it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from asap_ingest.errors import VolumeError
from asap_ingest.volumes.info import INFO, ZARR
from asap_ingest.volumes.serving.precomputed_volume import open_precomputed
from asap_ingest.volumes.serving.served_volume import DescriptionError, ServedVolume
from asap_ingest.volumes.serving.zarr_volume import is_bare_group, open_zarr, version_of

SERVED_FORMATS = ("raw", "sharded", "tiff", "zarr")
#: Levels of folders that are searched.
_DEEPEST = 3
_log = logging.getLogger(__name__)


def find_volumes(folder: Path, chunk_format: str | None = None) -> Mapping[str, ServedVolume]:
    """Volumes by their paths in the address: that of the folder itself is empty.

    A folder that is not a volume may have volumes below it; those that cannot be served are logged.

    Raises
    ------
    VolumeError
        There is no volume, it is of another format, or it cannot be served.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise VolumeError(str(folder), "there is no such folder")
    if _is_volume(root):
        volumes = [*_with_labels(open_volume(root, chunk_format))]
    else:
        volumes = [*_below(root, root, "", chunk_format)]
    if not volumes and version_of(root) is not None:
        open_volume(root, chunk_format)  # raises why this is not a volume
    if not volumes:
        raise VolumeError(
            str(folder),
            f"holds no volume, and none lies {_DEEPEST} levels down: neither {INFO} nor {ZARR} nor .zgroup; "
            "was it written to its end?",
        )
    return {volume.name: volume for volume in volumes}


def open_volume(root: Path, chunk_format: str | None = None, name: str = "") -> ServedVolume:
    """Read the metadata of a volume; without `chunk_format` its format is detected.

    Raises
    ------
    VolumeError
        There is no volume, it is of another format, or it cannot be served.
    """
    folder = root.resolve()
    version = version_of(folder)
    try:
        if (folder / INFO).is_file() or version is None:
            volume = open_precomputed(folder, chunk_format)
        else:
            volume = open_zarr(folder, version)
    except DescriptionError as error:
        raise VolumeError(str(root), str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        problem = f"{INFO if version is None else 'its zarr metadata'} does not describe a volume"
        raise VolumeError(str(root), f"{problem}: {type(error).__name__} {error}") from error
    if chunk_format not in (None, volume.chunk_format):
        raise VolumeError(str(root), f"holds a volume of format {volume.chunk_format}, not {chunk_format}")
    return replace(volume, name=name)


def _is_volume(folder: Path) -> bool:
    version = version_of(folder)
    return (folder / INFO).is_file() or not (version is None or is_bare_group(folder, version))


def _with_labels(image: ServedVolume) -> Iterator[ServedVolume]:
    """A volume, and the label volumes that OME-Zarr keeps in it."""
    yield image
    for path in image.labels:
        folder = image.root / path
        yield from _opened(image.root, folder, f"{image.name}/{path}".lstrip("/"), image.chunk_format)


def _below(
    top: Path, folder: Path, name: str, chunk_format: str | None, depth: int = 0
) -> Iterator[ServedVolume]:
    try:
        entries = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()]
        visible = [(entry, _is_volume(entry)) for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        _log.warning("%s cannot be read: %s", error.filename or folder, error.strerror)
        return
    for entry, is_volume in visible:
        path = f"{name}/{entry.name}".lstrip("/")
        if not entry.resolve().is_relative_to(top):
            _log.warning("%s leads out of %s to %s: not served", entry, top, entry.resolve())
        elif is_volume:
            for volume in _opened(top, entry, path, chunk_format):
                yield from _with_labels(volume)
        elif depth + 1 < _DEEPEST:
            yield from _below(top, entry, path, chunk_format, depth + 1)


def _opened(top: Path, folder: Path, name: str, chunk_format: str | None) -> Iterator[ServedVolume]:
    """The volume, if it can be served; else a line of the log, and its neighbours are served."""
    try:
        if not folder.resolve().is_relative_to(top):
            raise VolumeError(str(folder), f"leads out of {top} to {folder.resolve()}")
        yield open_volume(folder, chunk_format, name)
    except VolumeError as error:
        _log.warning("%s: not served", error)
