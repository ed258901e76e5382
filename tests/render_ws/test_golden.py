"""Recorded requests get the recorded answers."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.render_ws.golden import FOLDER, ImageComparison, Replay, scenario_names

HALVES = ("a", "b")
#: Scenarios whose answers must all fit.
COMPLETE = (
    "clone",
    "coercion",
    "delete_data",
    "derive_box",
    "flow_ingest",
    "flow_neuroglancer",
    "img_box",
    "img_errors",
    "img_formats",
    "img_identity",
    "img_intensity",
    "img_mask",
    "img_mipmap",
    "img_put",
    "img_rgb_ranges",
    "img_tile",
    "params_box",
    "resolved_put",
    "stack_crud",
    "stack_order",
    "stack_setters",
    "stack_states",
)
#: Requests to what the service does not have yet.
LATER = re.compile(
    "coordinates|tileIdsForCoordinates|[mM]atchCollection|layoutFile|validation-info|validate-json|"
    "merge(d|able)(ZValues|Data)|reorderedSectionData|largeDataTileSource|swagger|"
    "versionInfo|serverProperties|namedFilterSpecLists"
)
#: Scenarios whose answers must fit but for such requests.
COMPLETE_SO_FAR = (
    "concurrent",
    "flow_renderpython",
    "ids_odd",
    "img_channels",
    "img_other",
    "img_tem",
    "names",
    "params_tile",
    "read_data",
    "rename",
    "stack_stats",
    "transform_bad",
    "transform_leafs",
    "transform_lens",
    "transform_refs",
    "transport",
)
#: Answers that differ on purpose, by scenario and request id, and why.
DEVIATIONS = {
    "a_ids_odd 003": "tile ids are proper JSON texts: the original does not escape a backslash",
    "a_rename 0[34].": "a stack is not renamed to names under which it could not be found again",
    "b_rename 04.": "the same",
    "[ab]_img_channels .*status 200 instead of 500": "channels are mixed also where images are not square",
    "[ab]_transform_lens 092": "labels of a list stay with its members, other tiles do not get them",
}


def image_comparison() -> ImageComparison | None:
    """The comparison of pixels, None where it is not there."""
    if importlib.util.find_spec("tests.render_ws.golden_images") is None:
        return None
    from tests.render_ws.golden_images import compare_image

    return compare_image


def is_for_later(request: dict[str, Any]) -> bool:
    """Whether the answer to a request need not fit yet."""
    return LATER.search(request["path"]) is not None


def complaints(url: str, folder: Path, name: str, so_far: bool = False) -> str:
    """What does not fit, one line each."""
    replay = Replay(url, folder, image_comparison())
    if so_far:
        replay.skip = is_for_later
    found = replay.run(name)
    return "\n".join(line for line in found if not any(re.match(which, line) for which in DEVIATIONS))


pytestmark = pytest.mark.skipif(not scenario_names(), reason=f"no recordings in {FOLDER}")


@pytest.mark.parametrize("name", [f"{half}_{subject}" for subject in COMPLETE for half in HALVES])
def test_recorded_answers(name: str, server_url: str, tmp_path: Path) -> None:
    assert not complaints(server_url, tmp_path, name)


@pytest.mark.parametrize("name", [f"{half}_{subject}" for subject in COMPLETE_SO_FAR for half in HALVES])
def test_recorded_answers_of_what_there_is(name: str, empty_server_url: str, tmp_path: Path) -> None:
    assert not complaints(empty_server_url, tmp_path, name, so_far=True)


def test_recorded_lists_of_owners(empty_server_url: str, tmp_path: Path) -> None:
    # the second scenario was recorded on what the first left behind
    for half in HALVES:
        assert not complaints(empty_server_url, tmp_path, f"{half}_owners", so_far=True)
