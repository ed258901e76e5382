"""Clients start fast, and know nothing of the commands and the other subjects."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from asap_ingest.render_ws import CLIENT_SCRIPTS, client_scripts
from asap_ingest.render_ws.client_scripts.run_client import CLIENTS

ALLOWED = ("asap_ingest.render_ws", "asap_ingest.storage", "asap_ingest.images", "asap_ingest.errors")
ALLOWED += ("asap_ingest.web.access_token",)
FRAME = ("run_client", "client_options", "client_json", "web_stack")
SLOW_TO_IMPORT = ("numpy", "cv2", "requests", "starlette", "asyncio", "tifffile", "PIL")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return names


@pytest.mark.parametrize("path", sorted(Path(CLIENT_SCRIPTS).glob("*.py")), ids=lambda path: path.stem)
def test_clients_import_the_service_and_what_lies_below(path):
    assert not [
        name for name in imported(path) if name.startswith("asap_ingest") and not name.startswith(ALLOWED)
    ]


@pytest.mark.slow
def test_the_frame_imports_nothing_slow():
    modules = ", ".join(f"{client_scripts.__name__}.{name}" for name in FRAME)
    program = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(json.loads(ran.stdout)) & set(SLOW_TO_IMPORT)


def test_every_client_has_a_module():
    for module, *names in CLIENTS.values():
        client = import_module(f"{client_scripts.__name__}.{module}")
        assert all(hasattr(client, name) for name in names)
