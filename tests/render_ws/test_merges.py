"""Sections that were moved, share a layer, or could share one."""

from __future__ import annotations

from typing import Any

import pytest

from asap_ingest.render_ws.stacks.section_merges import (
    mergeable_table,
    mergeable_z_values,
    merged_z_values,
    reordered_sections,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from tests.render_ws.client import StackClient, tile


def section(section_id: str, z: float | str, count: int = 1) -> dict[str, Any]:
    return {"sectionId": section_id, "z": z, "tileCount": count}


MIXED = [
    section("3.0", 3.0, 5),
    section("3.1", 3.0, 2),
    section("4.0", 4.0),
    section("4.2", 4.2, 7),
    section("6.0", 5.0),
]


def test_merged_layers_hold_several_sections() -> None:
    assert merged_z_values(MIXED) == [3.0]


def test_mergeable_layers_have_their_integer_part_in_common() -> None:
    assert mergeable_z_values(MIXED) == [4.0, 4.2]
    assert mergeable_table(MIXED) == "4\t4.0\t4.0\t1\n4\t4.2\t4.2\t7\n"


def test_reordered_sections_lie_at_another_integer() -> None:
    assert reordered_sections(MIXED) == [section("6.0", 5.0)]
    assert reordered_sections([section("-1.5", -1.0), section("2", 2.9)]) == []


@pytest.mark.parametrize("odd", [section("A", 1.0), section("NaN", 1.0), section("1.0", "NaN")])
def test_reordered_sections_need_numbers(odd: dict[str, Any]) -> None:
    with pytest.raises(IllegalArgumentError, match=f"sectionId '{odd['sectionId']}' at z {odd['z']}"):
        reordered_sections([*MIXED, odd])


def test_nothing_comes_of_nothing() -> None:
    assert (merged_z_values([]), mergeable_z_values([]), reordered_sections([])) == ([], [], [])
    assert mergeable_table([]) == ""


def test_z_that_is_no_number_cannot_be_merged() -> None:
    assert mergeable_z_values([section("a", "NaN"), section("b", "Infinity"), section("c", 1.0)]) == []


PATHS = ("/reorderedSectionData", "/mergedZValues", "/mergeableZValues", "/mergeableData")


def layered(name: str, z: float, section_id: str) -> dict[str, Any]:
    return tile(name, z, layout={"sectionId": section_id})


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
