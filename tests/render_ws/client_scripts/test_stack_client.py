"""StackClient makes, copies, renames and deletes stacks, and sets their state."""

from __future__ import annotations

import pytest

from asap_ingest.render_ws.client_scripts.run_client import run_client
from tests.render_ws.client import StackClient, collection, tile

CLIENT = "org.janelia.render.client.StackClient"

pytestmark = pytest.mark.slow


def manage(stack: StackClient, action: str, *options: str) -> int:
    where = ["--baseDataUrl", f"{stack.url}/render-ws/v1", "--owner", stack.owner, "--project", stack.project]
    return run_client(CLIENT, [*where, "--stack", stack.stack, "--action", action, *options])


def two_layers(url: str, name: str) -> StackClient:
    return StackClient(url, name).create(tile("a", 1.0), tile("b", 2.0))


def test_a_stack_is_made_with_its_version(server_url):
    stack = StackClient(server_url, "made")
    numbers = ["--stackResolutionX", "4", "--stackResolutionY", "4.5", "--stackResolutionZ", "35"]
    assert manage(stack, "CREATE", "--versionNotes", "a note", "--cycleNumber", "3", *numbers) == 0
    found = stack.get()
    assert found["state"] == "LOADING"
    version = found["currentVersion"]
    assert version.pop("createTimestamp").endswith("Z")
    assert version == {
        "versionNotes": "a note",
        "cycleNumber": 3,
        "stackResolutionX": 4.0,
        "stackResolutionY": 4.5,
        "stackResolutionZ": 35.0,
    }


def test_a_state_is_set(server_url):
    stack = two_layers(server_url, "stated")
    assert manage(stack, "SET_STATE", "--stackState", "complete") == 0
    assert stack.get()["state"] == "COMPLETE"
    assert manage(stack, "SET_STATE") == 1
    assert manage(stack, "SET_STATE", "--stackState", "DONE") == 1


def test_a_stack_is_copied(server_url):
    stack, copy = two_layers(server_url, "original"), StackClient(server_url, "copied", project="other")
    options = ["--cloneResultProject", "other", "--cloneResultStack", "copied", "--zValues", "2"]
    assert manage(stack, "CLONE", *options) == 0
    assert copy.get("/zValues") == [2.0]
    assert manage(stack, "CLONE") == 1
    # such a name is refused, and does not become a query
    assert manage(stack, "CLONE", "--cloneResultStack", "third?x=y") == 1
    assert StackClient(server_url, "third").status("GET") == 404


@pytest.mark.parametrize(("option", "status"), [((), 200), (("--skipTransforms",), 404)])
def test_shared_transforms_are_copied_unless_told_otherwise(server_url, option, status):
    name = f"shared{status}"
    stack = StackClient(server_url, name)
    stack.create()
    shift = {"type": "leaf", "className": "mpicbg.trakem2.transform.TranslationModel2D", "dataString": "1 2"}
    sent = collection(tile("a", specs=[{"type": "ref", "refId": "shift"}]), shift=shift)
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", sent) == 201
    assert manage(stack, "CLONE", "--cloneResultStack", f"{name}copy", *option) == 0
    assert StackClient(server_url, f"{name}copy").status("GET", "/transform/shift") == status


def test_a_stack_is_renamed(server_url):
    stack = two_layers(server_url, "before")
    assert manage(stack, "RENAME", "--renamedStack", "after", "--renamedProject", "elsewhere") == 0
    assert stack.status("GET") == 404
    assert StackClient(server_url, "after", project="elsewhere").get("/zValues") == [1.0, 2.0]


def test_layers_are_deleted_or_all(server_url):
    stack = two_layers(server_url, "shrinking")
    assert manage(stack, "DELETE", "--zValues", "1") == 0
    assert stack.get("/zValues") == [2.0]
    assert manage(stack, "DELETE") == 0
    assert stack.status("GET") == 404


def test_an_action_is_needed(server_url):
    assert manage(StackClient(server_url, "any"), "POLISH") == 1
