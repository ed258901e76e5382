"""The parts that clients share: files, requests, number texts, changes of transforms, validators."""

from __future__ import annotations

import gzip
import json
import zipfile

import pytest

from asap_ingest.errors import ServiceError
from asap_ingest.render_ws.client_scripts.client_json import (
    get_json,
    load_json,
    read_json,
    read_list,
    send,
    write_json,
)
from asap_ingest.render_ws.client_scripts.client_options import ClientError, OptionError, parse
from asap_ingest.render_ws.client_scripts.client_tiles import (
    TEM_LIMITS,
    TEM_VALIDATOR,
    ValidatorOptions,
    changed,
    invalid_ids,
    tem_problem,
)
from asap_ingest.render_ws.client_scripts.tile_clients import read_changes
from asap_ingest.render_ws.client_scripts.web_stack import WebStack
from asap_ingest.render_ws.wire.java_numbers import double_text
from tests.render_ws.client import leaf

FIRST, LAST, NEW = leaf(1), leaf(2), leaf(3)


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.zip"])
def test_what_is_written_is_json_in_the_form_of_its_extension(tmp_path, name):
    path = tmp_path / name
    write_json(path, {"z": [1.0]})
    content = path.read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            (member,) = archive.namelist()
            content = archive.read(member)
    assert content == b'{\n  "z": [\n    1.0\n  ]\n}'


def test_the_same_value_gives_the_same_bytes(tmp_path):
    for name in ("a.json.gz", "a.zip"):
        write_json(tmp_path / name, [1])
        first = (tmp_path / name).read_bytes()
        write_json(tmp_path / name, [1])
        assert (tmp_path / name).read_bytes() == first


def test_compressed_files_are_read(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[1, 2]"))
    assert read_json(tmp_path / "a.json.gz") == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.json", b"[1,", "cannot be read as JSON"),
        ("a.json", b"{}", "must hold a list"),
        ("a.json.gz", b"[]", "cannot be read as JSON"),
        ("a.json.gz", gzip.compress(b"[1, 2, 3]", mtime=0)[:-9], "cannot be read as JSON"),
        ("a.json.gz", gzip.compress(b"[]", mtime=0)[:10] + b"\xff" * 20, "cannot be read as JSON"),
        ("a.zip", b"PK", "cannot be read as JSON"),
        ("b/a.json", None, "no such file"),
    ],
)
def test_files_that_hold_no_list_are_named(tmp_path, name, content, problem):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClientError, match=f"{path}: {problem}"):
        read_list(path)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ClientError, match="cannot be written"):
        write_json(tmp_path / "no" / "a.json", [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3407, "3407.0"),
        (-0.0, "-0.0"),
        (0.001, "0.001"),
        (0.000123, "1.23E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-12345678.5, "-1.23456785E7"),
        (1e-320, "1.0E-320"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_numbers_are_written_as_java_writes_them(value, text):
    assert double_text(value) == text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("APPEND", [FIRST, LAST, NEW]),
        ("REPLACE_LAST", [FIRST, NEW]),
        ("REPLACE_ALL", [NEW]),
        ("CONCATENATE_TO_LAST", [FIRST, leaf() | {"dataString": "1.0 0.0 0.0 1.0 5.0 0.0"}]),
        ("INSERT_AS_FIRST", [NEW, FIRST, LAST]),
        ("INSERT_BEFORE_LAST", [FIRST, NEW, LAST]),
    ],
)
def test_changes_of_a_list_of_transforms(change, expected):
    tile = {"tileId": "t", "transforms": {"type": "list", "specList": [FIRST, LAST]}}
    assert changed(tile, change, NEW) == {"tileId": "t", "transforms": {"type": "list", "specList": expected}}
    assert tile["transforms"]["specList"] == [FIRST, LAST]


def with_transforms(*specs):
    return {"tileId": "t", "transforms": {"type": "list", "specList": list(specs)}}


@pytest.mark.parametrize("name", ["REPLACE_LAST", "INSERT_BEFORE_LAST", "APPEND"])
def test_an_empty_list_takes_the_transform(name):
    assert changed(with_transforms(), name, NEW) == with_transforms(NEW)


def test_the_joined_matrix_applies_the_old_one_first():
    turned = leaf() | {"dataString": "0 1 -1 0 10 20"}
    shifted = leaf(100, 200)
    tile = changed(with_transforms(shifted), "CONCATENATE_TO_LAST", turned)
    (joined,) = tile["transforms"]["specList"]
    assert joined["dataString"] == "0.0 1.0 -1.0 0.0 -190.0 120.0"


@pytest.mark.parametrize(
    "specs",
    [
        [],
        [{"type": "ref", "refId": "lens"}],
        [
            leaf()
            | {"className": "mpicbg.trakem2.transform.HomographyModel2D", "dataString": "1 0 0 0 1 0 0 0 1"}
        ],
    ],
)
def test_only_affine_transforms_are_joined(specs):
    with pytest.raises(ClientError, match="concatenate"):
        changed(with_transforms(*specs), "PRE_CONCATENATE_LAST", NEW)


def box(min_x=0.0, min_y=0.0, width=1000.0, height=1000.0, **fields):
    sides = {"minX": min_x, "minY": min_y, "maxX": min_x + width, "maxY": min_y + height}
    return {"tileId": "t", "z": 1.0, "transforms": {"type": "list", "specList": []}, **sides, **fields}


@pytest.mark.parametrize(
    ("tile", "complaint"),
    [
        (box(), None),
        (box(width=500.0, height=5000.0), None),
        (box(min_x=399000.0), None),
        (box(min_x=-1.0), "-1.0"),
        (box(min_y=399001.0), "400001.0"),
        (box(width=499.0), "499.0 long"),
        (box(height=5001.0), "5001.0 long"),
        (box(z=None), "has no z"),
        (box(transforms=None), "has no transforms"),
        (box(mipmapLevels={"0": {"imageUrl": "file:/no/such.tif"}}), "/no/such.tif"),
        (
            box(channels=[{"mipmapLevels": {"0": {"imageUrl": "s3://b/a.tif", "maskUrl": "/no/m.tif"}}}]),
            "/no/m.tif",
        ),
        (box(mipmapLevels={"0": {"imageUrl": "https://example.org/a.tif"}}), None),
    ],
)
def test_limits_of_tem_tiles(tile, complaint):
    problem = tem_problem(TEM_LIMITS, tile)
    assert problem is None if complaint is None else complaint in str(problem)


def validator(name, data):
    given = {"--validatorClass": name, "--validatorData": data}
    texts = [text for option, value in given.items() if value is not None for text in (option, value)]
    return parse(ValidatorOptions, texts).validator


def test_limits_are_read_from_the_options():
    limited = validator(TEM_VALIDATOR, "minCoordinate:-500,maxCoordinate:100000,minSize:50,maxSize:60.5")
    assert limited(box(min_x=-500.0, width=60.5, height=50.0)) is None
    assert "-500.0 .. 100000.0" in limited(box(min_x=-501.0, width=60.0, height=60.0))
    assert "50.0 .. 60.5" in limited(box(width=61.0, height=60.0))
    assert validator(TEM_VALIDATOR, None)(box()) is None
    assert validator(None, None) is None


@pytest.mark.parametrize(
    ("name", "data"), [("no.Such", None), (TEM_VALIDATOR, "minimum:5"), (TEM_VALIDATOR, "minSize:big")]
)
def test_validators_that_cannot_be_used(name, data):
    with pytest.raises(OptionError):
        validator(name, data)


def test_invalid_tiles_are_logged_with_the_reason(caplog):
    caplog.set_level("INFO")
    tiles = [box(), box(tileId="small", width=3.0)]
    assert invalid_ids(validator(TEM_VALIDATOR, None), tiles) == {"small"}
    assert "tile small is invalid: its box is 3.0 long" in caplog.text
    assert invalid_ids(None, tiles) == set()


def test_names_are_quoted_in_addresses():
    stack = WebStack("http://h:1/render-ws/v1/", "o o", "p/p", "s")
    assert stack.url("/zValues") == "http://h:1/render-ws/v1/owner/o%20o/project/p%2Fp/stack/s/zValues"
    assert stack.layer_url(3407.0, "/bounds").endswith("/stack/s/z/3407.0/bounds")
    assert stack.tile_url("a b").endswith("/stack/s/tile/a%20b")


@pytest.mark.parametrize("url", ["render-ws/v1", "ftp://h/x", "http:///x", "http://h:99999/x", "http://[h/x"])
def test_what_is_no_url_is_named(url):
    with pytest.raises(ClientError, match="is not an http or https URL"):
        send("GET", url)


def test_the_source_of_json_may_be_no_url():
    with pytest.raises(ClientError, match="is not an http or https URL"):
        load_json("http://[h/x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "lists no tiles"),
        ("{}", "must hold a list"),
        ("[1]", "an entry needs"),
        ('[{"tileId": "a"}]', "an entry needs"),
        ('[{"tileId": ["a"], "transform": {}}]', "an entry needs"),
        ('[{"tileId": null, "transform": {}}]', "an entry needs"),
    ],
)
def test_a_file_of_changes_that_is_wrong_is_named(tmp_path, content, message):
    path = tmp_path / "changes.json"
    path.write_text(content)
    with pytest.raises(ClientError, match=f"changes.json: {message}"):
        read_changes(str(path))


def test_a_file_of_changes_lists_a_tile_once(tmp_path):
    path = tmp_path / "changes.json"
    path.write_text(json.dumps([{"tileId": "a", "transform": FIRST}] * 2))
    with pytest.raises(ClientError, match="'a' is listed twice"):
        read_changes(str(path))


def test_a_service_that_is_not_there_is_named(closed_port):
    with pytest.raises(ClientError, match=f"127.0.0.1:{closed_port}"):
        get_json(f"http://127.0.0.1:{closed_port}/render-ws/v1/owners")


@pytest.mark.slow
def test_what_is_missing_is_an_error_with_its_status(server_url):
    url = WebStack(f"{server_url}/render-ws/v1", "o", "p", "none").url()
    with pytest.raises(ServiceError) as caught:
        get_json(url)
    assert caught.value.status == 404


@pytest.mark.slow
def test_json_comes_from_paths_file_urls_and_the_web(tmp_path, server_url):
    (tmp_path / "a b.json").write_text('{"x": 1}')
    assert load_json(str(tmp_path / "a b.json")) == {"x": 1}
    assert load_json(f"file:{tmp_path}/a%20b.json") == load_json(f"file://{tmp_path}/a%20b.json") == {"x": 1}
    assert load_json(f"{server_url}/render-ws/v1/owners") == []
