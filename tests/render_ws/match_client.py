"""A small client for tests of match collections, and pairs written short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from tests.render_ws.client import JSON_TYPE
from tests.render_ws.golden import Answer, send


@dataclass(frozen=True)
class MatchClient:
    """Requests to one match collection of the service at `url`."""

    url: str
    collection: str
    owner: str = "m"

    def ask(self, method: str, path: str = "", body: Any = None) -> Answer:
        """Send a request below the collection; a body that is no bytes goes as JSON."""
        target = f"/render-ws/v1/owner/{self.owner}/matchCollection/{self.collection}{path}"
        if body is None:
            return send(self.url, method, target, {}, None)
        return send(
            self.url, method, target, JSON_TYPE, body if isinstance(body, bytes) else orjson.dumps(body)
        )

    def get(self, path: str) -> Any:
        """Parsed JSON of a GET that must succeed."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return orjson.loads(answer.body)

    def names(self, path: str) -> list[str]:
        """Pairs that a GET answers, as `1.a-2.b`."""
        return [f"{one['pGroupId']}.{one['pId']}-{one['qGroupId']}.{one['qId']}" for one in self.get(path)]

    def put(self, *pairs: dict[str, Any]) -> MatchClient:
        """Store pairs; returns itself."""
        answer = self.ask("PUT", "/matches", list(pairs))
        assert answer.status == 201, answer
        return self


def pair(names: str, *points: float, **fields: Any) -> dict[str, Any]:
    """The pair `1.a-2.b`; each point has x = y = the number in p and its negative in q."""
    (p_group, p_id), (q_group, q_id) = (side.split(".") for side in names.split("-"))
    coordinates = [float(number) for number in points]
    opposite = [-number for number in coordinates]
    return {
        "pGroupId": p_group,
        "pId": p_id,
        "qGroupId": q_group,
        "qId": q_id,
        "matches": {
            "p": [coordinates, coordinates],
            "q": [opposite, opposite],
            "w": [1.0] * len(points),
        },
        **fields,
    }
