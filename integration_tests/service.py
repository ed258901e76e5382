"""The render service that the tests talk to: one named by the environment, else an embedded one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from asap_ingest.render_ws import CLIENT_SCRIPTS


@dataclass(frozen=True)
class Service:
    """Where a service is, and the scripts that talk to it."""

    host: str
    port: int
    client_scripts: str


@contextmanager
def service_under_test(folder: Path) -> Iterator[Service]:
    """The service of `RENDER_HOST`; without it an embedded one with its database in the folder."""
    if "RENDER_HOST" in os.environ:
        yield Service(
            os.environ["RENDER_HOST"],
            int(os.environ.get("RENDER_PORT", "8080")),
            os.environ.get("RENDER_CLIENT_SCRIPTS", CLIENT_SCRIPTS),
        )
        return
    command = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0"]
    command += ["--database", str(folder / "render.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "the embedded service did not start; what it said is above"
            host, _, port = url.rpartition(":")
            yield Service(host, int(port), CLIENT_SCRIPTS)
        finally:
            process.terminate()
