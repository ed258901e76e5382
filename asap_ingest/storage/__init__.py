"""Bytes at a path or URI: read, write as a whole, look up, list.

A local file may be named as a path, `file:/path` or `file:///path` (percent-encoded); any other
scheme (`s3://bucket/key`) goes through fsspec, with the options that `options` gives.
"""

from __future__ import annotations

from asap_ingest.errors import MissingFileError, StorageError
from asap_ingest.storage import local, remote
from asap_ingest.storage.remote import options
from asap_ingest.storage.uris import as_uri, join, local_path, parent

__all__ = [
    "as_uri",
    "ensure_writable_folder",
    "file_names_in",
    "is_folder",
    "join",
    "local_path",
    "modified_time",
    "names_and_times",
    "names_in",
    "options",
    "parent",
    "read_bytes",
    "remove",
    "remove_folder",
    "write_bytes",
]


def read_bytes(uri: str) -> bytes:
    """All bytes of a file.

    Raises
    ------
    MissingFileError, StorageError
    """
    path = local_path(uri)
    if path is None:
        return remote.read_bytes(uri)
    try:
        return local.read_bytes(path)
    except FileNotFoundError as error:
        raise MissingFileError(uri) from error
    except OSError as error:
        raise StorageError(uri, _reason(error)) from error


def write_bytes(uri: str, *parts: bytes | memoryview) -> None:
    """Write a file, given in one part or more, as a whole: readers see the old bytes or the new, never half.

    A write that fails leaves nothing. A killed process leaves no trace in object stores, or where
    the file system knows unnamed files (Linux, O_TMPFILE); elsewhere (NFS) a hidden `.part` file
    may stay.

    Raises
    ------
    StorageError
    """
    path = local_path(uri)
    if path is None:
        remote.write_bytes(uri, b"".join(parts))
        return
    try:
        local.write_bytes(path, *parts)
    except OSError as error:
        raise StorageError(uri, f"cannot be written: {_reason(error)}") from error


def remove(uri: str) -> None:
    """Remove a file; fine when there is none.

    Raises
    ------
    StorageError
    """
    path = local_path(uri)
    if path is None:
        remote.remove(uri)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(uri, f"cannot be removed: {_reason(error)}") from error


def remove_folder(folder: str) -> None:
    """Remove a folder and all that lies below; fine when there is none.

    Raises
    ------
    StorageError
    """
    path = local_path(folder)
    if path is None:
        remote.remove_folder(folder)
        return
    try:
        local.remove_folder(path)
    except OSError as error:
        raise StorageError(folder, f"cannot be removed: {_reason(error)}") from error


def modified_time(uri: str) -> float | None:
    """Seconds since the epoch of the last change; None where nothing lies."""
    path = local_path(uri)
    if path is None:
        return remote.modified_time(uri)
    try:
        return path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(uri, _reason(error)) from error


def names_in(folder: str) -> set[str]:
    """Names of the files and folders directly in a folder; empty where there is no folder."""
    path = local_path(folder)
    if path is None:
        return remote.names_in(folder)
    try:
        return local.names_in(path)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StorageError(folder, _reason(error)) from error


def file_names_in(folder: str) -> set[str]:
    """Names of the regular files directly in a folder, links to such too; empty where there is no folder.

    Raises
    ------
    StorageError
    """
    path = local_path(folder)
    if path is None:
        return remote.file_names_in(folder)
    try:
        return local.file_names_in(path)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StorageError(folder, _reason(error)) from error


def names_and_times(folder: str) -> dict[str, float]:
    """Names of the files directly in a folder, with the seconds since the epoch of their last change.

    One listing, not a question per file; empty where there is no folder.
    """
    path = local_path(folder)
    if path is None:
        return remote.names_and_times(folder)
    try:
        return local.names_and_times(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StorageError(folder, _reason(error)) from error


def is_folder(uri: str) -> bool:
    """Whether a folder lies there; in an object store, whether anything lies below."""
    path = local_path(uri)
    return remote.is_folder(uri) if path is None else path.is_dir()


def ensure_writable_folder(folder: str) -> None:
    """Make the folder if needed, and find out now, not after an hour, that it cannot be written.

    Raises
    ------
    StorageError
    """
    path = local_path(folder)
    if path is None:
        remote.ensure_writable_folder(folder)
        return
    try:
        local.ensure_writable_folder(path)
    except OSError as error:
        raise StorageError(folder, f"cannot be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
