"""Sections that were moved, share a layer, or could share one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.render_ws.client import StackClient, tile

PATHS = ("/reorderedSectionData", "/mergedZValues", "/mergeableZValues", "/mergeableData")


def layered(name: str, z: float | str, section_id: str) -> dict[str, Any]:
    return tile(name, z=z, layout={"sectionId": section_id})


def created(url: str, name: str, *sections: tuple[str, float | str]) -> StackClient:
    """A COMPLETE stack of sections with one tile each, given by section id and z."""
    tiles = [layered(f"t{number}", z, section_id) for number, (section_id, z) in enumerate(sections)]
    return StackClient(url, name).create(*tiles, state="COMPLETE")


@pytest.fixture(scope="module")
def stack(server_url: str) -> StackClient:
    tiles = [layered("a", 1.0, "1.0"), layered("b", 1.0, "1.1"), layered("c", 2.0, "2.0")]
    tiles += [layered("d", 2.5, "2.5"), layered("e", 3.0, "9.0")]
    return StackClient(server_url, "merging").create(*tiles, state="COMPLETE")


def test_answers(stack: StackClient) -> None:
    moved, merged, mergeable = (stack.get(path) for path in PATHS[:3])
    assert [entry["sectionId"] for entry in moved] == ["9.0"]
    assert set(moved[0]) == {"sectionId", "z", "tileCount", "minX", "maxX", "minY", "maxY"}
    assert (merged, mergeable) == ([1.0], [2.0, 2.5])
    answer = stack.ask("GET", PATHS[3])
    assert answer.headers["content-type"] == "text/plain;charset=utf-8"
    assert answer.body.decode().splitlines() == ["2\t2.0\t2.0\t1", "2\t2.5\t2.5\t1"]


def test_limits_of_z(stack: StackClient) -> None:
    assert stack.get("/mergedZValues?minZ=2") == []
    assert stack.get("/mergeableZValues?maxZ=2") == []
    assert stack.get("/reorderedSectionData?maxZ=2.9") == []
    assert stack.status("GET", "/mergeableData?minZ=x") == 404


@pytest.mark.parametrize("path", PATHS)
def test_section_data_is_needed(server_url: str, path: str) -> None:
    never_complete = StackClient(server_url, "loading").create(tile("a"))
    answer = never_complete.ask("GET", path)
    assert answer.status == 400
    assert b"never COMPLETE" in answer.body
    assert StackClient(server_url, "none").status("GET", path) == 404


def test_integer_parts_of_negative_numbers_and_fractions(server_url: str) -> None:
    stack = created(server_url, "negative", ("-1.5", -1.0), ("2", 2.9), ("6.0", 5.0))
    assert [entry["sectionId"] for entry in stack.get("/reorderedSectionData")] == ["6.0"]
    assert stack.get("/mergedZValues") == stack.get("/mergeableZValues") == []
    assert stack.ask("GET", "/mergeableData").body == b""


@pytest.mark.parametrize("section_id", ["A", "NaN", "Infinity"])
def test_reordered_sections_need_numbers(server_url: str, section_id: str) -> None:
    stack = created(server_url, f"odd{section_id}", ("3.0", 3.0), (section_id, 1.0), ("4.0", 3.0))
    answer = stack.ask("GET", "/reorderedSectionData")
    assert (answer.status, f"sectionId '{section_id}' at z 1.0".encode() in answer.body) == (400, True)
    assert stack.get("/mergedZValues") == [3.0]


def test_a_z_that_is_not_finite_cannot_be_merged(server_url: str) -> None:
    stack = created(server_url, "infinite", ("a", "Infinity"), ("c", 1.0))
    assert stack.get("/mergeableZValues") == []
    assert stack.status("GET", "/reorderedSectionData") == 400
