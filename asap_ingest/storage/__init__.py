"""Bytes at a path or URI: read, write as a whole, list.

A local file may be named as a path, `file:/path` or `file:///path` (percent-encoded); any other
scheme (`s3://bucket/key`) goes through fsspec, with the options of the enclosing `options` block. Errors
are a `MissingFileError` or `StorageError` that names the file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from asap_ingest.errors import MissingFileError, StorageError
from asap_ingest.storage import local, remote
from asap_ingest.storage.remote import ReaderThreads, current_options, options
from asap_ingest.storage.uris import as_uri, join, local_path, parent

__all__ = [
    "ReaderThreads",
    "as_uri",
    "current_options",
    "ensure_writable_folder",
    "file_names_in",
    "is_folder",
    "join",
    "local_path",
    "modified_time",
    "names_and_stamps",
    "names_in",
    "options",
    "parent",
    "read_bytes",
    "read_parts",
    "remove",
    "remove_folder",
    "write_bytes",
]

P = ParamSpec("P")
Value = TypeVar("Value")


def _dispatched(
    on_disk: Callable[Concatenate[Path, P], Value],
    elsewhere: Callable[Concatenate[str, P], Value],
    problem: str = "",
) -> Callable[Concatenate[str, P], Value]:
    """An operation on a path or URI, made of one on local files and one on others.

    `problem` begins the message of an error on a local file; operations that change files have one.
    """

    @wraps(on_disk)
    def operation(uri: str, *args: P.args, **kwargs: P.kwargs) -> Value:
        path = local_path(uri)
        if path is None:
            return elsewhere(uri, *args, **kwargs)
        try:
            return on_disk(path, *args, **kwargs)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not problem:
                raise MissingFileError(uri) from error
            raise StorageError(uri, problem + (error.strerror or str(error))) from error

    return operation


read_bytes = _dispatched(local.read_bytes, remote.read_bytes)
read_parts = _dispatched(local.read_parts, remote.read_parts)
write_bytes = _dispatched(local.write_bytes, remote.write_bytes, "cannot be written: ")
remove = _dispatched(local.remove, remote.remove, "cannot be removed: ")
remove_folder = _dispatched(local.remove_folder, remote.remove_folder, "cannot be removed: ")
modified_time = _dispatched(local.modified_time, remote.modified_time)
names_in = _dispatched(local.names_in, remote.names_in)
file_names_in = _dispatched(local.file_names_in, remote.file_names_in)
names_and_stamps = _dispatched(local.names_and_stamps, remote.names_and_stamps)
is_folder = _dispatched(local.is_folder, remote.is_folder)
ensure_writable_folder = _dispatched(
    local.ensure_writable_folder, remote.ensure_writable_folder, "cannot be written: "
)
