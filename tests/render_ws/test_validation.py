"""Checks of stored tiles, and requests that are not implemented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asap_ingest.images.formats import encode
from asap_ingest.render_ws.app import NOT_IMPLEMENTED
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.golden import send

NO_CLASS = {"type": "leaf", "className": "no.such.Model", "dataString": "1"}
MIX = {"type": "interpolated", "a": leaf(), "b": leaf(), "lambda": 0.5}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "t.png"
    path.write_bytes(encode(np.zeros((80, 100), np.uint8), "png"))
    return path


def levels(path: Path, **fields: str) -> dict[str, object]:
    return {"0": {"imageUrl": str(path), **fields}}


def test_a_tile_is_valid_while_its_image_is_there(server_url: str, picture: Path) -> None:
    stack = StackClient(server_url, "valid").create(tile("t", mipmapLevels=levels(picture), specs=[MIX]))
    answer = stack.ask("GET", "/tile/t/validation-info")
    assert (answer.status, answer.body, "content-type" in answer.headers) == (200, b"", False)
    picture.write_bytes(b"")
    assert stack.status("GET", "/tile/t/validation-info") == 400
    picture.unlink()
    assert stack.status("GET", "/tile/t/validation-info") == 400
    assert stack.status("GET", "/tile/none/validation-info") == 404


def test_invalid_tiles(server_url: str, picture: Path) -> None:
    invalid = {
        "/no/such/gone.png": tile("gone"),
        "'bare' has no images": tile("bare", mipmapLevels={}),
        "'mask' has no images": tile("mask", mipmapLevels={"0": {"maskUrl": "/m.png"}}),
        "/no/mask.png": tile("masked", mipmapLevels=levels(picture, maskUrl="/no/mask.png")),
    }
    stack = StackClient(server_url, "invalid").create(*invalid.values())
    for problem, spec in invalid.items():
        answer = stack.ask("GET", f"/tile/{spec['tileId']}/validation-info")
        assert (answer.status, problem in answer.body.decode()) == (400, True), problem


@pytest.mark.parametrize(("method", "path", "reason"), NOT_IMPLEMENTED)
def test_what_is_not_implemented_says_so(server_url: str, method: str, path: str, reason: str) -> None:
    target = path.replace("{z:double}", "1").format_map(dict.fromkeys(PLACEHOLDERS, "a"))
    answer = send(server_url, method, target, {}, b"{}" if method in ("PUT", "POST") else None)
    assert (answer.status, answer.body.decode()) == (501, reason)


PLACEHOLDERS = ("owner", "project", "stack", "z", "trial", "kind", "matchCollection")
