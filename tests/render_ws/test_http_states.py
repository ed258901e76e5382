"""The states of a stack: every transition, its effects, and what each state permits."""

from __future__ import annotations

from itertools import product

import pytest

from asap_ingest.render_ws.stacks.stack_states import TRANSITIONS
from tests.render_ws.client import StackClient, collection, leaf, tile
from tests.render_ws.golden import send

STATES = ("LOADING", "COMPLETE", "READ_ONLY", "OFFLINE")
STATUS = {
    "LOADING": (201, 201, 400, 400),
    "COMPLETE": (201, 201, 201, 201),
    "READ_ONLY": (400, 201, 201, 201),
    "OFFLINE": (400, 500, 400, 201),
}


@pytest.mark.parametrize(("before", "wanted"), list(product(STATES, STATES)))
def test_each_transition(server_url: str, before: str, wanted: str) -> None:
    stack = StackClient(server_url, f"from_{before}_to_{wanted}".replace("READ_ONLY", "RO"))
    stack.create(tile("a"), state=before)
    expected = STATUS[before][STATES.index(wanted)]
    assert stack.status("PUT", f"/state/{wanted}") == expected
    assert stack.get()["state"] == (wanted if expected == 201 else before)


def test_the_table_of_the_service_has_no_other_transitions() -> None:
    allowed = {(a, b) for a in STATES for b, status in zip(STATES, STATUS[a], strict=True) if status == 201}
    assert {(str(a), str(b)) for a, b in TRANSITIONS} == allowed | {("OFFLINE", "COMPLETE")}


@pytest.mark.parametrize("name", ["loading", "FOO", "0"])
def test_unknown_states_are_not_found(server_url: str, name: str) -> None:
    assert StackClient(server_url, "any").status("PUT", f"/state/{name}") == 404


def test_a_missing_stack_has_no_state(server_url: str) -> None:
    assert StackClient(server_url, "missing").status("PUT", "/state/LOADING") == 404


def test_completing_computes_stats_and_sections(server_url: str) -> None:
    stack = StackClient(server_url, "stats").create(
        tile("a", 1.0), tile("b", 2.5, specs=[leaf(10, 20)], channels=[{"name": "x"}])
    )
    assert stack.status("GET", "/bounds") == 400
    assert stack.status("GET", "/sectionData") == 400
    assert stack.status("PUT", "/state/COMPLETE") == 201
    assert stack.get()["stats"] == {
        "stackBounds": {"minX": 0.0, "minY": 0.0, "minZ": 1.0, "maxX": 110.0, "maxY": 100.0, "maxZ": 2.5},
        "sectionCount": 2,
        "nonIntegralSectionCount": 1,
        "tileCount": 2,
        "transformCount": 0,
        "minTileWidth": 100,
        "maxTileWidth": 100,
        "minTileHeight": 80,
        "maxTileHeight": 80,
        "channelNames": ["x"],
    }
    assert [section["z"] for section in stack.get("/sectionData?minZ=2")] == [2.5]


def test_an_empty_stack_cannot_be_completed(server_url: str) -> None:
    stack = StackClient(server_url, "empty").create()
    before = stack.get()
    assert stack.status("PUT", "/state/COMPLETE") == 500
    assert stack.get() == before
    assert stack.get("/sectionData") == []


def test_reopening_drops_stats_and_keeps_stale_sections(server_url: str) -> None:
    stack = StackClient(server_url, "reopened").create(tile("a"), state="COMPLETE")
    sections = stack.get("/sectionData")
    assert stack.status("PUT", "/state/LOADING") == 201
    assert stack.status("DELETE", "/z/1") == 200
    metadata = stack.get()
    assert "stats" not in metadata
    assert metadata["currentVersionNumber"] == 1
    assert stack.status("GET", "/bounds") == 400
    assert stack.get("/sectionData") == sections


@pytest.mark.parametrize(
    ("before", "wanted", "moves"),
    [
        ("LOADING", "LOADING", False),
        ("LOADING", "COMPLETE", True),
        ("COMPLETE", "COMPLETE", False),
        ("COMPLETE", "LOADING", True),
        ("COMPLETE", "READ_ONLY", False),
        ("READ_ONLY", "COMPLETE", False),
        ("COMPLETE", "OFFLINE", True),
    ],
)
def test_time_stamp(server_url: str, before: str, wanted: str, moves: bool) -> None:
    stack = StackClient(server_url, f"time_{before}_{wanted}").create(tile("a"), state=before)
    earlier = stack.get()["lastModifiedTimestamp"]
    assert stack.status("PUT", f"/state/{wanted}") == 201
    assert (stack.get()["lastModifiedTimestamp"] != earlier) is moves


def test_offline_drops_the_data_and_keeps_the_record(server_url: str) -> None:
    stack = StackClient(server_url, "offline").create(tile("a"), state="OFFLINE")
    assert stack.get("/bounds")["maxX"] == 100.0
    assert stack.get("/zValues") == []
    assert stack.get("/tileIds") == []
    for path in ("/z/1/tile-specs", "/z/1/resolvedTiles", "/sectionData"):
        assert stack.status("GET", path) == 404


@pytest.mark.parametrize("state", STATES)
def test_what_a_state_permits(server_url: str, state: str) -> None:
    stack = StackClient(server_url, f"permits_{state}").create(tile("a"), state=state)
    loading, frozen = state == "LOADING", state == "READ_ONLY"
    tiles = collection(tile("b"))
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", tiles) == (201 if loading else 500)
    assert stack.status("PUT", "/z/1/resolvedTiles?deriveData=true", tiles) == (201 if loading else 500)
    for path in ("/z/9", "/section/9", "/tile/b"):
        assert stack.status("DELETE", path) == (200 if loading else 400)
    assert stack.status("POST", "", {"versionNotes": "again"}) == (500 if frozen else 201)
    assert stack.status("DELETE") == (500 if frozen else 200)


def test_a_new_version_replaces_the_old_and_keeps_the_tiles(server_url: str) -> None:
    stack = StackClient(server_url, "versions").create(tile("a"), state="COMPLETE")
    assert stack.status("POST", "", {"cycleNumber": 3, "mipmapPathBuilder": {}}) == 201
    metadata = stack.get()
    assert metadata["currentVersion"] == {"cycleNumber": 3, "mipmapPathBuilder": {}}
    assert (metadata["state"], metadata["currentVersionNumber"], "stats" in metadata) == ("LOADING", 1, False)
    assert stack.get("/tileIds") == ["a"]


def test_deleting_twice_is_fine(server_url: str) -> None:
    stack = StackClient(server_url, "deleted").create(tile("a"))
    assert [stack.status("DELETE"), stack.status("DELETE")] == [200, 200]
    assert stack.status("GET") == 404
    assert stack.create().get("/tileIds") == []


@pytest.mark.parametrize("name", ["a-b", "a.b", "a__b", "_a", "a_", "ä", "a b", "n" * 100])
def test_bad_names_are_refused(server_url: str, name: str) -> None:
    target = f"/render-ws/v1/owner/o/project/p/stack/{name.replace(' ', '%20').replace('ä', '%C3%A4')}"
    assert send(server_url, "POST", target, {"Content-Type": "application/json"}, b"{}").status == 400


def test_listings_know_owners_projects_and_order(server_url: str) -> None:
    for project, stack, cycle in (("q2", "a", 1), ("q1", "b", 1), ("q1", "c", 2), ("q1", "d", None)):
        body = {} if cycle is None else {"cycleNumber": cycle}
        assert StackClient(server_url, stack, "lister", project).status("POST", "", body) == 201

    def listed(path: str) -> bytes:
        return send(server_url, "GET", f"/render-ws/v1/owner/{path}", {}, None).body

    assert listed("lister/projects") == b'["q1","q2"]'
    order = [entry.split(b'"')[1] for entry in listed("lister/stackIds").split(b'"stack":')[1:]]
    assert order == [b"c", b"b", b"d", b"a"]
    assert listed("lister/project/q2/stackIds").count(b'"stack"') == 1
    assert listed("nobody/stacks/") == b"[]"
    assert b'"lister"' in send(server_url, "GET", "/render-ws/v1/owners", {}, None).body
