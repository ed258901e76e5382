"""Requests made up from the OpenAPI description: no answer is a fault, none is one that is not described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.description.openapi import openapi
from asap_ingest.render_ws.description.pages import describing
from asap_ingest.render_ws.limits import Limits
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving

pytestmark = pytest.mark.slow
EXAMPLES = 8
SCHEMA = schemathesis.openapi.from_dict(openapi((*ALL_OPERATIONS, *describing(ALL_OPERATIONS))))
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
#: What requests are about when they are not about names made up.
KNOWN = {
    "owner": "o",
    "project": "p",
    "stack": "s",
    "z": 1.0,
    "section": "1.0",
    "tile": "a",
    "transform": "t",
    "group": "g",
    "matchCollection": "m",
    "x": 5.0,
    "y": 5.0,
    "width": 40,
    "height": 30,
    "scale": 0.5,
}
IMAGES = r"/(z/\{z\}|dvid/\S*|z/\S*box\S*)/(jpeg|png|tiff|tiff16|png16|raw|raw16)-image|/(jpg|png|tif)$"


@dataclass(frozen=True)
class Reason:
    """Why a 500 is right: operations and texts of answers, by pattern, and the section that says so."""

    operations: str
    text: str
    section: str


REASONS = (
    Reason("^(PUT|POST|DELETE) ", "must be LOADING|is READ_ONLY", "3.5"),
    Reason("^PUT .*/state/", "has no tiles", "3.4"),
    Reason("^PUT .*/cloneTo/", "had tiles before|must be LOADING", "3.7"),
    Reason("^PUT .*tile-specs-with-ids", "no tile ids given", "1.2"),
    Reason("^PUT .*-coordinates|tileIdsForCoordinates", "no coordinates given", "1.2"),
    Reason("^PUT .*-coordinates", "invalid (owner|project|stack)|longer than", "1.2"),
    Reason("^PUT .*tileIdsForCoordinates", "entry [0-9]+ cannot be used", "8"),
    Reason("^(GET|PUT) .*-coordinates", "both are needed to invert", "8"),
    Reason("^GET .*/matchCollections$", "invalid owner", "1.2"),
    Reason("^PUT .*/matches$", "holds a null|lack their weights", "9.2"),
    Reason("^GET .*/matchCollection/", "cannot be merged", "9.1"),
    Reason("^GET .*largeDataTileSource", "filter list|channels|invalid (owner|project|stack)", "1.2"),
    Reason("^PUT .*(resolvedTiles|-image)", "is null|holds a null", "5.3"),
    Reason("^PUT .*resolvedTiles", "width and height of a tile are needed", "5.3"),
    Reason("^PUT .*-image", "no render parameters given", "1.2"),
    Reason(
        "^(GET|PUT) ", "fields are missing|does not map points of two dimensions|fields instead of", "10.4"
    ),
    Reason("^GET ", "referenced but not stored|cannot be resolved", "1.2"),
    Reason("^(GET|PUT) .*image|/(jpg|png|tif)$", "filter .* is not available", "7.6"),
    Reason("^(GET|PUT) .*image|/(jpg|png|tif)$", "channels cannot be mixed", "7.7"),
    Reason("^GET .*/(source|mask)/", "filter list|channels", "18"),
    Reason(f"^GET .*({IMAGES})", "invalid (owner|project|stack)|longer than|channels|filter list", "1.2"),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("made_up")
    limits = Limits(body_bytes=2**20, image_pixels=200_000)
    with serving(folder, limits=limits) as base:
        picture = np.arange(100 * 80, dtype=np.uint8).reshape(80, 100)
        Image.fromarray(picture).save(folder / "a.png")
        yield base, str(folder / "a.png")


def prepare(base: str, picture: str, method: str) -> None:
    """One stack of two tiles, LOADING where something is to be changed, else COMPLETE."""
    stack = StackClient(base, "s")
    for state in ("COMPLETE", "LOADING"):
        stack.status("PUT", f"/state/{state}")
    stack.status("DELETE")
    levels = {"0": {"imageUrl": picture}}
    tiles = [
        tile(name, mipmapLevels=levels, groupId="g", specs=[leaf(x), {"type": "ref", "refId": "t"}])
        for name, x in (("a", 0), ("b", 60))
    ]
    stack.status("POST", "", {})
    body = {
        "transformIdToSpecMap": {"t": leaf(1, 1, id="t")},
        "tileIdToSpecMap": {entry["tileId"]: entry for entry in tiles},
    }
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 201
    assert stack.status("PUT", "/state/COMPLETE") == 201
    if method != "GET":
        assert stack.status("PUT", "/state/LOADING") == 201


def is_excused(label: str, text: str) -> bool:
    return any(re.search(why.operations, label) and re.search(why.text, text) for why in REASONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_made_up_requests_get_described_answers(label: str, service: tuple[str, str]) -> None:
    operation, (url, picture) = OPERATIONS[label], service
    prepare(url, picture, operation.method.upper())
    session = requests.Session()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.sets(st.sampled_from([*KNOWN, *["all"] * 20])))
    def ask(case: Any, known: set[str]) -> None:
        names = KNOWN if "all" in known or not known else {name: KNOWN[name] for name in known}
        if case.path_parameters:
            changed = {key: names.get(key, value) for key, value in case.path_parameters.items()}
            case.path_parameters.update(changed)
        response = case.call(base_url=f"{url}/render-ws", session=session, timeout=30, allow_redirects=False)
        described = operation.definition.raw["responses"]
        assert str(response.status_code) in described, (response.status_code, response.content[:300])
        assert response.status_code != 500 or is_excused(label, response.text), response.text[:500]
        assert response.status_code < 400 or not response.headers.get("content-type", ["x"])[0].startswith(
            "image/"
        )

    ask()
    session.close()
