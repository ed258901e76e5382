"""Tiles of another section at a z are refused by name; a section that was imaged again replaces its own."""

import json

import pytest

from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.sections.occupied_z import OccupiedError
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import TILESPECS, refused, run_step


@pytest.fixture
def ingest(render, tmp_path):
    """Ingests a section at z 7 in this process; its output JSON."""

    def ingest(metafile, **more):
        given = {
            "render": render,
            "metafile": str(metafile),
            "stack": "raw",
            "z_index": 7,
            "close_stack": True,
        }
        given["output_json"] = str(tmp_path / "out.json")
        assert GenerateEMTileSpecsModule(input_data=given | more, args=[]).run() == 0
        return json.loads((tmp_path / "out.json").read_text())

    return ingest


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


def acquisition(folder, prefix, count=2, grid=None, roi=0):
    """A metafile of tiles `<prefix>tile_00`, ...; with a `grid` it says which region it shows."""
    images = {prefix + name: image for name, image in random_tiles(count).items()}
    metafile = write_acquisition(folder, images)
    if grid is not None:
        document = json.loads(metafile.read_text())
        document[0]["metadata"] |= {"specimen_id": "mouse", "grid": grid, "roi_index": roi}
        metafile.write_text(json.dumps(document))
    return metafile


def names(stack):
    return sorted(tile_id.removesuffix(".7.0") for tile_id in stack.tile_ids(7.0))


def test_another_section_is_refused_by_the_names_of_both(ingest, stack, tmp_path):
    first = acquisition(tmp_path / "first", "a_", grid="000001")
    second = acquisition(tmp_path / "second", "b_", grid="000002")
    ingest(first)
    with pytest.raises(OccupiedError) as error:
        ingest(second)
    for part in (str(first), str(second), "z 7 of stack 'raw' holds 2 tiles", "overwrite_zlayer", "append"):
        assert part in str(error.value)
    assert names(stack) == ["a_tile_00", "a_tile_01"]
    assert stack.state() == "COMPLETE"


def test_sections_whose_metafiles_do_not_say_which_they_are(ingest, render, tmp_path):
    ingest(acquisition(tmp_path / "first", "a_"))
    second = acquisition(tmp_path / "second", "b_")
    given = {"render": render, "metafile": str(second), "stack": "raw", "z_index": 7}
    ran = run_step(TILESPECS, given, tmp_path)
    refused(ran, 2, str(tmp_path / "first" / "_metadata_test.json"), str(second))


def test_tiles_whose_metafile_is_gone(ingest, tmp_path):
    first = acquisition(tmp_path / "first", "a_", grid="000001")
    ingest(first)
    first.unlink()
    with pytest.raises(OccupiedError, match="no metafile lies beside the images, like a_tile_00.7.0"):
        ingest(acquisition(tmp_path / "second", "b_", grid="000001"))


def test_imaged_again_replaces_its_own(ingest, stack, tmp_path):
    ingest(acquisition(tmp_path / "first", "a_", grid="000001"))
    report = ingest(acquisition(tmp_path / "again", "b_", 3, grid="000001"))["report"]
    assert names(stack) == ["b_tile_00", "b_tile_01", "b_tile_02"]
    assert (report["added"], report["removed"]) == (3, 2)
    assert stack.state() == "COMPLETE"


def test_a_metafile_that_was_written_again_replaces_its_own(ingest, stack, tmp_path):
    ingest(acquisition(tmp_path / "first", "a_", 4))
    ingest(acquisition(tmp_path / "first", "a_", 2))
    assert names(stack) == ["a_tile_00", "a_tile_01"]


def test_images_of_several_metafiles_that_none_lists_are_of_another_section(ingest, tmp_path):
    first = acquisition(tmp_path / "all", "a_", 4)
    ingest(first)
    (tmp_path / "all" / "_metadata_other.json").write_bytes(acquisition(tmp_path / "b", "b_").read_bytes())
    with pytest.raises(OccupiedError, match="no metafile lies beside the images, like a_tile_02.7.0"):
        ingest(acquisition(tmp_path / "all", "a_", 2))


def test_another_region_of_the_section_is_added_and_stays_when_one_is_imaged_again(ingest, stack, tmp_path):
    ingest(acquisition(tmp_path / "first", "a_", grid="000001", roi=0))
    ingest(acquisition(tmp_path / "second", "b_", grid="000001", roi=1))
    assert names(stack) == ["a_tile_00", "a_tile_01", "b_tile_00", "b_tile_01"]
    ingest(acquisition(tmp_path / "again", "c_", 1, grid="000001", roi=0))
    assert names(stack) == ["b_tile_00", "b_tile_01", "c_tile_00"]


@pytest.mark.parametrize(
    ("choice", "kept"),
    [("append", ["a_tile_00", "a_tile_01", "b_tile_00"]), ("overwrite_zlayer", ["b_tile_00"])],
)
def test_what_is_chosen_is_done(ingest, stack, tmp_path, choice, kept):
    ingest(acquisition(tmp_path / "first", "a_", grid="000001"))
    ingest(acquisition(tmp_path / "second", "b_", 1, grid="000002"), **{choice: True})
    assert names(stack) == kept


def test_both_choices_are_refused(render, tmp_path):
    given = {"render": render, "metafile": "m.json", "stack": "raw", "z_index": 7}
    ran = run_step(TILESPECS, given | {"append": True, "overwrite_zlayer": True}, tmp_path)
    refused(ran, 2, "append: True cannot go with overwrite_zlayer")
