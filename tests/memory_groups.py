"""Commands with limited memory: a control group kills them, a limit of address space refuses memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def killed_above(limit: int) -> Iterator[list[str]]:
    """Words to put before a command whose processes share `limit` bytes, and are killed if they take more.

    The test is skipped where no control group can be created.
    """
    old, new = _GROUPS / "memory", _GROUPS
    root, setting = (old, "memory.limit_in_bytes") if old.is_dir() else (new, "memory.max")
    group = root / f"asap_ingest_tests_{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group of limited memory can be made here: {error}")
    try:
        try:
            (group / setting).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"no group of limited memory can be made here: {error}")
        yield ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        with suppress(OSError):  # something is still in it
            group.rmdir()


def refused_above(limit: int) -> list[str]:
    """Words to put before a command: each of its processes gets at most `limit` bytes of address space."""
    return ["sh", "-c", f'ulimit -v {limit // 1024} && exec "$@"', "sh"]
