"""Files of other schemes (`s3://bucket/key`), through fsspec.

Object stores have no folders: a folder is what keys have in common up to a slash. An object is
uploaded in one request, so it is there as a whole or not at all.
"""

from __future__ import annotations

import logging
import posixpath
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from asap_ingest.errors import MissingFileError, StorageError
from asap_ingest.secrets import is_masked, masked
from asap_ingest.storage.remote_errors import as_storage_error, is_interruption, is_missing_file

Value = TypeVar("Value")

logger = logging.getLogger(__name__)

#: Seconds before a transfer that was cut off is tried again; requests that fail are repeated by botocore.
_PAUSES = (0.2, 1.0)

_S3_SCHEMES = ("s3", "s3a")
_S3_RETRIES_AND_TIMEOUTS = {
    "retries": {"max_attempts": 5, "mode": "standard"},
    "connect_timeout": 10,
    "read_timeout": 60,
}
# Up to 5 GiB (what S3 takes) go up in one request: parts of an upload that was killed would stay, unseen
# and paid for. s3fs sends parts from twice this size.
_S3_UPLOAD = {"chunksize": 5 << 29}

#: What file systems call the time of the last change in their listings.
_TIME_KEYS = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")

_options: ContextVar[Mapping[str, Any]] = ContextVar("storage_options", default=MappingProxyType({}))


@contextmanager
def options(options: Mapping[str, Any] | None) -> Iterator[None]:
    """Inside, files of schemes other than `file:` are reached with these fsspec options.

    Parameters
    ----------
    options : mapping or None
        For S3 for instance `{"endpoint_url": "http://127.0.0.1:9000"}`. Options below the name of a
        scheme, `{"s3": {...}}`, are for that scheme alone. They hold for this thread, and replace those
        of an outer `options`.
    """
    token = _options.set(options or {})
    try:
        yield
    finally:
        _options.reset(token)


def read_bytes(uri: str) -> bytes:
    def read(filesystem: Any, name: str) -> bytes:
        return bytes(filesystem.cat_file(name))

    return _attempt(uri, read)


def write_bytes(uri: str, content: bytes) -> None:
    upload = _S3_UPLOAD if _scheme(uri) in _S3_SCHEMES else {}

    def write(filesystem: Any, name: str) -> None:
        filesystem.pipe_file(name, content, **upload)

    try:
        _attempt(uri, write)
    except StorageError as error:
        raise StorageError(uri, f"cannot be written: {error.problem}") from error


def remove(uri: str) -> None:
    def remove_file(filesystem: Any, name: str) -> None:
        filesystem.rm_file(name)

    with suppress(MissingFileError):
        _attempt(uri, remove_file)


def remove_folder(folder: str) -> None:
    def remove_all(filesystem: Any, name: str) -> None:
        filesystem.rm(name, recursive=True)

    if is_folder(folder):
        _attempt(folder, remove_all)


def modified_time(uri: str) -> float | None:
    def look_up(filesystem: Any, name: str) -> float:
        try:
            return _seconds(filesystem.modified(name))
        except NotImplementedError:  # HTTP tells no times: what lies there counts as old
            filesystem.info(name)
            return 0.0

    try:
        return _attempt(uri, look_up)
    except MissingFileError:
        return None


def names_in(folder: str) -> set[str]:
    return {name for name, _ in _listing(folder)}


def file_names_in(folder: str) -> set[str]:
    return {name for name, entry in _listing(folder) if entry["type"] == "file"}


def names_and_times(folder: str) -> dict[str, float]:
    return {
        name: _time_of(folder, name, entry) for name, entry in _listing(folder) if entry["type"] == "file"
    }


def is_folder(uri: str) -> bool:
    return bool(_listing(uri))


def ensure_writable_folder(folder: str) -> None:
    """Write a small object and remove it: a wrong bucket or a denied access shows before the work."""
    probe = f"{folder.rstrip('/')}/.{uuid.uuid4().hex}.probe"

    try:
        write_bytes(probe, b"probe")
    except StorageError as error:
        raise StorageError(folder, error.problem) from error
    try:
        remove(probe)
    except StorageError as error:  # who may only add objects can do the work
        logger.warning(
            "%s: the object that tried the access cannot be removed: %s", masked(probe), masked(error.problem)
        )


def _listing(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, fsspec's record) of what lies directly in a folder; empty where nothing does."""

    def listed(filesystem: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
        filesystem.invalidate_cache(name)  # other processes write too
        root = name.rstrip("/")
        entries = [(entry["name"].rstrip("/"), entry) for entry in filesystem.ls(name, detail=True)]
        # a file is listed as itself, and so is the empty object that some tools put where a folder is
        return [(posixpath.basename(found), entry) for found, entry in entries if found != root]

    try:
        return _attempt(folder, listed)
    except MissingFileError:
        return []


def _time_of(folder: str, name: str, entry: Mapping[str, Any]) -> float:
    times = (entry[key] for key in _TIME_KEYS if entry.get(key))
    found = next(times, None)
    if found is not None:
        return _seconds(found)
    return modified_time(f"{folder.rstrip('/')}/{name}") or 0.0


def _seconds(when: Any) -> float:
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    return float(when.timestamp() if isinstance(when, datetime) else when)


def _attempt(uri: str, operation: Callable[[Any, str], Value]) -> Value:
    """Run `operation(filesystem, name)`, again where a transfer was cut off.

    Raises
    ------
    MissingFileError, StorageError
    """
    for pause in (*_PAUSES, None):
        try:
            return operation(*_filesystem(uri))
        except StorageError:
            raise
        except Exception as error:
            if is_missing_file(error):
                raise MissingFileError(uri) from error
            if pause is None or not is_interruption(error):
                raise as_storage_error(uri, error) from error
            logger.warning("%s; tried again", as_storage_error(uri, error))
            time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _filesystem(uri: str) -> tuple[Any, str]:
    """fsspec's file system for the scheme, which it keeps, and the name in it."""
    import fsspec

    if is_masked(uri):
        raise StorageError(uri, "outputs do not tell user and password; give them in storage_options")
    scheme = _scheme(uri)
    given = _options_for(scheme)
    if scheme not in _S3_SCHEMES:
        return fsspec.core.url_to_fs(uri, **given)
    given["config_kwargs"] = {**_S3_RETRIES_AND_TIMEOUTS, **given.get("config_kwargs", {})}
    # one request per read: without this s3fs asks for the size before
    filesystem, name = fsspec.core.url_to_fs(uri, **{"max_concurrency": 1, **given})
    filesystem.retries = 1  # botocore's retries are enough: s3fs would multiply them by 25
    return filesystem, name


def _options_for(scheme: str) -> dict[str, Any]:
    from fsspec.registry import known_implementations

    given = _options.get()
    general = {key: value for key, value in given.items() if key not in known_implementations}
    return {**general, **given.get(scheme, {})}


def _scheme(uri: str) -> str:
    return uri.partition(":")[0].lower()
