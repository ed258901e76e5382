"""Files of this machine's file systems: whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file; a pipe or a device, which may never end, is an OSError at once."""
    # without O_NONBLOCK the opening of a pipe waits for somebody who writes
    with open(path, "rb", 0, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        return file.readall()


def write_bytes(path: Path, *parts: bytes | memoryview) -> None:
    """Write through a file without a name, or, where the system has none, a `.part` that is renamed."""
    try:
        written = _write_unnamed(path, parts)
    except FileNotFoundError:  # the folder, as a rule; asked for only now, as most are there
        path.parent.mkdir(parents=True, exist_ok=True)
        written = _write_unnamed(path, parts)
    if not written:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_and_rename(path, parts)


def names_in(folder: Path) -> set[str]:
    return set(os.listdir(folder))  # noqa: PTH208 - one call, no object per file


def file_names_in(folder: Path) -> set[str]:
    with os.scandir(folder) as entries:  # which tells a file from a pipe or device without a look at it
        return {entry.name for entry in entries if entry.is_file()}


def names_and_times(folder: Path) -> dict[str, float]:
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # removed since it was listed, or a link to nowhere
                if entry.is_file():
                    found[entry.name] = entry.stat().st_mtime
    return found


def remove_folder(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def ensure_writable_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # a file without a name, where the system has such: a run that is killed here leaves nothing
    with tempfile.TemporaryFile(dir=folder):
        pass


def _write_unnamed(path: Path, parts: Sequence[bytes | memoryview]) -> bool:
    """Write through a file without a name; False where the system has none."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return False
    try:
        descriptor = os.open(path.parent, flag | os.O_WRONLY, 0o666)
    except FileNotFoundError:
        raise
    except OSError:  # no unnamed files here; what else is wrong shows in the other way of writing
        return False
    with os.fdopen(descriptor, "wb") as unnamed:
        unnamed.writelines(parts)
        unnamed.flush()
        return _give_name(unnamed.fileno(), path)


def _give_name(descriptor: int, path: Path) -> bool:
    source = f"/proc/self/fd/{descriptor}"
    try:
        try:
            _link(source, path, descriptor)
        except FileExistsError:
            # a name cannot be linked over: link beside it, then rename
            part = path.with_name(_part_name(path))
            _link(source, part, descriptor)
            _rename(part, path)
    except FileNotFoundError:  # no /proc
        return False
    return True


def _link(source: str, path: Path, descriptor: int) -> None:
    # with a folder to start from, which an absolute source does not need, links are followed
    os.link(source, path, src_dir_fd=descriptor, follow_symlinks=True)


def _write_and_rename(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    part = path.with_name(_part_name(path))
    try:
        with part.open("wb") as file:
            file.writelines(parts)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    _rename(part, path)


def _rename(part: Path, path: Path) -> None:
    try:
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _part_name(path: Path) -> str:
    """Hidden; within the 255 bytes that names may have, also where 50 characters are 200 bytes."""
    return f".{path.name[:50]}.{uuid.uuid4().hex}.part"
