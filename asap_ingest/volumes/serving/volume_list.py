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
from asap_ingest.volumes.serving.zarr_volume import BareGroupError, open_zarr, version_of

SERVED_FORMATS = ("raw", "sharded", "tiff", "zarr")
#: Levels of folders that are searched.
_DEEPEST = 3
_log = logging.getLogger(__name__)


class NoVolumeError(VolumeError):
    """A folder that is not a volume itself, but may have volumes below it."""


def find_volumes(folder: Path, chunk_format: str | None = None) -> Mapping[str, ServedVolume]:
    """Volumes by name: their path below the folder, empty for the folder itself.

    A folder that is not a volume may have volumes below it; those that cannot be served are logged.

    Raises
    ------
    VolumeError
        There is no volume, it is of another format, or it cannot be served.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise VolumeError(str(folder), "there is no such folder")
    try:
        volumes = [*_with_labels(open_volume(root, chunk_format))]
    except NoVolumeError:
        volumes = [*_below(root, root, "", chunk_format)]
        if not volumes:
            raise
    return {volume.name: volume for volume in volumes}


def open_volume(root: Path, chunk_format: str | None = None, name: str = "") -> ServedVolume:
    """Read the metadata of a volume; without `chunk_format` its format is detected.

    Raises
    ------
    VolumeError
        There is no volume, it is of another format, or it cannot be served.
    """
    folder = root.resolve()
    has_info = False
    try:
        has_info, version = (folder / INFO).is_file(), version_of(folder)
        if not has_info and version is None:
            problem = (
                f"holds no volume, and none lies {_DEEPEST} levels down: neither {INFO} nor {ZARR} nor "
                ".zgroup; was it written to its end?"
            )
            raise NoVolumeError(str(root), problem)
        volume = open_precomputed(folder, chunk_format) if has_info else open_zarr(folder, version or 0)
    except BareGroupError as error:
        raise NoVolumeError(str(root), str(error)) from error
    except DescriptionError as error:
        raise VolumeError(str(root), str(error)) from error
    except OSError as error:
        place = error.filename or root
        raise VolumeError(str(root), f"{place} cannot be read: {error.strerror}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        problem = f"{INFO if has_info else 'its zarr metadata'} does not describe a volume"
        raise VolumeError(str(root), f"{problem}: {type(error).__name__} {error}") from error
    if chunk_format not in (None, volume.chunk_format):
        raise VolumeError(str(root), f"holds a volume of format {volume.chunk_format}, not {chunk_format}")
    return replace(volume, name=name)


def _with_labels(image: ServedVolume) -> Iterator[ServedVolume]:
    """A volume, and the label volumes that OME-Zarr keeps in it."""
    yield image
    for path in image.labels:
        try:
            folder = _inside(image.root, image.root / path)
            yield open_volume(folder, image.chunk_format, f"{image.name}/{path}".lstrip("/"))
        except VolumeError as error:
            _log.warning("%s: not served", error)


def _below(
    top: Path, folder: Path, name: str, chunk_format: str | None, depth: int = 0
) -> Iterator[ServedVolume]:
    """The volumes below a folder whose path below `top` is `name`; those that cannot be served are logged."""
    try:
        entries = [entry for entry in sorted(folder.iterdir()) if entry.is_dir()]
    except OSError as error:
        _log.warning("%s cannot be read: %s", error.filename or folder, error.strerror)
        return
    for entry in entries:
        path = f"{name}/{entry.name}".lstrip("/")
        if entry.name.startswith("."):
            continue
        try:
            yield from _with_labels(open_volume(_inside(top, entry), chunk_format, path))
        except NoVolumeError:
            if depth + 1 < _DEEPEST:
                yield from _below(top, entry, path, chunk_format, depth + 1)
        except VolumeError as error:
            _log.warning("%s: not served", error)


def _inside(top: Path, folder: Path) -> Path:
    """The folder; VolumeError if a link leads out of `top`."""
    if not folder.resolve().is_relative_to(top):
        raise VolumeError(str(folder), f"leads out of {top} to {folder.resolve()}")
    return folder
