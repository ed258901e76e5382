"""Recorded requests get the recorded answers."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from asap_ingest.web.web_policy import WebPolicy
from tests.render_ws.conftest import serving
from tests.render_ws.golden import FOLDER, ImageComparison, Replay, scenario_names

ANY_PAGE = WebPolicy(any_page=True)
#: Recorded on an empty service, the second scenario on what the first left behind.
ON_AN_EMPTY_SERVICE = ("a_owners", "b_owners")
#: Answers that differ on purpose, by scenario and request id, and why.
DEVIATIONS = {
    "[ab]_matches_errors .*status 501": "match trials are not part of this service",
    "[ab]_server .*status 501": "JSON is validated when it is stored, not by requests",
    "[ab]_stack_setters .*status 501": "hierarchical alignment is not part of this service",
    "a_ids_odd 003": "tile ids are proper JSON texts: the original does not escape a backslash",
    "a_rename 0[34].": "a stack is not renamed to names under which it could not be found again",
    "b_rename 04.": "the same",
    "[ab]_img_channels .*status 200 instead of 500": "channels are mixed also where images are not square",
    "[ab]_server 031": "the root leads to the page of stacks",
    "[ab]_transform_bad 067-derive": "older stacks call the lens correction by this name",
    "[ab]_transform_bad 070 GET .*/b13/": "the same",
    ".*: header access-control-allow-credentials": "no page is to send credentials: there are none",
    "[ab]_transform_lens 092": "labels of a list stay with its members, other tiles do not get them",
}


def image_comparison() -> ImageComparison | None:
    """The comparison of pixels, None where it is not there."""
    if importlib.util.find_spec("tests.render_ws.golden_images") is None:
        return None
    from tests.render_ws.golden_images import compare_image

    return compare_image


def complaints(url: str, folder: Path, name: str) -> str:
    """What does not fit, one line each."""
    found = Replay(url, folder, image_comparison()).run(name)
    return "\n".join(line for line in found if not any(re.match(which, line) for which in DEVIATIONS))


pytestmark = pytest.mark.skipif(not scenario_names(), reason=f"no recordings in {FOLDER}")


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that answers every page, as the recorded one did (`--cors any`)."""
    with serving(tmp_path_factory.mktemp("service"), ANY_PAGE) as url:
        yield url


@pytest.fixture
def empty_server_url(tmp_path: Path) -> Iterator[str]:
    """The same, for one test."""
    with serving(tmp_path, ANY_PAGE) as url:
        yield url


@pytest.mark.parametrize("name", [name for name in scenario_names() if name not in ON_AN_EMPTY_SERVICE])
def test_recorded_answers(name: str, server_url: str, tmp_path: Path) -> None:
    assert not complaints(server_url, tmp_path, name)


def test_recorded_lists_of_owners(empty_server_url: str, tmp_path: Path) -> None:
    for name in ON_AN_EMPTY_SERVICE:
        assert not complaints(empty_server_url, tmp_path, name)
