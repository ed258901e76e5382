"""Bytes at a path or URI: read, write by rename, look up, list.

A local file may be named as a path, `file:/path` or `file:///path` (percent-encoded); any other
scheme (`s3://bucket/key`) goes through fsspec.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from asap_ingest.errors import MissingFileError, StorageError


def local_path(uri: str) -> Path | None:
    """The local file that a path or `file:` URI names, made absolute; None for other schemes."""
    scheme, separator, rest = uri.partition(":")
    if not separator or "/" in scheme or not scheme.isalnum():
        return Path(os.path.abspath(uri))  # noqa: PTH100 - lexical: symlinks keep their names
    if scheme.lower() != "file":
        return None
    return Path(os.path.abspath(unquote("/" + urlsplit(rest).path.lstrip("/"))))  # noqa: PTH100


def as_uri(path_or_uri: str) -> str:
    """The URI of a path (`file:///...`, percent-encoded); URIs of other schemes stay as they are."""
    path = local_path(path_or_uri)
    return path_or_uri if path is None else path.as_uri()


def join(root: str, *names: str) -> str:
    """Names below a folder given as path or URI; the answer has the root's form."""
    path = root if local_path(root) is None else str(local_path(root))
    return "/".join([path.rstrip("/"), *names])


def parent(uri: str) -> str:
    """The folder of a file given as path or URI."""
    path = local_path(uri)
    return uri.rpartition("/")[0] if path is None else str(path.parent)


def read_bytes(uri: str) -> bytes:
    """All bytes of a file.

    Raises
    ------
    MissingFileError, StorageError
    """
    path = local_path(uri)
    try:
        if path is not None:
            return path.read_bytes()
        filesystem, name = _remote(uri)
        return bytes(filesystem.cat_file(name))
    except FileNotFoundError as error:
        raise MissingFileError(uri) from error
    except OSError as error:
        raise StorageError(uri, _reason(error)) from error


def write_bytes(uri: str, content: bytes) -> None:
    """Write a file as a whole: readers see the old bytes or the new ones, never half.

    A killed process leaves no trace where the file system knows unnamed files (Linux, O_TMPFILE);
    elsewhere (NFS) a hidden `.part` file may stay.
    """
    path = local_path(uri)
    try:
        if path is None:
            filesystem, name = _remote(uri)
            filesystem.pipe_file(name, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not _write_unnamed(path, content):
                _write_and_rename(path, content)
    except OSError as error:
        raise StorageError(uri, f"cannot be written: {_reason(error)}") from error


def modified_time(uri: str) -> float | None:
    """Seconds since the epoch of the last change; None where nothing lies."""
    path = local_path(uri)
    try:
        if path is not None:
            return path.stat().st_mtime
        filesystem, name = _remote(uri)
        return float(filesystem.modified(name).timestamp())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(uri, _reason(error)) from error


def names_in(folder: str) -> set[str]:
    """Names of the files and folders directly in a folder; empty where there is no folder."""
    path = local_path(folder)
    try:
        if path is not None:
            return set(os.listdir(path))  # noqa: PTH208 - one call, no object per file
        filesystem, name = _remote(folder)
        return {PurePosixPath(found).name for found in filesystem.ls(name, detail=False)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise StorageError(folder, _reason(error)) from error


def is_folder(uri: str) -> bool:
    """Whether a folder lies there; object stores have none, so anything may be one."""
    path = local_path(uri)
    return path is None or path.is_dir()


def ensure_writable_folder(folder: str) -> None:
    """Make the folder if needed, and find out now, not after an hour, that it cannot be written.

    Raises
    ------
    StorageError
    """
    path = local_path(folder)
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".{uuid.uuid4().hex}.probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StorageError(folder, f"cannot be written: {_reason(error)}") from error


def _write_unnamed(path: Path, content: bytes) -> bool:
    """Write through a file without a name; False where the system has none."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return False
    try:
        descriptor = os.open(path.parent, flag | os.O_WRONLY, 0o666)
    except OSError:  # no unnamed files here; what else is wrong shows in the other way of writing
        return False
    with os.fdopen(descriptor, "wb", buffering=0) as unnamed:
        view = memoryview(content)
        while view:  # one write may take less than it was given
            view = view[unnamed.write(view) :]
        return _give_name(unnamed.fileno(), path)


def _give_name(descriptor: int, path: Path) -> bool:
    source = f"/proc/self/fd/{descriptor}"
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        try:
            os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            # a name cannot be linked over: link beside it, then rename
            part = f".{path.name}.{uuid.uuid4().hex}.part"
            os.link(source, part, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)
            os.replace(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:  # no /proc
        return False
    finally:
        os.close(folder)
    return True


def _write_and_rename(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _remote(uri: str) -> tuple[Any, str]:
    import fsspec

    try:
        filesystem, name = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise StorageError(uri, str(error)) from error
    return filesystem, name


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
