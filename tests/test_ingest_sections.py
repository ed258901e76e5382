"""Many sections in one run: z values, one state, reports, and runs that are killed."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from asap_ingest import storage
from asap_ingest.errors import ParameterError, ServiceUnreachableError
from asap_ingest.ingest_sections import IngestSections
from asap_ingest.merge_reports import merge
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.sections.section_list import find_metafiles, z_rule
from asap_ingest.sections.section_plan import plan
from asap_ingest.sections.section_state import RunState
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.steps import command, refused, run_step

SECTIONS = "ingest_sections"


def acquisition(folder, seed, count=4, grid=None, roi=0, created="20260101000000", dtype=np.uint8):
    """A section of its own: names of images and metafile have the seed in them."""
    images = {f"s{seed}_{n}": image for n, image in random_tiles(count, dtype=dtype, seed=seed).items()}
    metafile = write_acquisition(folder, images)
    document = json.loads(metafile.read_text())
    metadata = document[0]["metadata"] | {"roi_creation_time": created}
    if grid is not None:
        metadata |= {"specimen_id": "mouse", "grid": grid, "roi_index": roi}
    if dtype == np.uint16:
        metadata["camera_info"]["pixel_depth"] = 2
    document[0]["metadata"] = metadata
    named = folder / f"_metadata_{seed:03}.json"
    metafile.unlink()
    named.write_text(json.dumps(document))
    return named


@pytest.fixture
def day(tmp_path):
    """Three sections in folders of their own."""
    return [acquisition(tmp_path / "day" / f"section_{n}", n, grid=f"{n:06}") for n in (9, 10, 11)]


@pytest.fixture
def parameters(render, tmp_path, day):
    given = {
        "render": render,
        "metafiles": str(tmp_path / "day"),
        "stack": "raw",
        "levels": 2,
        "pool_size": 1,
    }
    return given | {"output_dir": str(tmp_path / "mipmaps"), "output_json": str(tmp_path / "out.json")}


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


def run(given, **more):
    """Exit code and output JSON of a run in this process."""
    code = IngestSections(input_data=given | more, args=[]).run()
    return code, json.loads(Path(given["output_json"]).read_text())


def levels(stack, z):
    return [sorted(tile["mipmapLevels"]) for tile in stack.tiles(float(z)).values()]


def test_sections_are_numbered_in_natural_order(parameters, stack, day):
    code, output = run(parameters)
    assert code == 0
    assert [(s["metafile"], s["z"]) for s in output["sections"]] == [
        (str(m), z + 1.0) for z, m in enumerate(day)
    ]
    assert stack.z_values() == [1.0, 2.0, 3.0]
    assert [levels(stack, z) for z in (1, 2, 3)] == [[["0", "1", "2"]] * 4] * 3
    assert stack.state() == "COMPLETE"
    report = output["report"]
    assert (report["sections"], report["tiles"], report["files_written"]) == (3, 12, 24)
    assert report["failures"] == report["warnings"] == []


def test_over_workers_into_a_stack_of_its_own(parameters, render, stack):
    code, _ = run(parameters, pool_size=2, output_stack="done", verify=True)
    done = Stack(RenderConnection(**render), "done")
    assert code == 0
    assert [levels(stack, z) for z in (1, 2, 3)] == [[["0"]] * 4] * 3
    assert [levels(done, z) for z in (1, 2, 3)] == [[["0", "1", "2"]] * 4] * 3
    assert (stack.state(), done.state()) == ("LOADING", "COMPLETE")


@pytest.mark.long
@pytest.mark.slow
def test_over_dask(parameters, stack):
    code, _ = run(parameters, pool_size=2, dask_scheduler="local")
    assert code == 0
    assert [levels(stack, z) for z in (1, 2, 3)] == [[["0", "1", "2"]] * 4] * 3


def test_a_second_run_does_nothing_and_says_the_same(parameters, tmp_path):
    _, first = run(parameters)
    folder = tmp_path / "mipmaps"
    before = {name: (folder / name).stat().st_mtime_ns for name in listing(folder)}
    code, second = run(parameters)
    after = {name: (folder / name).stat().st_mtime_ns for name in before}
    assert code == 0
    assert second["sections"] == first["sections"]
    assert {name for name in before if before[name] != after[name] and name[:5] != "runs/"} == set()


def test_z_by_expression_and_by_table(parameters, stack, day, tmp_path):
    assert run(parameters, z_from=r"section_(\d+)/")[0] == 0
    assert stack.z_values() == [9.0, 10.0, 11.0]
    table = tmp_path / "z.csv"
    rows = [f"day/section_9/{day[0].name},2.5", f"{day[1]},7", f"{day[2].name},8"]
    table.write_text("path,z\n" + "\n".join(rows))
    more = {"z_from": str(table), "stack": "raw2", "output_dir": str(tmp_path / "m2")}
    assert run(parameters, **more)[0] == 0
    assert Stack(stack.connection, "raw2").z_values() == [2.5, 7.0, 8.0]


@pytest.mark.parametrize(
    ("z_from", "words"),
    [
        ("section_", "has no group"),
        ("section_(", "is not a regular expression"),
        (r"roi_(\d+)", "does not match .*section_9"),
        ("(section)", "z must be a number, not 'section'"),
        ("/absent.csv", "cannot be read"),
    ],
)
def test_what_gives_no_z_is_refused_before_anything(parameters, stack, z_from, words):
    with pytest.raises(ParameterError, match=words):
        run(parameters, z_from=z_from)
    assert stack.state() is None


def test_two_sections_at_one_z_are_refused_by_name_before_anything(parameters, stack, day):
    with pytest.raises(ParameterError) as error:
        run(parameters, z_from=r"_metadata_(0)")
    assert str(day[0]) in str(error.value)
    assert str(day[1]) in str(error.value)
    assert stack.state() is None


def test_no_metafiles(parameters, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParameterError, match="no _metadata_"):
        run(parameters, metafiles=str(tmp_path / "empty"))


def test_names_patterns_and_folders(day, tmp_path):
    folder = str(tmp_path / "day")
    assert find_metafiles([folder]) == [str(metafile) for metafile in day]
    assert find_metafiles([f"{folder}/*_1?/_meta*.json", str(day[1])]) == [str(day[1]), str(day[2])]
    assert z_rule(r"s_(?P<z>\d+)")("s_12") == 12


def test_several_names_on_the_command_line(parameters, day, stack, tmp_path):
    left_out = ("metafiles", "output_json", "pool_size")
    given = {name: value for name, value in parameters.items() if name not in left_out}
    ran = run_step(SECTIONS, given, tmp_path, "--metafiles", str(day[0]), str(day[2]))
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout.startswith("2 of 2 sections done\n8 tiles, ")
    assert stack.z_values() == [1.0, 2.0]


def test_failures_of_all_sections_are_listed_and_done_again(parameters, stack, day, tmp_path, caplog):
    image = day[0].parent / "s9_tile_01.tif"
    whole = image.read_bytes()
    image.write_text("no image")
    text = day[2].read_text()
    day[2].write_text("[]")
    code, output = run(parameters)
    assert code == 1
    assert [section["status"] for section in output["sections"]] == ["failed", "done", "failed"]
    failures = output["report"]["failures"]
    assert [(f["z"], f["tileId"]) for f in failures] == [(1.0, "s9_tile_01.1.0"), (3.0, "")]
    assert "metadata: is missing" in failures[1]["reason"]
    errors = caplog.text
    assert "section z 1: 1 failed" in errors
    assert "section z 3:" in errors
    assert [len(levels(stack, z)) for z in (1, 2, 3)] == [4, 4, 0]

    image.write_bytes(whole)
    day[2].write_text(text)
    code, output = run(parameters)
    assert code == 0
    assert [section["z"] for section in output["sections"]] == [1.0, 2.0, 3.0]
    assert [levels(stack, z) for z in (1, 2, 3)] == [[["0", "1", "2"]] * 4] * 3
    assert output["sections"][0]["files_skipped"] == 6


def test_imaged_again_takes_its_place(parameters, stack, tmp_path, render):
    run(parameters, output_stack="done")
    again = acquisition(tmp_path / "day" / "section_99", 99, 3, grid="000010", created="20260102000000")
    code, output = run(parameters, output_stack="done")
    assert code == 0
    by_metafile = {section["metafile"]: section for section in output["sections"]}
    assert by_metafile[str(again)]["z"] == 2.0
    assert [section["status"] for section in output["sections"]] == ["done", "superseded", "done", "done"]
    names = ["s99_tile_00.2.0", "s99_tile_01.2.0", "s99_tile_02.2.0"]
    assert sorted(stack.tile_ids(2.0)) == names
    assert sorted(Stack(stack.connection, "done").tile_ids(2.0)) == names


def test_a_section_at_an_occupied_z_fails_alone(parameters, stack, day, tmp_path):
    run(parameters, metafiles=str(day[0]))
    more = {"state_file": str(tmp_path / "other.json"), "metafiles": [str(day[1]), str(day[2])]}
    code, output = run(parameters, **more)
    assert code == 1
    assert [section["status"] for section in output["sections"]] == ["failed", "done"]
    assert str(day[0]) in output["sections"][0]["error"]
    assert str(day[1]) in output["sections"][0]["error"]
    assert run(parameters, **more, append=True)[0] == 0
    assert len(stack.tile_ids(1.0)) == 8


def test_16_bits_in_a_range_of_8_are_told_and_counted(parameters, tmp_path):
    acquisition(tmp_path / "wide", 50, dtype=np.uint16)
    ran = run_step(SECTIONS, parameters | {"metafiles": str(tmp_path / "wide")}, tmp_path)
    assert ran.exit_code == 0
    assert "warning: 4 images, like s50_tile_00: 16 bits, but maximum_intensity is 255" in ran.stderr
    assert [warning["images"] for warning in ran.output["report"]["warnings"]] == [4, 4]


def test_shards_do_all_sections_and_their_outputs_become_one(parameters, stack, tmp_path):
    outputs = {}
    for number in (1, 2):
        code, outputs[f"{number}"] = run(parameters, shard=f"{number}/2")
        assert code == 0
    merged = merge(outputs)
    assert [section["z"] for section in merged["sections"]] == stack.z_values() == [1.0, 2.0, 3.0]
    assert (merged["report"]["sections"], merged["report"]["tiles"]) == (3, 12)


def test_other_parameters_need_another_state(parameters):
    run(parameters)
    with pytest.raises(ParameterError, match="is of a run with levels 2, not 3"):
        run(parameters, levels=3)
    assert run(parameters, levels=3, force_redo=True)[0] == 0


@pytest.mark.parametrize("content", ["{}", '{"version": 1, "settings": ["stack"], "sections": []}'])
def test_a_file_that_is_no_state_is_refused(parameters, tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ParameterError, match="is not the state of a run"):
        run(parameters, state_file=str(tmp_path / "state.json"))


def test_a_section_whose_uri_has_a_password_is_found_again(tmp_path):
    uri, file = "memory://lab:hunter2@store/_metadata_1.json", tmp_path / "state.json"
    storage.write_bytes(uri, b"[]")
    for _ in range(2):
        state = RunState(str(file), {})
        state.read()
        (record,) = plan([uri], state, z_rule("order"), 1)
        assert (record.metafile, record.z, len(list(state))) == (uri, 1.0, 1)
        state.write()
        assert "hunter2" not in file.read_text()


def test_two_runs_on_one_state_are_refused(parameters, tmp_path, capfd):
    state = RunState(str(tmp_path / "mipmaps" / "runs" / "raw_sections.json"), {})
    with state.held():
        with pytest.raises(ParameterError, match="another run is using it"):
            run(parameters)
        given = parameters | {"once": True, "output_json": None}
        assert IngestSections(input_data=given, args=[]).run() == 0
    assert "note: state_file: " in capfd.readouterr().err
    assert run(parameters)[0] == 0


def test_sections_that_the_stack_lost_are_done_again(parameters, stack, capfd):
    run(parameters)
    stack.set_state("LOADING")
    stack.delete_section(2.0)
    code, _ = run(parameters)
    assert code == 0
    assert "note: 1 sections that were done are not in the stack" in capfd.readouterr().err
    assert levels(stack, 2) == [["0", "1", "2"]] * 4


def test_dry_run_does_nothing(parameters, stack, day, tmp_path, capfd):
    (day[0].parent / "s9_tile_01.tif").unlink()
    code, output = run(parameters, dry_run=True)
    said = capfd.readouterr().out
    assert code == 0
    assert "3 of 3 sections to do, 12 tiles, 1 of their images missing" in said
    assert " to write; " in said
    assert "about " in said
    assert output["report"]["written"] == 11 * (24 * 32 + 12 * 16)
    assert stack.state() is None
    assert not (tmp_path / "mipmaps").exists()


def test_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    ran = run_step(SECTIONS, parameters, tmp_path)
    refused(ran, 3, "no render service answers")


def test_an_interrupted_run_says_how_to_go_on_and_leaves_its_output(parameters, tmp_path, monkeypatch, capfd):
    """The service dies when the second section is to be finished."""
    from asap_ingest.sections import section_pipeline

    real, calls = section_pipeline.finish_section, []

    def finish_section(finish):
        calls.append(finish)
        if len(calls) == 2:
            raise ServiceUnreachableError("http://em1", "ConnectionError")
        return real(finish)

    monkeypatch.setattr(section_pipeline, "finish_section", finish_section)
    with pytest.raises(ServiceUnreachableError):
        run(parameters)
    assert "interrupted: 1 of 3 sections were done; the same command goes on" in capfd.readouterr().err
    output = json.loads((tmp_path / "out.json").read_text())
    assert "http://em1" in output["interrupted"]
    assert [section["status"] for section in output["sections"]].count("done") == 1


def same_for(folder, stack):
    """What a run left: files, and tiles with their own folder's name taken out."""
    files = {name: content for name, content in listing(folder).items() if not name.startswith("runs")}
    tiles = [json.dumps(stack.tiles(z), sort_keys=True).replace(str(folder), "") for z in stack.z_values()]
    return files, tiles, stack.state()


@pytest.mark.long
@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_gives_what_a_clean_run_gives(parameters, stack, tmp_path):
    for n in range(20, 28):
        acquisition(tmp_path / "day" / f"section_{n}", n, 6, grid=f"{n:06}")
    clean = tmp_path / "clean"
    assert run(parameters, stack="clean", output_dir=str(clean))[0] == 0
    folder = tmp_path / "mipmaps"
    # levels of another run are in the way: they are not taken for those of this one
    shutil.copytree(clean, folder, ignore=shutil.ignore_patterns("runs"))
    for level in folder.rglob("*.tif"):
        level.write_bytes(b"older")
        os.utime(level, (time.time() - 5, time.time() - 5))
    kills = 0
    for count in (1, 20, 60):
        with subprocess.Popen(command(SECTIONS, parameters | {"pool_size": 2}, tmp_path)) as process:
            while process.poll() is None and made(folder) < count:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2
    code, output = run(parameters)
    assert code == 0
    assert [section["status"] for section in output["sections"]] == ["done"] * 11
    assert same_for(folder, stack) == same_for(clean, Stack(stack.connection, "clean"))


def made(folder):
    return sum(path.read_bytes() != b"older" for path in folder.rglob("*.tif"))
