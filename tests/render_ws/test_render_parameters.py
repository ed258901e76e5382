"""Render parameters from queries and JSON."""

from __future__ import annotations

from typing import Any

import pytest

from asap_ingest.render_ws.drawing.channels import parse_channels
from asap_ingest.render_ws.drawing.render_parameters import (
    Box,
    RenderParameters,
    box_parameters,
    from_json,
    layer_box,
    to_json,
)
from asap_ingest.render_ws.drawing.tile_parameters import neighbors_box, source_parameters, tile_parameters
from asap_ingest.render_ws.wire.json_types import MalformedBodyError
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

BOX = Box(1000.0, 3000.0, 1000, 900, 0.1)


def shift(x: float, *labels: str) -> dict[str, Any]:
    metadata = {"metaData": {"labels": list(labels)}} if labels else {}
    data = f"1 0 0 1 {x} 0"
    return {
        "type": "leaf",
        **metadata,
        "className": "mpicbg.trakem2.transform.AffineModel2D",
        "dataString": data,
    }


def tile(*specs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "tileId": "t",
        "minX": 5.7,
        "minY": 6.2,
        "maxX": 99.9,
        "maxY": 88.1,
        "width": 100.0,
        "height": 80.0,
        "mipmapLevels": {"0": {"imageUrl": "/a.tif", "maskUrl": "/m.tif"}},
        "transforms": {"type": "list", "specList": list(specs)},
        "meshCellSize": 64.0,
        **fields,
    }


def test_json_has_the_fields_always_written_in_order() -> None:
    assert to_json(box_parameters({}, [], BOX, {})) == {
        "meshCellSize": 64.0, "minMeshCellSize": 0.0, "x": 1000.0, "y": 3000.0, "width": 1000, "height": 900,
        "scale": 0.1, "areaOffset": False, "convertToGray": False, "quality": 0.85, "numberOfThreads": 1,
        "skipInterpolation": False, "binaryMask": False, "excludeMask": False, "doFilter": False,
        "addWarpFieldDebugOverlay": False, "fillWithNoise": False, "tileSpecs": [],
        "minBoundsMeshCellSize": 64.0,
    }  # fmt: skip
    assert list(to_json(RenderParameters()))[:4] == ["meshCellSize", "minMeshCellSize", "x", "y"]


def test_query_overrides_scale_and_stack_defaults() -> None:
    version = {"defaultChannel": "D", "mipmapPathBuilder": {"rootPath": "/r/"}}
    plain = box_parameters({"scale": None}, [], BOX, version)
    assert (plain.scale, plain.channels, plain.mipmap_path_builder) == (0.1, "D", {"rootPath": "/r/"})
    query = {
        "scale": 0.5,
        "channels": "",
        "min_intensity": 5.0,
        "filter": True,
        "max_tile_specs_to_render": 3,
    }
    asked = box_parameters(query, [], BOX, version)
    assert (asked.scale, asked.channels, asked.min_intensity, asked.do_filter) == (0.5, "", 5.0, True)
    assert asked.max_tile_specs == 3
    assert "maxTileSpecsToRender" not in to_json(asked)


def test_filter_list_is_named_and_written() -> None:
    listed = box_parameters({"filter_list_name": "default"}, [], BOX, {})
    assert [spec["className"].rpartition(".")[2] for spec in to_json(listed)["filterSpecs"]] == [
        "ValueToNoise",
        "ValueToNoise",
        "NormalizeLocalContrast",
    ]
    for unknown in ("nope", ""):
        with pytest.raises(IllegalArgumentError, match=f"'{unknown}' not found"):
            box_parameters({"filter_list_name": unknown}, [], BOX, {})


@pytest.mark.parametrize("channels", ["A__B", "A__0.9__B__0.2", "A__x__B__0.1", "A____B"])
def test_bad_channel_weights_are_refused(channels: str) -> None:
    with pytest.raises(IllegalArgumentError):
        box_parameters({"channels": channels}, [], BOX, {})


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("A", {"A": 1.0}),
        ("A__", {"A": 1.0}),
        ("A__0.5", {"A": 0.5}),
        ("A__0.5__B", {"A": 0.5}),
        ("A__0.5__B__", {"A": 0.5}),
        ("A__0.5__B__0.25", {"A": 0.5, "B": 0.25}),
    ],
)
def test_a_last_channel_without_a_weight_does_not_count(text: str, weights: dict[str, float]) -> None:
    assert parse_channels(text) == weights


def test_layer_box_is_cut_to_integers() -> None:
    bounds = {"minX": -3.5, "minY": 2.0, "maxX": 7.4, "maxY": 12.9}
    found = layer_box(bounds, scale=0.01)
    assert (found.x, found.y, found.width, found.height, found.scale) == (-3.5, 2.0, 10, 10, 0.01)


def test_json_round_trip() -> None:
    written = to_json(box_parameters({"min_intensity": 1.0}, [tile(shift(1))], BOX, {"defaultChannel": "q"}))
    assert to_json(from_json(written)) == written


def test_absent_fields_take_defaults_and_null_numbers_are_zero() -> None:
    read = from_json({"scale": None, "unknown": 1, "x": "5", "channels": None, "width": 7.9})
    assert (read.scale, read.x, read.width, read.height, read.channels) == (0.0, 5.0, 7, 256, None)
    assert read.tile_specs is None


@pytest.mark.parametrize(
    "body",
    [[], "text", {"x": []}, {"convertToGray": 1.5}, {"backgroundRGBColor": "0x00FF00"}, {"tileSpecs": 3}],
)
def test_wrong_types_are_refused(body: Any) -> None:
    with pytest.raises(MalformedBodyError):
        from_json(body)


def kept(query: dict[str, Any], *specs: dict[str, Any]) -> tuple[list[str], float, float]:
    found = tile_parameters(query, tile(*specs), {})
    assert found.tile_specs is not None
    (spec,) = found.tile_specs
    return [leaf["dataString"].split()[4] for leaf in spec["transforms"]["specList"]], found.x, spec["minX"]


LABELLED = (shift(1, "lens"), shift(2, "a", "r"), shift(4, "a"), shift(8, "b"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("1248", 5.7)),
        ({"normalize_for_matching": False}, ("1248", 5.7)),
        ({"normalize_for_matching": True}, ("1", 0)),
        ({"exclude_all_transforms": True}, ("", 0)),
        ({"exclude_all_transforms": False}, ("1248", 15)),
        ({"exclude_all_transforms": False, "normalize_for_matching": True}, ("1248", 0)),
        ({"exclude_transforms_after_last": ["a"]}, ("124", 7)),
        ({"exclude_transforms_after_last": ["nope"]}, ("1248", 15)),
        ({"exclude_transforms_after_last": [""]}, ("1248", 15)),
        ({"exclude_transforms_after_last": []}, ("1248", 5.7)),
        ({"exclude_transforms_after_last": ["lens", "r"]}, ("12", 3)),
        ({"exclude_first_transform_and_all_after": ["a"]}, ("1", 1)),
        ({"exclude_first_transform_and_all_after": ["lens"]}, ("", 0)),
        (
            {"exclude_transforms_after_last": ["a"], "exclude_first_transform_and_all_after": ["b"]},
            ("124", 7),
        ),
    ],
)
def test_label_mode(query: dict[str, Any], expected: tuple[str, float]) -> None:
    transforms, x, _ = kept(query, *LABELLED)
    assert ("".join(transforms), x) == expected


@pytest.mark.parametrize(("count", "left"), [(0, ""), (1, ""), (2, "1"), (3, "12"), (4, "12")])
def test_normalisation_without_lens_label_keeps_two_at_most(count: int, left: str) -> None:
    specs = [shift(number) for number in (1, 2, 4, 8)][:count]
    transforms, x, _ = kept({"normalize_for_matching": True}, *specs)
    assert ("".join(transforms), x) == (left, 0)


def test_size_and_offset_of_a_tile() -> None:
    plain = tile_parameters({}, tile(), {})
    assert (plain.x, plain.y, plain.width, plain.height) == (5.7, 6.2, 94, 81)
    asked = tile_parameters({"x": 5, "y": -6, "width": 50, "scale": 0.5}, tile(), {})
    assert (asked.x, asked.width, asked.height, asked.scale) == (10.7, 50, 81, 0.5)
    assert asked.y == pytest.approx(0.2)


def test_derived_box_needs_a_size() -> None:
    with pytest.raises(IllegalStateError):
        tile_parameters({"exclude_all_transforms": True}, tile(width=None), {})


@pytest.mark.parametrize(
    ("kind", "image"), [("source", {"imageUrl": "/a.tif"}), ("mask", {"imageUrl": "/m.tif"})]
)
def test_source_parameters_show_the_bare_image(kind: str, image: dict[str, str]) -> None:
    found = to_json(source_parameters({}, tile(shift(3), minIntensity=7.0), kind, 0.5))
    assert (found["width"], found["height"], found["scale"], found["skipInterpolation"]) == (
        100,
        80,
        0.5,
        True,
    )
    assert found["tileSpecs"] == [
        {
            "mipmapLevels": {},
            "channels": [{"minIntensity": 0.0, "maxIntensity": 255.0, "mipmapLevels": {"0": image}}],
            "transforms": {"type": "list", "specList": []},
            "meshCellSize": 64.0,
        }
    ]


def test_source_parameters_obey_what_the_query_says_of_drawing() -> None:
    query = {
        "scale": 0.25,
        "min_intensity": 5.0,
        "max_intensity": 90.0,
        "filter": True,
        "binary_mask": True,
        "exclude_mask": True,
        "convert_to_gray": True,
        "fill_with_noise": True,
        "channels": "A",
        "filter_list_name": "simpleTest",
    }
    found = to_json(source_parameters(query, tile(), "source", 0.5))
    assert (found["scale"], found["minIntensity"], found["maxIntensity"]) == (0.25, 5.0, 90.0)
    flags = ("doFilter", "binaryMask", "excludeMask", "convertToGray", "fillWithNoise", "skipInterpolation")
    assert all(found[flag] for flag in flags)
    assert (found["channels"], len(found["filterSpecs"])) == ("A", 1)


@pytest.mark.parametrize("query", [{"filter_list_name": "nope"}, {"channels": "A__0.9__B__0.2"}])
def test_source_parameters_refuse_a_wrong_query_as_if_the_tile_were_wrong(query: dict[str, str]) -> None:
    with pytest.raises(IllegalStateError):
        source_parameters(query, tile(), "source")


def test_source_parameters_of_a_tile_without_images_or_size() -> None:
    without_mask = tile(mipmapLevels={"2": {"imageUrl": "/a.tif"}})
    specs = to_json(source_parameters({}, without_mask, "mask"))["tileSpecs"]
    assert specs[0]["channels"][0]["mipmapLevels"] == {"2": {}}
    with pytest.raises(IllegalArgumentError):
        source_parameters({}, tile(mipmapLevels={}), "source")
    with pytest.raises(IllegalStateError):
        source_parameters({}, tile(height=None), "source")


def test_neighbours_reach_a_share_of_the_size_beyond_the_tile() -> None:
    found = neighbors_box(tile(), None, 0.5)
    assert (found.x, found.y, found.width, found.height) == pytest.approx((5.7 - 30, 6.2 - 40, 160, 160))
    with pytest.raises(IllegalStateError):
        neighbors_box(tile(width=None), None, None)
