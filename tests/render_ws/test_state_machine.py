"""Random lives of a few stacks: the service agrees with a small model written from the rules of states."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.examples import examples
from tests.render_ws.client import StackClient, collection, leaf, tile
from tests.render_ws.conftest import Running
from tests.render_ws.golden import send

pytestmark = pytest.mark.slow
STATES = ("LOADING", "COMPLETE", "READ_ONLY", "OFFLINE")
#: Status of a change of state between existing stacks that hold tiles, rows: from, columns: to.
CHANGES = {
    "LOADING": (201, 201, 400, 400),
    "COMPLETE": (201, 201, 201, 201),
    "READ_ONLY": (400, 201, 201, 201),
    "OFFLINE": (400, 500, 400, 201),
}
NAMES = st.sampled_from(("s1", "s2", "s1", "s2", "s3"))
TILE_IDS = st.sets(st.sampled_from("abcdef"), min_size=1, max_size=4)
LAYERS = st.sampled_from((1.0, 2.0, 3.5))
VERSIONS = st.fixed_dictionaries(
    {},
    optional={
        "versionNotes": st.sampled_from(("first", "second")),
        "cycleNumber": st.integers(0, 3),
        "stackResolutionX": st.sampled_from((4.0, 8.5)),
    },
)


@dataclass(frozen=True)
class Model:
    """What is known of a stack; `tiles` are z and section id by tile id, `sections` tile counts by z."""

    version: dict[str, Any]
    state: str = "LOADING"
    number: int = 0
    tiles: dict[str, tuple[float, str]] = field(default_factory=dict)
    transforms: frozenset[str] = frozenset()
    stats: dict[str, int] | None = None
    sections: dict[float, int] | None = None

    def layers(self) -> list[float]:
        return sorted({z for z, _ in self.tiles.values()})

    def counted(self) -> dict[float, int]:
        return dict(Counter(z for z, _ in self.tiles.values()))

    def completed(self) -> Model:
        stats = {
            "tileCount": len(self.tiles),
            "sectionCount": len(self.layers()),
            "nonIntegralSectionCount": sum(z != int(z) for z in self.layers()),
            "transformCount": len(self.transforms),
        }
        return replace(self, state="COMPLETE", stats=stats, sections=self.counted())


class StackLives(RuleBasedStateMachine):
    """Each run has an owner of its own, so that it starts without stacks."""

    url = ""
    owners = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.owner = f"o{next(self.owners)}"
        self.models: dict[str, Model] = {}
        self.touched: set[str] = set()

    def ask(self, name: str, method: str, path: str = "", body: Any = None) -> int:
        self.touched.add(name)
        return StackClient(self.url, name, self.owner).status(method, path, body)

    def loading_status(self, name: str, otherwise: int) -> int:
        """Status of a change of data, 0 when it is allowed."""
        model = self.models.get(name)
        return 404 if model is None else 0 if model.state == "LOADING" else otherwise

    @initialize()
    def two_stacks(self) -> None:
        for name in ("s1", "s2"):
            self.post(name, {})
        self.fill_and_complete("s1")
        self.put_state("s1", "LOADING")

    @rule(name=NAMES)
    def fill_and_complete(self, name: str) -> None:
        if name in self.models and self.models[name].state == "LOADING":
            for tile_id, z in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
                self.put_tiles(name, {tile_id}, z, True, True)
        self.put_state(name, "COMPLETE")

    @rule(name=NAMES, version=VERSIONS)
    def post(self, name: str, version: dict[str, Any]) -> None:
        before = self.models.get(name)
        status = self.ask(name, "POST", "", version)
        if before is not None and before.state == "READ_ONLY":
            assert status == 500
            return
        assert status == 201
        self.models[name] = (
            Model(version)
            if before is None
            else replace(before, version=version, number=before.number + 1, state="LOADING", stats=None)
        )

    @precondition(lambda self: len(self.models) > 1)
    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        before = self.models.get(name)
        read_only = before is not None and before.state == "READ_ONLY"
        assert self.ask(name, "DELETE") == (500 if read_only else 200)
        if not read_only:
            self.models.pop(name, None)

    @rule(name=NAMES, tile_ids=TILE_IDS, z=LAYERS, derive=st.booleans(), shared=st.booleans())
    def put_tiles(self, name: str, tile_ids: set[str], z: float, derive: bool, shared: bool) -> None:
        specs = [{"type": "ref", "refId": f"t{z}"}] if shared else [leaf()]
        box = {"minX": 0, "minY": 0, "maxX": 100, "maxY": 80}
        transforms = {f"t{z}": leaf()} if shared else {}
        tiles = [tile(tile_id, z, specs=specs, **box) for tile_id in sorted(tile_ids)]
        body = collection(*tiles, **transforms)
        status = self.ask(name, "PUT", f"/resolvedTiles?deriveData={str(derive).lower()}", body)
        refused = self.loading_status(name, 500)
        assert status == (refused or 201)
        if not refused:
            model = self.models[name]
            self.models[name] = replace(
                model,
                tiles={**model.tiles, **dict.fromkeys(tile_ids, (z, f"{z}"))},
                transforms=model.transforms | set(transforms),
            )

    def keep(self, name: str, path: str, wanted: Callable[[str, float, str], bool]) -> None:
        refused = self.loading_status(name, 400)
        assert self.ask(name, "DELETE", path) == (refused or 200)
        if not refused:
            model = self.models[name]
            kept = {tile_id: place for tile_id, place in model.tiles.items() if wanted(tile_id, *place)}
            self.models[name] = replace(model, tiles=kept)

    @rule(name=NAMES, z=LAYERS)
    def delete_layer(self, name: str, z: float) -> None:
        self.keep(name, f"/z/{z}", lambda _, layer, section: layer != z)

    @rule(name=NAMES, z=LAYERS)
    def delete_section(self, name: str, z: float) -> None:
        self.keep(name, f"/section/{z}", lambda _, layer, section: section != f"{z}")

    @rule(name=NAMES, tile_id=st.sampled_from("abc"))
    def delete_tile(self, name: str, tile_id: str) -> None:
        self.keep(name, f"/tile/{tile_id}", lambda found, layer, section: found != tile_id)

    @rule(name=NAMES, tile_ids=TILE_IDS, z=LAYERS)
    def move_tiles(self, name: str, tile_ids: set[str], z: float) -> None:
        refused = self.loading_status(name, 500)
        assert self.ask(name, "PUT", f"/z/{z}/tileIds", sorted(tile_ids)) == (refused or 201)
        if not refused:
            model = self.models[name]
            moved = {
                tile_id: (z if tile_id in tile_ids else layer, section)
                for tile_id, (layer, section) in model.tiles.items()
            }
            self.models[name] = replace(model, tiles=moved)

    @rule(name=NAMES, state=st.sampled_from((*STATES, "COMPLETE", "LOADING")))
    def put_state(self, name: str, state: str) -> None:
        before = self.models.get(name)
        status = self.ask(name, "PUT", f"/state/{state}")
        if before is None:
            assert status == 404
            return
        if (before.state, state) == ("LOADING", "COMPLETE") and not before.tiles:
            assert status == 500
        else:
            assert status == CHANGES[before.state][STATES.index(state)]
        self.models[name] = self.changed(before, state, status)

    @staticmethod
    def changed(before: Model, state: str, status: int) -> Model:
        if status == 500:
            # that somebody tried leaves empty section data behind
            return replace(before, sections={})
        if status != 201:
            return before
        if state == "COMPLETE":
            return replace(before, state=state) if before.state == "READ_ONLY" else before.completed()
        if state == "LOADING" and before.state == "COMPLETE":
            return replace(before, state=state, number=before.number + 1, stats=None)
        if state == "OFFLINE" and before.state != "OFFLINE":
            return replace(before, state=state, tiles={}, transforms=frozenset(), sections=None)
        return replace(before, state=state)

    @rule(name=NAMES, goal=NAMES, version=VERSIONS, z=st.none() | LAYERS, skip=st.booleans())
    def clone(self, name: str, goal: str, version: dict[str, Any], z: float | None, skip: bool) -> None:
        source, there = self.models.get(name), self.models.get(goal)
        query = f"?skipTransforms={str(skip).lower()}" + ("" if z is None else f"&z={z}")
        status = self.ask(name, "PUT", f"/cloneTo/{goal}{query}", version)
        self.touched.add(goal)
        if source is None:
            assert status == 404
            return
        if there is not None and there.state != "LOADING":
            assert status == 500
            return
        copied = {tile_id: place for tile_id, place in source.tiles.items() if z in (None, place[0])}
        there = there or Model({})
        both = replace(
            there,
            tiles={**copied, **there.tiles},
            transforms=there.transforms | (frozenset() if skip else source.transforms),
        )
        assert status == (500 if there.tiles else 201)
        self.models[goal] = both if there.tiles else replace(both, version=version, number=0, stats=None)

    @rule(name=NAMES, goal=NAMES)
    def rename(self, name: str, goal: str) -> None:
        source = self.models.get(name)
        body = {"owner": self.owner, "project": "p", "stack": goal}
        status = self.ask(name, "PUT", "/stackId", body)
        self.touched.add(goal)
        if source is None:
            assert status == 404
        elif source.state in ("READ_ONLY", "OFFLINE") or goal in self.models:
            assert status == 400
        else:
            assert status == 200
            self.models[goal] = self.models.pop(name)

    @rule(name=NAMES, values=st.lists(st.sampled_from((2.0, 4.0, 40.0)), min_size=3, max_size=3))
    def put_resolution(self, name: str, values: list[float]) -> None:
        before = self.models.get(name)
        status = self.ask(name, "PUT", "/resolutionValues", values)
        assert status == (404 if before is None else 500 if before.state == "READ_ONLY" else 200)
        if before is not None and status == 200:
            resolution = {f"stackResolution{axis}": value for axis, value in zip("XYZ", values, strict=True)}
            self.models[name] = replace(before, version={**before.version, **resolution})

    @invariant()
    def what_is_read_is_what_was_written(self) -> None:
        for name in sorted(self.touched):
            self.compare(StackClient(self.url, name, self.owner), self.models.get(name))
        self.touched.clear()

    def compare(self, stack: StackClient, model: Model | None) -> None:
        if model is None:
            assert stack.status("GET") == stack.status("GET", "/zValues") == 404
            assert stack.get("/tileIds") == []
            return
        found = stack.get()
        assert (found["state"], found["currentVersionNumber"]) == (model.state, model.number)
        assert found["currentVersion"] == model.version
        stats = found.get("stats")
        assert (stats is None) == (model.stats is None)
        if stats is not None and model.stats is not None:
            assert {key: stats[key] for key in model.stats} == model.stats
        assert stack.get("/zValues") == model.layers()
        assert stack.get("/tileIds") == sorted(model.tiles)
        assert stack.status("GET", "/bounds") == (400 if model.stats is None else 200)
        self.compare_sections(stack, model)

    @staticmethod
    def compare_sections(stack: StackClient, model: Model) -> None:
        if model.sections is None:
            assert stack.status("GET", "/sectionData") == (404 if model.state == "OFFLINE" else 400)
            return
        counts: dict[float, int] = {}
        for section in stack.get("/sectionData"):
            counts[section["z"]] = counts.get(section["z"], 0) + section["tileCount"]
        assert counts == model.sections

    @invariant()
    def all_stacks_are_listed(self) -> None:
        answer = send(self.url, "GET", f"/render-ws/v1/owner/{self.owner}/stackIds", {}, None)
        assert sorted(entry["stack"] for entry in json.loads(answer.body)) == sorted(self.models)


@pytest.mark.nightly
def test_random_lives_of_stacks_follow_the_rules(server_url: str) -> None:
    StackLives.url = server_url
    run_state_machine_as_test(
        StackLives,
        settings=settings(
            max_examples=examples(40),
            stateful_step_count=25,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


UPSERT = """
import sys, urllib.request
body, headers = sys.stdin.read().encode(), {"Content-Type": "application/json"}
request = urllib.request.Request(sys.argv[1], body, headers, method="PUT")
for _ in range(5):
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 201
"""


@pytest.mark.long
def test_twenty_processes_upsert_the_same_transforms_at_once(
    start_service: Callable[..., Running], tmp_path: Path
) -> None:
    running = start_service(tmp_path / "render.db")
    stack = StackClient(running.url, "s").create()
    target = f"{running.url}/render-ws/v1/owner/o/project/p/stack/s/resolvedTiles?deriveData=true"
    shared = {f"t{index}": leaf(index) for index in range(30)}
    command = [sys.executable, "-c", UPSERT, target]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(20)]
    for number, process in enumerate(processes):
        specs = [{"type": "ref", "refId": f"t{number}"}]
        tiles = [tile(f"{number}.{index}", specs=specs) for index in range(10)]
        assert process.stdin is not None
        process.stdin.write(json.dumps(collection(*tiles, **shared)))
        process.stdin.close()
        process.stdin = None
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, errors
    assert len(stack.get("/tileIds")) == 200
    assert stack.status("PUT", "/state/COMPLETE") == 201
    stats = stack.get()["stats"]
    assert (stats["tileCount"], stats["transformCount"]) == (200, 30)
