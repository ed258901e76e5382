"""Programs with a limit of memory: of the kernel's groups, whose limit kills, and of address space."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def killed_above(limit: int) -> Iterator[list[str]]:
    """What to put before a command: its processes share `limit` bytes; whoever wants more is killed.

    The test is skipped where no such group can be made.
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
    """What to put before a command: none of its processes gets more than `limit` bytes of addresses."""
    return ["sh", "-c", f'ulimit -v {limit // 1024} && exec "$@"', "sh"]
