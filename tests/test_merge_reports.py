"""Outputs of shards become one; what does not belong together is refused."""

import json
import subprocess
import sys

import pytest

from asap_ingest.merge_reports import main, merge


def mipmaps_output(number, count=2, **report):
    """What generate_mipmaps leaves."""
    return {
        "input_stack": "raw",
        "output_dir": "/mipmaps",
        "levels": 6,
        "imgformat": "tif",
        "zValues": [1.0, 2.0],
        "render": {"host": "em", "port": 8080},
        "report": {
            "tiles": 10 * number,
            "files_written": 60,
            "files_skipped": 1,
            "bytes_read": 1000,
            "bytes_written": 300,
            "seconds": 2.0 * number,
            "stage_seconds": {"read": 1.0, "encode": 2.0 * number},
            "slowest_stage": "encode",
            "failures": [],
            "shard": f"{number}/{count}",
        }
        | report,
    }


def apply_output(number, count=2):
    """What apply_mipmaps_to_render leaves."""
    return {
        "output_stack": "done",
        "mipmap_dir": "/mipmaps",
        "levels": 6,
        "imgformat": "tif",
        "zValues": [float(number)],  # each shard has sections of its own
        "render": {"host": "em"},
        "report": {
            "tiles": 5,
            "tiles_with_levels": 5,
            "seconds": 1.0,
            "failures": [],
            "shard": f"{number}/{count}",
        },
    }


def failure(tile_id, image):
    return {"tileId": tile_id, "image": image, "reason": "no such file"}


@pytest.fixture
def merge_files(tmp_path, capsys):
    """Runs the command on contents of files; (exit code, merged output or None, standard error)."""

    def run(*contents):
        names = []
        for number, content in enumerate(contents):
            path = tmp_path / f"out_{number}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            names.append(str(path))
        target = tmp_path / "merged.json"
        code = main(["--inputs", *names, "--output_json", str(target)])
        merged = json.loads(target.read_text()) if target.exists() else None
        return code, merged, capsys.readouterr().err

    return run


def test_counts_are_added_and_the_longest_time_is_the_time(merge_files):
    code, merged, stderr = merge_files(mipmaps_output(1), mipmaps_output(2))
    assert (code, stderr) == (0, "")
    assert merged == mipmaps_output(1) | {
        "report": {
            "tiles": 30,
            "files_written": 120,
            "files_skipped": 2,
            "bytes_read": 2000,
            "bytes_written": 600,
            "seconds": 4.0,
            "stage_seconds": {"read": 2.0, "encode": 6.0},
            "slowest_stage": "encode",
            "failures": [],
            "shards": 2,
        }
    }


def test_outputs_of_apply_are_merged_too(merge_files):
    code, merged, _ = merge_files(apply_output(2), apply_output(1))
    assert code == 0
    assert (merged["output_stack"], merged["zValues"]) == ("done", [1.0, 2.0])
    assert merged["report"] == {
        "tiles": 10,
        "tiles_with_levels": 10,
        "seconds": 1.0,
        "failures": [],
        "shards": 2,
    }


def test_failures_of_all_shards_are_listed_in_order(merge_files):
    first = mipmaps_output(1, failures=[failure("b", "2.tif"), failure("d", "4.tif")])
    second = mipmaps_output(2, failures=[failure("b", "1.tif"), failure("a", "1.tif")])
    code, merged, stderr = merge_files(first, second)
    assert code == 1
    assert [(f["tileId"], f["image"]) for f in merged["report"]["failures"]] == [
        ("a", "1.tif"),
        ("b", "1.tif"),
        ("b", "2.tif"),
        ("d", "4.tif"),
    ]
    assert "4 failed; all are listed in" in stderr


def test_the_order_of_the_files_does_not_matter():
    outputs = {str(number): mipmaps_output(number, 3) for number in (1, 2, 3)}
    assert merge(outputs) == merge(dict(reversed(outputs.items())))


def test_a_single_shard_is_a_whole_run(merge_files):
    code, merged, _ = merge_files(mipmaps_output(1, 1))
    assert (code, merged["report"]["shards"]) == (0, 1)


def test_stages_that_one_shard_does_not_know_are_kept(merge_files):
    nothing_to_do = mipmaps_output(2, stage_seconds={}, slowest_stage=None)
    _, merged, _ = merge_files(mipmaps_output(1), nothing_to_do)
    assert merged["report"]["stage_seconds"] == {"read": 1.0, "encode": 2.0}


def test_a_dry_runs_changes_are_joined():
    outputs = {str(number): apply_output(number) for number in (1, 2)}
    outputs["1"]["report"] |= {"changes": [{"tileId": "c"}, {"tileId": "a"}], "path_builder": {"after": 1}}
    outputs["2"]["report"] |= {"changes": [{"tileId": "b"}], "path_builder": {"after": 1}}
    report = merge(outputs)["report"]
    assert [change["tileId"] for change in report["changes"]] == ["a", "b", "c"]
    assert report["path_builder"] == {"after": 1}


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([mipmaps_output(2) | {"input_stack": "b"}], "input_stack is 'raw' in"),
        ([mipmaps_output(2) | {"output_dir": "/other"}], "output_dir is '/mipmaps' in"),
        ([mipmaps_output(2) | {"levels": 5}], "levels is 6 in"),
        ([mipmaps_output(2) | {"imgformat": "png"}], "imgformat is 'tif' in"),
        ([mipmaps_output(2) | {"zValues": [3.0]}], "zValues is [1.0, 2.0] in"),
        ([mipmaps_output(2, 3)], "is shard 1/2, "),
        ([mipmaps_output(1)], "are both shard 1/2"),
        ([mipmaps_output(2) | {"interrupted": "ended by a signal"}], "out_1.json: its run was interrupted"),
        ([], "1 of 2 shards missing: 2/2; run them"),
        ([apply_output(2)], "is an output of generate_mipmaps, "),
        ([mipmaps_output(2, shard=None)], "names no shard"),
        ([mipmaps_output(2, shard="x")], "must be i/n"),
        ([mipmaps_output(2, tiles="many")], "report.tiles is 10 in "),
        ([mipmaps_output(2, stage_seconds=[1])], ", [1] in "),
        ([mipmaps_output(2, failures=None)], "report.failures is [] in "),
        ([mipmaps_output(2, changes={})], "report.changes is [] in "),
        ([mipmaps_output(2, path_builder="b")], "report.path_builder is None in"),
        ([{"report": {}}], "is not an output of generate_mipmaps or apply_mipmaps_to_render"),
        (["{"], "is not JSON"),
        (["[]"], "holds a list; it must hold an object"),
    ],
)
def test_what_does_not_belong_together_is_refused(merge_files, others, words):
    code, merged, stderr = merge_files(mipmaps_output(1), *others)
    assert (code, merged) == (2, None)
    assert len(stderr.splitlines()) == 1
    assert words in stderr


def test_many_missing_shards_take_one_line(merge_files):
    code, _, stderr = merge_files(mipmaps_output(7, 64))
    assert code == 2
    missing = "63 of 64 shards missing: 1/64, 2/64, 3/64, 4/64, 5/64, 6/64, 8/64, 9/64 and 55 more"
    assert missing in stderr


def test_an_output_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["--inputs", str(tmp_path / "a.json"), "--output_json", str(tmp_path / "m.json")]) == 2
    assert f"inputs: {tmp_path / 'a.json'}: no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_it_runs_as_a_program(tmp_path):
    names = []
    for number in (1, 2):
        names.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps(apply_output(number)))
    command = [sys.executable, "-m", "asap_ingest.merge_reports", "--inputs", *names]
    subprocess.run([*command, "--output_json", str(tmp_path / "all.json")], check=True)
    assert json.loads((tmp_path / "all.json").read_text())["report"]["shards"] == 2


def test_warnings_of_the_same_text_are_one(merge_files):
    kept, white = "levels keep 16 bits", "drawn white"
    first = [{"text": kept, "images": 3, "first": "b.tif"}]
    second = [{"text": kept, "images": 2, "first": "a.tif"}, {"text": white, "images": 1, "first": "c.tif"}]
    code, merged, _ = merge_files(mipmaps_output(1, warnings=first), mipmaps_output(2, warnings=second))
    assert code == 0
    assert merged["report"]["warnings"] == [
        {"text": white, "images": 1, "first": "c.tif"},
        {"text": kept, "images": 5, "first": "a.tif"},
    ]
