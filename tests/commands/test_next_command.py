"""What commands say to type next: lines that a shell runs, without secrets and what is known anyway."""

import io
import json
import os
import shlex
import sys

import pytest

from asap_ingest.__main__ import main as asap_ingest
from asap_ingest.commands.command_table import parser_of
from asap_ingest.commands.program import command_line, say_next
from asap_ingest.generate_mipmaps import GenerateMipMaps
from asap_ingest.precomputed_tif import main as precomputed_tif
from asap_ingest.serve_render import what_next
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import TILESPECS
from tests.test_precomputed_tif_spellings import planes
from tests.test_schemas import STEPS


def next_of(step, **given):
    module, needed = STEPS[step]
    return module(input_data=needed | given, args=[]).next_command()


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for start in ("", "DEFAULT_"):
        for name in ("HOST", "PORT", "OWNER", "PROJECT"):
            monkeypatch.delenv(f"{start}RENDER_{name}", raising=False)


def parsed(line):
    """The arguments of a line as its own command reads them."""
    program, command, *arguments = shlex.split(line)
    assert program.endswith("asap-ingest")
    return {name: value for name, value in vars(parser_of(command).parse_args(arguments)).items() if value}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_says_a_line_that_the_next_one_reads(step):
    read = parsed(next_of(step))
    assert read["render.host"] == "localhost"
    assert read["input_stack"] == "raw"


def test_the_output_json_is_the_next_input(tmp_path):
    output = str(tmp_path / "out 1.json")
    assert parsed(next_of("tilespecs", output_json=output)) == {"input_json": output, "output_dir": "mipmaps"}
    read = parsed(next_of("mipmaps", output_json=output))
    assert read == {"input_json": output, "output_stack": "raw_with_mipmaps", "close_stack": "true"}


def test_nothing_follows_a_dry_run():
    assert next_of("apply", dry_run=True) is None


@pytest.mark.parametrize("stdout", [None, "closed"])
def test_a_line_that_nobody_reads_is_no_fault(stdout, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0), write_through=True) as closed:
        monkeypatch.setattr(sys, "stdout", closed if stdout else None)
        say_next("asap-ingest")
        monkeypatch.undo()


def test_shards_are_merged():
    assert "merge_reports --output_json merged.json --inputs" in next_of("mipmaps", shard="1/3")


def test_the_connection_is_left_out_where_it_is_known_anyway(monkeypatch, tmp_path):
    monkeypatch.setenv("DEFAULT_RENDER_HOST", "localhost")
    monkeypatch.setenv("RENDER_PORT", "8080")
    (tmp_path / "lab.toml").write_text("[render]\nowner = 'lab'")
    monkeypatch.setenv("ASAP_INGEST_CONFIG", str(tmp_path / "lab.toml"))
    (tmp_path / "in.json").write_text(json.dumps(STEPS["mipmaps"][1]))
    step = GenerateMipMaps(args=["--input_json", str(tmp_path / "in.json")])
    read = parsed(step.next_command())
    assert {name for name in read if name.startswith("render.")} == {"render.project"}


def test_values_are_quoted_and_hold_no_secret():
    line = command_line("serve_precomputed", directory="http://lab:hunter2@em1/a b")
    assert line.endswith("serve_precomputed --directory 'http://***@em1/a b'")


def test_a_volume_is_served_next(tmp_path, capsys):
    folder, dest = planes(tmp_path / "stack"), str(tmp_path / "volume")
    line = ["--source", f"{folder}/*.tif", "--dest", dest, "--voxel-size", "4nm", "--format", "raw"]
    assert precomputed_tif(line) == 0
    assert (
        parsed(capsys.readouterr().out.splitlines()[-1].removeprefix("next: "))["directory"].as_posix()
        == dest
    )


def test_a_service_says_how_to_ingest_into_it():
    page, line = what_next("http://127.0.0.1:8080")
    assert page == "open http://127.0.0.1:8080/render-ws/view/stacks.html"
    assert parsed(line.removeprefix("next: "))["render.port"] == "8080"


@pytest.mark.long
@pytest.mark.slow
def test_the_lines_of_a_section_run_one_after_the_other(render, tmp_path, capsys, monkeypatch):
    """From a metafile to a volume by what each command says."""
    monkeypatch.chdir(tmp_path)
    metafile = write_acquisition(tmp_path / "images", random_tiles(2))
    (tmp_path / "in.json").write_text(json.dumps({"render": render, "metafile": str(metafile)}))
    line = f"asap-ingest {TILESPECS} --input-json in.json --stack raw --z-index 1 --close-stack"
    commands = []
    for _ in range(4):
        _, command, *arguments = shlex.split(line)
        commands.append(command)
        assert asap_ingest([command, *arguments]) == 0, capsys.readouterr().err
        line = capsys.readouterr().out.splitlines()[-1].removeprefix("next: ")
    assert commands[1:] == ["generate_mipmaps", "apply_mipmaps_to_render", "export_to_precomputed"]
    assert line.endswith("serve_precomputed --directory raw_with_mipmaps_volume")


@pytest.mark.slow
def test_after_failures_the_line_does_them_again(render, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metafile = write_acquisition(tmp_path / "images", random_tiles(2))
    given = json.dumps({"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1})
    (tmp_path / "in.json").write_text(given)
    assert asap_ingest([TILESPECS, "--input_json", "in.json", "--close-stack"]) == 0
    image = sorted((tmp_path / "images").glob("*.tif"))[0]
    content = image.read_bytes()
    image.write_bytes(content[:200])
    (tmp_path / "in.json").write_text(json.dumps({"render": render, "input_stack": "raw"}))
    line = ["--input_json", "in.json", "--output-dir", "m n", "--output-json", "out.json"]
    assert asap_ingest(["generate-mipmaps", *line]) == 1
    image.write_bytes(content)
    _, *again = shlex.split(capsys.readouterr().out.splitlines()[-1].removeprefix("next: "))
    assert again == ["generate_mipmaps", *line, "--retry_failed", "out.json"]
    assert asap_ingest(again) == 0
    assert json.loads((tmp_path / "out.json").read_text())["report"]["tiles"] == 1
