"""ImportJsonClient as renderapi and shells start it: blanks in paths, many at once, real errors."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from asap_ingest.render_ws import CLIENT_SCRIPTS
from asap_ingest.render_ws.client_scripts.run_client import run_client
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.client_scripts.cases import run_script

CLIENT = "org.janelia.render.client.ImportJsonClient"
SHARED = leaf(1000, 0, id="shift")

pytestmark = pytest.mark.slow


def options(stack: StackClient) -> list[str]:
    where = ["--baseDataUrl", f"{stack.url}/render-ws/v1", "--owner", stack.owner, "--project", stack.project]
    return [*where, "--stack", stack.stack]


def written(folder, name, value) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value))
    return str(folder / name)


def test_paths_may_hold_blanks(server_url, tmp_path):
    stack = StackClient(server_url, "blanks").create()
    folder = tmp_path / "a folder"
    transforms = written(folder, "my transforms.json", [SHARED])
    tiles = written(folder, "my tiles.json", [tile("a", specs=[{"type": "ref", "refId": "shift"}])])
    ran = run_script(CLIENT, [*options(stack), "--transformFile", transforms, tiles])
    assert ran.returncode == 0, ran.stdout
    assert f"{tiles}: imported 1 of 1 tiles" in ran.stdout
    found = stack.get("/tile/a")
    assert [found[name] for name in ("minX", "minY", "maxX", "maxY")] == [1000.0, 0.0, 1100.0, 80.0]


def test_many_imports_at_once_share_transforms(server_url, tmp_path):
    stack = StackClient(server_url, "crowd").create()
    transforms = written(tmp_path, "transforms.json", [SHARED])
    reference = [{"type": "ref", "refId": "shift"}]
    files = [
        written(tmp_path, f"{z}.json", [tile(f"{z}.{i}", float(z), specs=reference) for i in range(20)])
        for z in range(8)
    ]
    with ThreadPoolExecutor(len(files)) as pool:
        runs = pool.map(
            lambda file: run_script(CLIENT, [*options(stack), "--transformFile", transforms, file]), files
        )
        assert [ran.returncode for ran in runs] == [0] * len(files)
    assert len(stack.get("/tileIds")) == 160


@pytest.mark.parametrize(
    ("tiles", "problem"),
    [
        ([{"z": 1.0}], "without tileId"),
        ([tile("a", specs=[{"type": "ref", "refId": "nowhere"}])], "nowhere"),
        ([tile("a", specs=[leaf() | {"dataString": "1 2 3"}])], "needs 6 numbers"),
        ([tile("a") | {"width": None}], "width and height"),
        ([tile("a") | {"z": "high"}], "not a valid number"),
        (["a"], "expected an object"),
    ],
)
def test_tiles_that_cannot_be_used_are_named(server_url, tmp_path, tiles, problem, caplog):
    stack = StackClient(server_url, "faulty").create()
    assert run_client(CLIENT, [*options(stack), written(tmp_path, "tiles.json", tiles)]) == 1
    assert problem in caplog.text
    assert stack.get("/tileIds") == []


def test_renderapi_imports_tiles_through_the_script(service_url, tmp_path):
    """In a program of its own: renderapi uses the script with the parameters of its connection."""
    stack = StackClient(service_url, "renderapi").create()
    host, _, port = service_url.rpartition(":")
    tiles = written(tmp_path, "tiles.json", [tile("a"), tile("b")])
    connection = {
        "host": host,
        "port": int(port),
        "owner": stack.owner,
        "project": stack.project,
        "client_scripts": CLIENT_SCRIPTS,
        "memGB": "1G",
    }
    program = (
        "import json, sys, renderapi\n"
        "render = renderapi.connect(**json.loads(sys.argv[1]))\n"
        "renderapi.client.import_jsonfiles_parallel(sys.argv[2], [sys.argv[3]], poolsize=2, render=render)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(connection), stack.stack, tiles], check=True, timeout=120
    )
    assert stack.get("/tileIds") == ["a", "b"]
    assert stack.get()["state"] == "COMPLETE"
