"""Files of other schemes (`s3://bucket/key`), through fsspec.

Object stores have no folders: a folder is the part that keys have in common up to a slash. An object is
uploaded in one request, so it appears completely or not at all.
"""

from __future__ import annotations

import io
import logging
import posixpath
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from datetime import datetime
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

from asap_ingest.errors import AsapIngestError, MissingFileError, StorageError
from asap_ingest.secrets import is_masked, masked
from asap_ingest.storage.remote_errors import as_storage_error, is_interruption, is_missing_file

Value = TypeVar("Value")

logger = logging.getLogger(__name__)

#: Seconds before each repetition of a transfer that broke off; botocore repeats requests that fail.
_PAUSES = (0.2, 1.0)

#: Bytes of a request where parts of a file are read: enough for the header of most images.
_PART_SIZE = 1 << 16

_S3_SCHEMES = ("s3", "s3a")
_S3_RETRIES_AND_TIMEOUTS = {
    "retries": {"max_attempts": 5, "mode": "standard"},
    "connect_timeout": 10,
    "read_timeout": 60,
}
# s3fs sends files in parts from twice this size on, 5 GiB, which is S3's limit of one request. Below that, a
# killed upload leaves no parts, which would be invisible and paid for.
_S3_UPLOAD = {"chunksize": 5 << 29}

#: What fsspec's file systems call the time of the last change in their listings.
_TIME_KEYS = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")

_options: ContextVar[Mapping[str, Any]] = ContextVar("storage_options", default=MappingProxyType({}))


@contextmanager
def options(options: Mapping[str, Any] | None) -> Iterator[None]:
    """Use fsspec options for files of schemes other than `file:` inside the block.

    Parameters
    ----------
    options : mapping or None
        For S3 for instance `{"endpoint_url": "http://127.0.0.1:9000"}`. Options below the name of a
        scheme, `{"s3": {...}}`, are for that scheme alone. They apply to this thread, to `ReaderThreads`
        and to the jobs of executors, and replace those of an enclosing block.
    """
    token = _options.set(options or {})
    try:
        yield
    finally:
        _options.reset(token)


def current_options() -> Mapping[str, Any]:
    """The options of the innermost block of `options`."""
    return _options.get()


class ReaderThreads(ThreadPoolExecutor):
    """A thread pool whose calls use the storage options of the thread that submits them."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(copy_context().run, fn, *args, **kwargs)


def read_bytes(uri: str) -> bytes:
    return _attempt(uri, lambda filesystem, name: bytes(filesystem.cat_file(name)))


def read_parts(uri: str, read: Callable[[BinaryIO], Any]) -> Any:
    def opened(filesystem: Any, name: str) -> Any:
        with filesystem.open(name, "rb", block_size=_PART_SIZE) as file:
            if getattr(file, "size", None) is None:  # a web server that does not send parts
                return read(io.BytesIO(file.read()))
            return _read_by(read, file)

    return _attempt(uri, opened)


def _read_by(read: Callable[[BinaryIO], Value], file: BinaryIO) -> Value:
    """Return `read(file)`; raise the error of a transfer that broke off as it is, so that it is repeated."""
    try:
        return read(file)
    except AsapIngestError as error:  # such as the ImageError of a reader that took it for a damaged file
        if isinstance(error.__cause__, Exception) and is_interruption(error.__cause__):
            raise error.__cause__ from error
        raise


def write_bytes(uri: str, *parts: bytes | memoryview) -> None:
    upload = _S3_UPLOAD if _scheme(uri) in _S3_SCHEMES else {}
    content = b"".join(parts)
    try:
        _attempt(uri, lambda filesystem, name: filesystem.pipe_file(name, content, **upload))
    except StorageError as error:
        raise StorageError(uri, f"cannot be written: {error.problem}") from error


def remove(uri: str) -> None:
    with suppress(MissingFileError):
        _attempt(uri, lambda filesystem, name: filesystem.rm_file(name))


def remove_folder(folder: str) -> None:
    if is_folder(folder):
        _attempt(folder, lambda filesystem, name: filesystem.rm(name, recursive=True))


def modified_time(uri: str) -> float | None:
    def look_up(filesystem: Any, name: str) -> float:
        try:
            return _seconds(filesystem.modified(name))
        except NotImplementedError:  # HTTP servers give no times: a file that exists counts as old
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


def names_and_stamps(folder: str) -> dict[str, tuple[float, int]]:
    return {
        name: (_time_of(folder, name, entry), int(entry.get("size") or 0))
        for name, entry in _listing(folder)
        if entry["type"] == "file"
    }


def is_folder(uri: str) -> bool:
    return bool(_listing(uri))


def ensure_writable_folder(folder: str) -> None:
    """Write a small object and remove it: a wrong bucket or denied access is an error before the work."""
    probe = f"{folder.rstrip('/')}/.{uuid.uuid4().hex}.probe"

    try:
        write_bytes(probe, b"probe")
    except StorageError as error:
        raise StorageError(folder, error.problem) from error
    try:
        remove(probe)
    except StorageError as error:  # permission to add objects is enough for the work
        problem = masked(error.problem)
        logger.warning("%s, written to test access, cannot be removed: %s", masked(probe), problem)


def _listing(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, fsspec's record) of each entry of a folder; empty if there is no folder."""

    def listed(filesystem: Any, name: str) -> list[tuple[str, dict[str, Any]]]:
        filesystem.invalidate_cache(name)  # other processes write too
        root = name.rstrip("/")
        entries = [(entry["name"].rstrip("/"), entry) for entry in filesystem.ls(name, detail=True)]
        # listing a file gives the file itself; some tools represent a folder by an empty object of its name
        return [(posixpath.basename(path), entry) for path, entry in entries if path != root]

    try:
        return _attempt(folder, listed)
    except MissingFileError:
        return []


def _time_of(folder: str, name: str, entry: Mapping[str, Any]) -> float:
    for key in _TIME_KEYS:
        if entry.get(key):
            return _seconds(entry[key])
    return modified_time(f"{folder.rstrip('/')}/{name}") or 0.0


def _seconds(when: Any) -> float:
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    return float(when.timestamp() if isinstance(when, datetime) else when)


def _attempt(uri: str, operation: Callable[[Any, str], Value]) -> Value:
    """Return `operation(filesystem, name)` for a URI; repeat it if a transfer broke off.

    Raises
    ------
    MissingFileError, StorageError
    """
    for pause in (*_PAUSES, None):
        try:
            return operation(*_filesystem(uri))
        except AsapIngestError:
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
    """The file system of the URI's scheme, which fsspec caches, and the file's name in it."""
    import fsspec

    if is_masked(uri):
        raise StorageError(uri, "outputs do not hold user and password; give them in storage_options")
    scheme = _scheme(uri)
    given = _options_for(scheme)
    if scheme not in _S3_SCHEMES:
        return fsspec.core.url_to_fs(uri, **given)
    given["config_kwargs"] = {**_S3_RETRIES_AND_TIMEOUTS, **given.get("config_kwargs", {})}
    # one request per read: otherwise s3fs requests the size first
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
