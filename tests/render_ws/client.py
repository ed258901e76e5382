"""A small client for the tests: one stack, requests as text, tile specs written short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from tests.render_ws.golden import Answer, send

AFFINE = "mpicbg.trakem2.transform.AffineModel2D"
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class StackClient:
    """Requests to one stack of the service at `url`."""

    url: str
    stack: str
    owner: str = "o"
    project: str = "p"

    def ask(self, method: str, path: str = "", body: Any = None, **headers: str) -> Answer:
        """Send a request below the stack; a body that is no bytes goes as JSON."""
        target = f"/render-ws/v1/owner/{self.owner}/project/{self.project}/stack/{self.stack}{path}"
        if body is None:
            return send(self.url, method, target, headers, None)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return send(self.url, method, target, {**JSON_TYPE, **headers}, content)

    def get(self, path: str = "") -> Any:
        """Parsed JSON of a GET that must succeed."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return orjson.loads(answer.body)

    def status(self, method: str, path: str = "", body: Any = None) -> int:
        """Status of a request."""
        return self.ask(method, path, body).status

    def create(self, *tiles: dict[str, Any], state: str = "LOADING") -> StackClient:
        """Make the stack, load tiles, bring it into a state; returns itself."""
        assert self.status("POST", "", {}) == 201
        if tiles:
            assert self.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles)) == 201
        for step in {"LOADING": (), "COMPLETE": ("COMPLETE",)}.get(state, ("COMPLETE", state)):
            assert self.status("PUT", f"/state/{step}") == 201
        return self


def leaf(x: float = 0, y: float = 0, **fields: Any) -> dict[str, Any]:
    """A shift as a leaf transform."""
    return {"type": "leaf", "className": AFFINE, "dataString": f"1 0 0 1 {x} {y}", **fields}


def tile(tile_id: str, z: float = 1.0, **fields: Any) -> dict[str, Any]:
    """A tile of 100 x 80 pixels, at the origin unless `transforms` says otherwise."""
    specs = fields.pop("specs", [leaf()])
    return {
        "tileId": tile_id,
        "z": z,
        "width": 100,
        "height": 80,
        "layout": {"sectionId": f"{z}"},
        "mipmapLevels": {"0": {"imageUrl": f"file:/no/such/{tile_id}.png"}},
        "transforms": {"type": "list", "specList": specs},
        **fields,
    }


def collection(*tiles: dict[str, Any], **shared: dict[str, Any]) -> dict[str, Any]:
    """A resolved-tile collection; `shared` transforms by id."""
    return {
        "transformIdToSpecMap": {key: {"id": key, **spec} for key, spec in shared.items()},
        "tileIdToSpecMap": {tile["tileId"]: tile for tile in tiles},
    }
