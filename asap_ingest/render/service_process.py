"""The embedded render service in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asap_ingest.errors import AsapIngestError


class ServiceStartError(AsapIngestError):
    """The embedded service ended before it printed its address."""


@dataclass(frozen=True)
class RunningService:
    """An embedded render service in a process of its own; `address` is like `http://127.0.0.1:8080`."""

    address: str
    process_id: int


@contextmanager
def running_service(database: Path, *options: str) -> Iterator[RunningService]:
    """Run an embedded render service, with further options of its command, until the block ends.

    Raises
    ------
    ServiceStartError
        Its messages are on standard error.
    """
    command = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0", "--database", str(database)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise ServiceStartError("serve_render did not start; its messages are above")
            yield RunningService(address, process.pid)
        finally:
            process.terminate()
