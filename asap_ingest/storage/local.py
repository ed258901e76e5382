"""Files of this machine's file systems; a file appears completely or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


def read_bytes(path: Path) -> bytes:
    """All bytes of a file."""
    with _opened(path) as file:
        return file.read()


def read_parts(path: Path, read: Callable[[BinaryIO], Any]) -> Any:
    """Open a file and return `read(file)`; only the parts that `read` asks for are transferred.

    Errors of this package that `read` raises are passed on.
    """
    with _opened(path) as file:
        return read(file)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading; a pipe or a device, which may never end, is an OSError at once."""
    # without O_NONBLOCK opening a pipe blocks until there is a writer
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        yield file


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file, given in one part or more: readers see the old bytes or the new, never a mixture.

    A write that fails leaves nothing. A killed process leaves no trace in object stores, or where
    the file system supports unnamed files (Linux, O_TMPFILE); elsewhere (NFS) a hidden `.part` file
    may stay.
    """
    try:
        _write(path, parts)
    except FileNotFoundError:  # no folder, as a rule: trying first is faster, as most files have one
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, parts)


def remove(path: Path) -> None:
    """Remove a file, if it exists."""
    path.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that lies below, if it exists."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def modified_time(path: Path) -> float | None:
    """Seconds since the epoch of the last change; None where there is no file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.stat().st_mtime
    return None


def names_in(folder: Path) -> set[str]:
    """Names of the files and folders directly in a folder; empty where there is no folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return set(os.listdir(folder))  # noqa: PTH208 - one call, no object per file
    return set()


def file_names_in(folder: Path) -> set[str]:
    """Names of the regular files directly in a folder, links to such too; empty where there is no folder."""
    # scandir distinguishes files from pipes and devices without a stat call
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.is_file()}
    return set()


def names_and_stamps(folder: Path) -> dict[str, tuple[float, int]]:
    """Names of the files directly in a folder, with the time of their last change and their size.

    Times are in seconds since the epoch, sizes in bytes. The folder is listed once; the result is empty
    where there is no folder.
    """
    stamps = {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since it was listed, or a dangling link
                if entry.is_file():
                    status = entry.stat()
                    stamps[entry.name] = status.st_mtime, status.st_size
    return stamps


def is_folder(path: Path) -> bool:
    """Whether there is a folder; in an object store, whether anything lies below."""
    return path.is_dir()


def ensure_writable_folder(folder: Path) -> None:
    """Make the folder if needed; raise an error now, not after an hour of work, if it is not writable."""
    folder.mkdir(parents=True, exist_ok=True)
    # an unnamed file, where the system supports it: a process that is killed here leaves nothing
    with tempfile.TemporaryFile(dir=folder):
        pass


def _write(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    # names have at most 255 bytes, and 50 characters may take 200 of them
    part = path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex}.part")
    unnamed = _unnamed_file(path.parent)
    try:
        with part.open("wb") if unnamed is None else unnamed as file:
            file.writelines(parts)
            file.flush()
            if unnamed is not None:
                try:
                    _link(unnamed.fileno(), path)
                    return
                except FileExistsError:  # a link does not replace a file, a rename does
                    _link(unnamed.fileno(), part)
                except FileNotFoundError:  # no /proc
                    part.write_bytes(b"".join(parts))
        part.replace(path)
    except BaseException:  # also a signal that ends the program
        with suppress(OSError):
            part.unlink()
        raise


def _unnamed_file(folder: Path) -> BinaryIO | None:
    """A file in the folder that has no name yet; None where the file system does not support it."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        return os.fdopen(os.open(folder, flag | os.O_WRONLY, 0o666), "wb")
    except FileNotFoundError:
        raise
    except OSError:  # not supported; any other cause fails again when a file with a name is opened
        return None


def _link(descriptor: int, path: Path) -> None:
    """Give a name to an unnamed file."""
    # src_dir_fd means nothing for an absolute path, but without it os.link does not follow the link in /proc
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
