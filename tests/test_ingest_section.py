"""The three steps from one JSON, and the files they hand on."""

import json
from pathlib import Path

import numpy as np
import pytest

from asap_ingest.ingest_section import IngestSection
from asap_ingest.render.stack import RenderConnection, Stack
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import APPLY, INGEST, MIPMAPS, TILESPECS, refused, run_step


@pytest.fixture
def parameters(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(4))
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 3}
    return given | {"output_dir": str(tmp_path / "mipmaps"), "levels": 2, "pool_size": 1}


def ingested(given, folder):
    """The output of a run in this process."""
    output = folder / "out.json"
    step = IngestSection(input_data=given | {"pool_size": 1, "output_json": str(output)}, args=[])
    assert step.run() == 0
    return json.loads(output.read_text())


def levels_by_tile(render, name):
    tiles = Stack(RenderConnection(**render), name).resolved_tiles(3.0)["tileIdToSpecMap"]
    return [sorted(tile["mipmapLevels"]) for tile in tiles.values()]


def test_metafile_to_stack_with_pyramids(parameters, render, tmp_path):
    ran = run_step(INGEST, parameters | {"pool_size": 2}, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert levels_by_tile(render, "raw") == [["0", "1", "2"]] * 4
    assert Stack(RenderConnection(**render), "raw").state() == "COMPLETE"
    assert ran.output["stack"] == "raw"


def test_summary_table_has_a_row_a_step(parameters, tmp_path):
    header, *rows, next_line = run_step(INGEST, parameters, tmp_path).stdout.strip().splitlines()
    assert next_line.startswith("next: ")
    assert next_line.endswith("--input_stack raw --dest raw_volume")
    assert header.split() == ["step", "tiles", "MB", "seconds", "tiles/s", "failed"]
    assert [row.split()[:2] for row in rows] == [[TILESPECS, "4"], [MIPMAPS, "4"], [APPLY, "4"]]
    assert len({len(row) for row in (header, *rows)}) == 1


def test_hand_off_files_are_left_and_run_by_themselves(parameters, tmp_path):
    output = run_step(INGEST, parameters, tmp_path).output
    run_dir = tmp_path / "mipmaps" / "runs" / "raw_z3"
    assert output["run_dir"] == str(run_dir)
    names = [f"{n}_{step}" for n, step in enumerate((TILESPECS, MIPMAPS, APPLY), start=1)]
    assert sorted(path.name for path in run_dir.iterdir()) == sorted(
        f"{name}.{side}.json" for name in names for side in ("input", "output")
    )
    for name in names:
        given = json.loads((run_dir / f"{name}.input.json").read_text())
        given.pop("output_json")
        assert run_step(name[2:], given, tmp_path / "again").exit_code == 0


def test_named_output_stack_and_run_folder(parameters, render, tmp_path):
    more = {"output_stack": "mipmapped", "run_dir": str(tmp_path / "run")}
    assert run_step(INGEST, parameters | more, tmp_path).exit_code == 0
    assert levels_by_tile(render, "raw") == [["0"]] * 4
    assert levels_by_tile(render, "mipmapped") == [["0", "1", "2"]] * 4
    assert len(list((tmp_path / "run").iterdir())) == 6


def test_a_bad_tile_does_not_stop_the_run(parameters, render, tmp_path):
    (tmp_path / "images" / "tile_01.tif").write_text("no image")
    ran = run_step(INGEST, parameters, tmp_path)
    assert ran.exit_code == 1
    assert sorted(levels_by_tile(render, "raw")) == [["0"]] + [["0", "1", "2"]] * 3
    assert [step["failures"] for step in ran.output["report"]["steps"]] == [0, 1, 1]
    (failure,) = ran.output["report"]["failures"]
    assert failure["tileId"] == "tile_01.3.0"
    assert failure["image"].endswith("/images/tile_01.tif")
    assert "is not an image" in failure["reason"]


def test_16_bits_in_a_range_of_8_are_told_and_counted(parameters, tmp_path, capfd):
    write_acquisition(tmp_path / "images", random_tiles(4, dtype=np.uint16))
    metafile = Path(parameters["metafile"])
    document = json.loads(metafile.read_text())
    document[0]["metadata"]["camera_info"]["pixel_depth"] = 2
    metafile.write_text(json.dumps(document))
    output = ingested(parameters, tmp_path)
    said = capfd.readouterr().err
    assert "warning: 4 images, like tile_00: 16 bits, but maximum_intensity is 255: level 0 is" in said
    assert [warning["images"] for warning in output["report"]["warnings"]] == [4, 4]
    ingested(parameters | {"maximum_intensity": 65535}, tmp_path)
    assert "warning" not in capfd.readouterr().err


def test_imaged_again_replaces_its_own_in_both_stacks(parameters, render, tmp_path):
    def region(metafile):
        document = json.loads(metafile.read_text())
        document[0]["metadata"] |= {"specimen_id": "mouse", "grid": "7", "roi_index": 0}
        metafile.write_text(json.dumps(document))
        return str(metafile)

    given = parameters | {"output_stack": "mipmapped", "metafile": region(Path(parameters["metafile"]))}
    ingested(given, tmp_path)
    images = {f"again_{name}": image for name, image in random_tiles(2).items()}
    given["metafile"] = region(write_acquisition(tmp_path / "again", images))
    ingested(given, tmp_path)
    for name in ("raw", "mipmapped"):
        ids = Stack(RenderConnection(**render), name).tile_ids(3.0)
        assert sorted(ids) == ["again_tile_00.3.0", "again_tile_01.3.0"]


def test_a_bad_metafile_stops_before_anything(parameters, render, tmp_path):
    (tmp_path / "images" / "_metadata_test.json").write_text("[]")
    refused(run_step(INGEST, parameters, tmp_path), 2, "metadata: is missing")
    assert RenderConnection(**render).stack_names() == []


def test_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    refused(run_step(INGEST, parameters, tmp_path), 3, "no render service answers")


def test_secrets_are_not_left_in_files(parameters, tmp_path):
    options = {"endpoint_url": "http://localhost:9000", "key": "known", "secret": "hidden"}
    assert run_step(INGEST, parameters | {"storage_options": options}, tmp_path).exit_code == 0
    left = "".join(path.read_text() for path in (tmp_path / "mipmaps" / "runs").rglob("*.json"))
    assert "localhost:9000" in left
    assert "hidden" not in left
    assert "known" not in left
