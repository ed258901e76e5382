"""Many writers that wait for one another do not keep readers waiting."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from tests.render_ws.client import StackClient, tile
from tests.render_ws.conftest import serving

pytestmark = pytest.mark.slow


def test_readers_are_answered_while_sixty_writers_wait(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        stack = StackClient(url, "s").create(tile("a"))
        # another process that writes for long
        holder = sqlite3.connect(tmp_path / "render.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        statuses: list[int] = []
        body = {"transformIdToSpecMap": {}, "tileIdToSpecMap": {"b": tile("b")}}

        def write() -> None:
            statuses.append(stack.status("PUT", "/resolvedTiles?deriveData=true", body))

        writers = [threading.Thread(target=write) for _ in range(60)]
        for writer in writers:
            writer.start()
        time.sleep(0.5)  # until they have reached the service
        reader = threading.Thread(target=stack.get, args=("/zValues",), daemon=True)
        reader.start()
        reader.join(timeout=5)
        answered_meanwhile = not reader.is_alive()
        holder.execute("ROLLBACK")
        holder.close()
        for writer in writers:
            writer.join()
        assert answered_meanwhile
        assert statuses == [201] * 60
