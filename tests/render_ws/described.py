"""The operations of the OpenAPI description, and a stack for requests made up to be about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import schemathesis
from PIL import Image

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.memory.limits import Limits
from asap_ingest.render_ws.pages.openapi import describing, openapi
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving

DESCRIPTION = openapi((*ALL_OPERATIONS, *describing(ALL_OPERATIONS)))
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
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


@contextmanager
def serving_a_picture(folder: Path) -> Iterator[tuple[str, str]]:
    """URL of a service with low limits, and the path of a picture of 100 x 80 pixels for its tiles."""
    with serving(folder, limits=Limits(body_bytes=2**20, image_pixels=200_000)) as base:
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
