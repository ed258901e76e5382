"""Match collections under many writers at once, and when the service is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.render_ws.conftest import Running
from tests.render_ws.golden import send
from tests.render_ws.match_client import MatchClient, pair

WRITERS = 20
#: Waits for a line, then stores 5 lists of 40 pairs and one pair that all writers store; prints the statuses.
WRITER = """
import http.client, json, sys
host, number = sys.argv[1], sys.argv[2]
points = {"p": [[1.5] * 30] * 2, "q": [[2.5] * 30] * 2, "w": [1.0] * 30}
print("ready", flush=True)
sys.stdin.readline()
for turn in range(5):
    pairs = [
        {"pGroupId": "1", "pId": f"{number}.{turn}.{i}", "qGroupId": "2", "qId": "q", "matches": points}
        for i in range(40)
    ]
    pairs.append({"pGroupId": "0", "pId": "a", "qGroupId": "0", "qId": "b", "matches": points})
    connection = http.client.HTTPConnection(host, timeout=120)
    connection.request(
        "PUT", "/render-ws/v1/owner/m/matchCollection/at_once/matches", json.dumps(pairs),
        {"Content-Type": "application/json"},
    )
    print(connection.getresponse().status, flush=True)
    connection.close()
"""


@pytest.mark.slow
def test_twenty_processes_store_pairs_at_once(server_url: str) -> None:
    host = server_url.removeprefix("http://")
    writers = [
        subprocess.Popen(
            [sys.executable, "-I", "-c", WRITER, host, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=100)[0].split() for writer in writers] == [["201"] * 5] * WRITERS
    client = MatchClient(server_url, "at_once")
    assert len(set(client.names("/pGroup/1/matches"))) == WRITERS * 5 * 40
    assert client.names("/group/0/matchesWithinGroup") == ["0.a-0.b"]
    listed = send(server_url, "GET", "/render-ws/v1/owner/m/matchCollections", {}, None)
    assert orjson.loads(listed.body)[0]["pairCount"] == WRITERS * 5 * 40 + 1


@pytest.mark.long
@pytest.mark.slow
def test_pairs_that_were_answered_survive_a_kill(
    start_service: Callable[..., Running], tmp_path: Path
) -> None:
    database = tmp_path / "render.db"
    first = start_service(database)
    MatchClient(first.url, "kept").put(*(pair(f"1.{number}-2.q", 1, 2, 3) for number in range(500)))
    first.end(signal.SIGKILL)
    again = start_service(database)
    assert len(MatchClient(again.url, "kept").get("/pGroup/1/matches")) == 500
