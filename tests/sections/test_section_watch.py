"""A microscope that writes slowly, out of order, a section again, and a tile an hour late; it is watched."""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asap_ingest.ingest_sections import IngestSections
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.sections.section_list import ORDER, z_rule
from asap_ingest.sections.section_state import RunState
from asap_ingest.sections.section_watch import Watch
from tests.steps import command
from tests.test_ingest_sections import SECTIONS, acquisition, levels, run
from tests.test_survival import RestartableService

HOUR = 3600.0


class Done(BaseException):
    """The microscope has written all, and the watch has seen it."""


@dataclass
class Microscope:
    """Writes by a script while the watch waits: (seconds, what to do), in order of time."""

    script: list
    until: float
    now: float = 0.0
    log: list = field(default_factory=list)

    def wait(self, seconds):
        self.now += seconds
        while self.script and self.script[0][0] <= self.now:
            self.script.pop(0)[1]()
        if self.now > self.until:
            raise Done


@pytest.fixture
def parameters(render, tmp_path):
    given = {
        "render": render,
        "metafiles": str(tmp_path / "share"),
        "stack": "raw",
        "levels": 1,
        "pool_size": 1,
    }
    (tmp_path / "share").mkdir()
    return given | {"output_dir": str(tmp_path / "mipmaps"), "output_json": str(tmp_path / "out.json")}


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


def watched(parameters, microscope, **more):
    """Run the command with a watch whose time is the microscope's, until this is done; its output."""

    class Watched(IngestSections):
        clock = staticmethod(lambda: microscope.now)
        wait = staticmethod(microscope.wait)

    given = parameters | {"watch": True, "settle_seconds": 30, "poll_seconds": 10} | more
    with pytest.raises(Done):
        Watched(input_data=given, args=[]).run()
    return json.loads(Path(parameters["output_json"]).read_text())


class Written:
    """A section that is there somewhere, to be written to the share part by part."""

    def __init__(self, tmp_path, name, seed, **more):
        self.metafile = acquisition(tmp_path / "hidden" / name, seed, **more)
        self.folder = tmp_path / "share" / name
        self.folder.mkdir()

    def image(self, number, part=1.0):
        def write():
            source = sorted(self.metafile.parent.glob("*.tif"))[number]
            content = source.read_bytes()
            (self.folder / source.name).write_bytes(content[: int(len(content) * part)])

        return write

    def images(self, *numbers):
        return lambda: [self.image(number)() for number in numbers]

    def description(self, part=1.0):
        def write():
            text = self.metafile.read_text()
            (self.folder / self.metafile.name).write_text(text[: int(len(text) * part)])

        return write


def test_a_day_at_the_microscope(parameters, stack, tmp_path, capfd):
    slow = Written(tmp_path, "slow", 1, grid="000001")
    early = Written(tmp_path, "early", 2, grid="000002")
    again = Written(tmp_path, "again", 3, grid="000002", created="20260101010000", count=3)
    late = Written(tmp_path, "late", 4, grid="000004")
    seen = {}

    def note(name):
        return lambda: seen.update({name: list(stack.z_values()) if stack.state() else []})

    script = [
        (10, slow.description(0.5)),  # a metafile that is half written
        (20, slow.images(0, 1, 2)),
        (20, late.description()),  # before its images
        (30, slow.description()),
        (30, late.images(0, 1, 2)),
        (40, early.images(0, 1, 2, 3)),
        (40, early.description()),
        (50, slow.image(3, 0.3)),  # an image that grows
        (70, slow.image(3, 0.6)),
        (80, note("nothing")),  # early has settled when the clock says 70; it is looked at then
        (90, slow.image(3)),
        (100, note("early")),
        (110, note("slow grows no more, and has not settled")),
        (140, note("slow")),
        (200, again.images(0, 1, 2)),
        (200, again.description()),
        (300, note("again")),
        (HOUR, late.image(3)),
        (HOUR + 100, note("late")),
    ]
    microscope = Microscope(script, until=HOUR + 120)
    output = watched(parameters, microscope)
    assert seen["early"] == [1.0]
    assert seen["slow grows no more, and has not settled"] == [1.0]
    assert seen["slow"] == seen["again"] == [1.0, 2.0]
    assert seen["late"] == [1.0, 2.0, 3.0]
    by_name = {Path(s["metafile"]).parent.name: (s["z"], s["status"]) for s in output["sections"]}
    assert by_name == {
        "early": (1.0, "superseded"),
        "again": (1.0, "done"),
        "slow": (2.0, "done"),
        "late": (3.0, "done"),
    }
    assert sorted(stack.tile_ids(1.0)) == [f"s3_tile_0{n}.1.0" for n in range(3)]
    assert [levels(stack, z) for z in (1, 2, 3)] == [[["0", "1"]] * n for n in (3, 4, 4)]
    assert stack.state() == "COMPLETE"
    said = capfd.readouterr().err
    assert "late/_metadata_004.json: waits for 1 of 4 images, like s4_tile_03.tif" in said
    assert said.count("waits for 1 of 4 images, like s4_tile_03.tif") == 1


def test_a_share_and_a_state_that_are_away(parameters, stack, tmp_path, capfd):
    first = acquisition(tmp_path / "share" / "first", 1, grid="000001")
    share, output = tmp_path / "share", tmp_path / "mipmaps"

    def away():
        share.rename(tmp_path / "unmounted")
        output.rename(tmp_path / "unmounted_output")
        output.mkdir()  # what an empty mount point looks like

    def back():
        output.rmdir()
        (tmp_path / "unmounted_output").rename(output)
        (tmp_path / "unmounted").rename(share)
        acquisition(share / "second", 2, grid="000002")

    microscope = Microscope([(100, away), (500, back)], until=700)
    report = watched(parameters, microscope)
    assert [section["status"] for section in report["sections"]] == ["done", "done"]
    assert report["sections"][0]["metafile"] == str(first)
    assert stack.z_values() == [1.0, 2.0]
    said = capfd.readouterr().err
    assert said.count("is away") == 1
    assert said.count("goes on") == 1


def test_what_failed_is_tried_again_later_and_later(parameters, tmp_path, monkeypatch):
    bad = acquisition(tmp_path / "share" / "bad", 1)
    (bad.parent / "s1_tile_01.tif").write_text("no image")
    runs = []
    finish = IngestSections.finish

    def noted(self, output, failures=()):
        runs.append(microscope.now)
        return finish(self, output, failures)

    monkeypatch.setattr(IngestSections, "finish", noted)
    whole = acquisition(tmp_path / "hidden", 1).parent / "s1_tile_01.tif"
    microscope = Microscope([(600, lambda: shutil.copy(whole, bad.parent / "s1_tile_01.tif"))], until=1200)
    output = watched(parameters, microscope)
    assert runs == [30, 90, 210, 450, 630]
    assert output["sections"][0]["status"] == "done"


def test_a_z_that_is_taken_does_not_end_the_watch(parameters, stack, tmp_path, capfd):
    for seed in (1, 2):
        acquisition(tmp_path / "share" / f"s{seed}", seed, grid=f"{seed}")
    acquisition(tmp_path / "share" / "other", 3, grid="3")
    microscope = Microscope([], until=100)
    output = watched(parameters, microscope, z_from=r"share/s(\d)?")
    assert [section["z"] for section in output["sections"]] == [1.0, 2.0]
    assert capfd.readouterr().err.count("does not match") == 1


def test_once_looks_twice_and_ends(parameters, stack, tmp_path):
    acquisition(tmp_path / "share" / "first", 1, grid="000001")
    half = acquisition(tmp_path / "share" / "second", 2, grid="000002")
    (half.parent / "s2_tile_03.tif").unlink()
    code, output = run(parameters, once=True, settle_seconds=0.05)
    assert code == 0
    assert [section["status"] for section in output["sections"]] == ["done"]
    code, output = run(parameters, once=True, settle_seconds=0)
    assert [section["status"] for section in output["sections"]] == ["done"]


@pytest.fixture
def service(tmp_path, closed_port):
    service = RestartableService(tmp_path / "own.db", closed_port)
    yield service
    service.kill()


@pytest.mark.long
@pytest.mark.slow
def test_a_service_that_is_away_and_a_signal_and_a_restart(parameters, service, tmp_path):
    """The command as a process: the service is killed and comes back; the watch is ended and begun again."""
    parameters["render"] |= {"host": "127.0.0.1", "port": service.port}
    given = parameters | {"watch": True, "settle_seconds": 0, "poll_seconds": 0.05}
    del given["output_json"]
    stack = Stack(RenderConnection(**parameters["render"]), "raw")
    service.kill()
    acquisition(tmp_path / "share" / "first", 1, grid="000001")
    with subprocess.Popen(command(SECTIONS, given, tmp_path), stderr=subprocess.PIPE, text=True) as process:
        said = next(line for line in process.stderr if "waits: no render service answers" in line)
        assert said
        service.start()
        assert any("goes on" in line for line in process.stderr)
        assert levels(stack, 1) == [["0", "1"]] * 4
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert "stopped by a signal" in rest
    assert "Traceback" not in rest
    assert process.returncode == 0
    assert stack.state() == "COMPLETE"
    acquisition(tmp_path / "share" / "second", 2, grid="000002")
    code, output = run(given | {"output_json": str(tmp_path / "out.json")}, watch=False, once=True)
    assert code == 0
    assert [section["z"] for section in output["sections"]] == [1.0, 2.0]


def test_times_and_sizes_must_settle(tmp_path):
    metafile = acquisition(tmp_path / "share", 1)
    clock = [0.0]
    state = RunState(str(tmp_path / "s.json"), {})
    watch = Watch([str(tmp_path / "share")], state, z_rule(ORDER), 1, lambda records: None)
    watch.clock, watch.settle_seconds = lambda: clock[0], 30
    image = metafile.parent / "s1_tile_00.tif"
    assert watch.look() == []
    clock[0] = 20
    os.utime(image, (5, 5))
    assert watch.look() == []
    clock[0] = 40
    image.write_bytes(image.read_bytes() + b"0")
    os.utime(image, (5, 5))
    assert watch.look() == []
    clock[0] = 69
    assert watch.look() == []
    clock[0] = 70
    assert [record.metafile for record in watch.look()] == [str(metafile)]
