"""A metafile is read whole, or refused with the JSON path of what is wrong."""

import copy
import json

import pytest

from asap_ingest.errors import MetafileError, MissingFileError
from asap_ingest.temca.metafile import parse_metafile, read_metafile
from tests.acquisitions import metafile_document, tile_entry

GOOD = metafile_document([tile_entry("a.tif", (-7, 14), (88, 0)), tile_entry("sub/b.tif", (0, 0), (89, 0))])


def changed(path, value):
    """GOOD with one value replaced; `...` removes it."""
    document = copy.deepcopy(GOOD)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document


def test_records_hold_what_the_metafile_says():
    metafile = parse_metafile(GOOD, "m.json")
    assert (metafile.width, metafile.height) == (64, 48)
    assert (metafile.camera_id, metafile.temca_id, metafile.pixel_size_nm) == ("4450", "temca2", 3.5)
    first, second = metafile.tiles
    assert (first.name, first.stage_nm, first.raster, first.angle_degrees) == ("a", (-7, 14), (88, 0), 180.0)
    assert (second.image, second.name) == ("sub/b.tif", "b")


def test_scores_of_the_picture_are_kept():
    document = changed((1, "data", 0, "focus_score"), 22)
    document[1]["data"][0]["astig_score"] = -0.03
    scored, plain = parse_metafile(document, "m.json").tiles
    assert scored.scores == (("focus_score", 22.0), ("astig_score", -0.03))
    assert plain.scores == ()


@pytest.mark.parametrize("value", [None, "22", True, [22], float("nan"), float("-inf"), 10**400])
def test_a_score_that_is_no_finite_number_is_left_out(value):
    document = changed((1, "data", 0, "focus_score"), value)
    document[1]["data"][0]["astig_score"] = 0.5
    assert parse_metafile(document, "m.json").tiles[0].scores == (("astig_score", 0.5),)


META, TILE = (0, "metadata"), (1, "data", 1)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ((1, "data"), [], "data: is empty"),
        ((1, "data"), {}, r"data: \{\} must be a list"),
        ((1, "data"), ..., "data: is missing"),
        ((0, "metadata"), ..., "metadata: is missing"),
        ((0, "metadata"), 3, "metadata: 3 must be an object"),
        ((*META, "camera_info", "width"), ..., "metadata.camera_info.width: is missing"),
        (
            (*META, "camera_info", "width"),
            0,
            "metadata.camera_info.width: 0 must be a whole number of pixels",
        ),
        ((*META, "camera_info", "height"), 47.5, "metadata.camera_info.height: 47.5 must be a whole number"),
        ((*META, "camera_info", "camera_id"), None, "metadata.camera_info.camera_id: None must be text"),
        (
            (*META, "calibration", "highmag", "x_nm_per_pix"),
            "3.5",
            r"highmag.x_nm_per_pix: '3.5' must be a fin",
        ),
        (TILE, None, r"data\[1\]: None must be an object"),
        ((*TILE, "img_path"), ..., r"data\[1\].img_path: is missing"),
        ((*TILE, "img_path"), "", r"data\[1\].img_path: '' must be a file name"),
        ((*TILE, "img_meta"), [], r"data\[1\].img_meta: \[\] must be an object"),
        ((*TILE, "img_meta", "stage_pos"), ..., r"data\[1\].img_meta.stage_pos: is missing"),
        (
            (*TILE, "img_meta", "stage_pos"),
            [1],
            r"data\[1\].img_meta.stage_pos: \[1\] must be two finite numbers",
        ),
        ((*TILE, "img_meta", "stage_pos"), [1, "2"], r"data\[1\].img_meta.stage_pos"),
        (
            (*TILE, "img_meta", "stage_pos"),
            [1, float("nan")],
            r"stage_pos: \[1, nan\] must be two finite numbers",
        ),
        ((*TILE, "img_meta", "stage_pos"), [1, float("inf")], r"data\[1\].img_meta.stage_pos"),
        ((*TILE, "img_meta", "raster_pos"), [1, 0.5], r"raster_pos: \[1, 0.5\] must be two whole numbers"),
        ((*TILE, "img_meta", "angle"), True, r"data\[1\].img_meta.angle: True must be a finite number"),
        ((*TILE, "img_meta", "pixel_size_x_move"), 0, r"pixel_size_x_move: 0 must be a number above 0"),
        ((*TILE, "img_path"), "other/a.tif", r"data\[1\].img_path: 'a' is the tile id of data\[0\] too"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(path, value, says):
    with pytest.raises(MetafileError, match=f"^m.json: .*{says}") as refused:
        parse_metafile(changed(path, value), "m.json")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("document", [{}, [1], "text", None, []])
def test_another_kind_of_json_is_refused(document):
    with pytest.raises(MetafileError):
        parse_metafile(document, "m.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'[{"metadata": {}}'])
def test_what_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "m.json"
    path.write_bytes(content)
    with pytest.raises(MetafileError, match="is not JSON"):
        read_metafile(str(path))


def test_missing_metafile(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        read_metafile(str(tmp_path / "absent.json"))


def test_path_or_uri(tmp_path):
    path = tmp_path / "with blank.json"
    path.write_text(json.dumps(GOOD))
    assert read_metafile(path.as_uri()).tiles == read_metafile(str(path)).tiles
