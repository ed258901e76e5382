"""Pairs of neighbouring tiles: the search, against a naive one."""

import itertools
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.render_ws.client_scripts.client_json import read_json
from asap_ingest.render_ws.client_scripts.client_options import ClientError
from asap_ingest.render_ws.client_scripts.tile_pair_client import layout_box, write_pairs
from asap_ingest.render_ws.client_scripts.tile_pair_search import (
    NO_POSITION,
    BoxIndex,
    Pair,
    PairRules,
    TileBox,
    layer_pairs,
    make_pair,
    visible_tiles,
)
from tests.examples import examples


def box(tile_id, x, y, *, z=1.0, width=10.0, height=10.0, section="1.0"):
    return TileBox(tile_id, section, z, x, y, x + width, y + height)


def ids(tiles):
    return sorted(tile.tile_id for tile in tiles)


def id_pairs(pairs):
    return [(pair.p_id, pair.q_id) for pair in sorted(pairs)]


@st.composite
def layers_of_boxes(draw):
    counter = itertools.count()
    number = st.integers(-30, 30)
    size = st.integers(0, 25)
    layers = []
    for z in (1.0, 2.0):
        places = draw(st.lists(st.tuples(number, number, size, size, st.sampled_from("AB")), max_size=12))
        layers.append(
            [
                box(f"t{next(counter):02d}", x, y, z=z, width=width, height=height, section=section)
                for x, y, width, height, section in places
            ]
        )
    return layers


def naive_pairs(layers, rules):
    found = set()
    for one in layers[0]:
        radius = rules.radius if rules.radius is not None else rules.radius_factor * one.longer_side
        x, y = (one.min_x + one.max_x) / 2, (one.min_y + one.max_y) / 2
        for other in itertools.chain(*layers):
            nearest_x = min(max(x, other.min_x), other.max_x)
            nearest_y = min(max(y, other.min_y), other.max_y)
            middle_x, middle_y = (other.min_x + other.max_x) / 2, (other.min_y + other.max_y) / 2
            beside = one.min_x <= middle_x <= one.max_x or one.min_y <= middle_y <= one.max_y
            if (
                other is not one
                and math.hypot(nearest_x - x, nearest_y - y) <= radius
                and (beside or not rules.exclude_corners)
                and not (rules.exclude_same_layer and one.z == other.z)
                and not (rules.exclude_same_section and one.section_id == other.section_id)
            ):
                found.add(make_pair(one, other))
    return found


@given(
    layers_of_boxes(),
    st.builds(
        PairRules,
        radius_factor=st.sampled_from([0.3, 0.9, 2.0]),
        radius=st.sampled_from([None, 0.0, 12.0]),
        exclude_corners=st.booleans(),
        exclude_same_layer=st.booleans(),
        exclude_same_section=st.booleans(),
    ),
)
def test_pairs_are_those_of_a_search_through_everything(layers, rules):
    found = layer_pairs(layers[0], [BoxIndex(layer) for layer in layers], rules)
    assert found == naive_pairs(layers, rules)


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(*[st.integers(0, 5)] * 2, *[st.integers(1, 4)] * 2), max_size=8))
def test_tiles_are_obscured_when_all_their_cells_are_covered(places):
    tiles = [
        box(f"t{number}", x, y, width=width, height=height)
        for number, (x, y, width, height) in enumerate(places)
    ]
    cells = [{(x + i, y + j) for i in range(width) for j in range(height)} for x, y, width, height in places]
    visible = [
        tile.tile_id for number, tile in enumerate(tiles) if cells[number] - set().union(*cells[number + 1 :])
    ]
    assert ids(visible_tiles(tiles)) == visible


def test_a_grid_pairs_with_its_row_and_column_neighbors():
    tiles = [box(f"{row}{column}", 9 * column, 9 * row) for row in range(3) for column in range(3)]
    found = layer_pairs(tiles, [BoxIndex(tiles)], PairRules(radius_factor=0.6))
    assert len(found) == 12
    assert ("00", "11") not in id_pairs(found)
    with_corners = layer_pairs(tiles, [BoxIndex(tiles)], PairRules(exclude_corners=False))
    assert len(with_corners) == 20


@pytest.mark.parametrize(
    ("x", "y", "position"),
    [(8, 3, "LEFT"), (-8, 3, "RIGHT"), (3, 8, "TOP"), (3, -8, "BOTTOM"), (8, -8, "BOTTOM")],
)
def test_position_of_the_first_tile(x, y, position, tmp_path):
    pair = make_pair(box("b", x, y), box("a", 0, 0))
    assert write_pairs(tmp_path / "p.json", "template", 10, [[pair]]) == 1
    written = read_json(tmp_path / "p.json")["neighborPairs"][0]
    assert (written["p"]["id"], written["p"]["relativePosition"]) == ("a", position)


def test_equal_places_put_the_first_tile_on_top():
    assert make_pair(box("b", 0, 0), box("a", 0, 0)) == Pair("1.0", "a", 0, "1.0", "b", 0.0)


def test_pairs_between_layers_are_ordered_by_section_then_id():
    lower, upper = box("x", 0, 0, z=1.0, section="9.0"), box("y", 0, 0, z=3.0, section="10.0")
    assert make_pair(lower, upper) == Pair("10.0", "y", NO_POSITION, "9.0", "x", 2.0)


def test_an_excluded_position_excludes_the_whole_pair():
    tiles = [box("a", 0, 0), box("b", 9, 0), box("c", 0, 9)]
    for position in ("LEFT", "RIGHT"):
        rules = PairRules(excluded_position=position)
        assert id_pairs(layer_pairs(tiles, [BoxIndex(tiles)], rules)) == [("a", "c")]


def test_a_tile_without_section_is_named_once_it_is_to_be_paired():
    alone = box("b", 900, 0, section=None)
    assert layer_pairs([alone], [BoxIndex([alone])], PairRules()) == set()
    tiles = [box("a", 0, 0), box("b", 9, 0, section=None)]
    with pytest.raises(ClientError, match="tile b "):
        layer_pairs(tiles, [BoxIndex(tiles)], PairRules())


def test_one_huge_tile_among_small_ones_is_found_everywhere():
    tiles = [box(f"t{number:03d}", 12 * number, 0) for number in range(200)]
    huge = box("huge", -1e6, -1e6, width=2e6, height=2e6)
    index = BoxIndex([*tiles, huge])
    assert ids(index.in_box(600, 2, 601, 3)) == ["huge", "t050"]
    assert ids(BoxIndex([]).in_box(0, 0, 1, 1)) == []


def test_rows_and_columns_become_boxes():
    tile = {"tileId": "a", "z": 2, "layout": {"sectionId": "2.0", "imageRow": 3, "imageCol": 5}}
    assert layout_box(tile) == TileBox("a", "2.0", 2.0, 50.0, 30.0, 60.0, 40.0)
    with pytest.raises(ClientError, match="imageRow"):
        layout_box({"tileId": "a", "z": 2, "layout": {"imageCol": 5}})


def test_five_thousand_tiles_and_two_layers_take_seconds():
    layers = [
        [
            box(f"z{z}r{row:02d}c{column:02d}", 90 * column, 90 * row, z=z, width=100, height=100)
            for row in range(70)
            for column in range(72)
        ]
        for z in (1.0, 2.0, 3.0)
    ]
    started = time.process_time()
    indexed = [BoxIndex(visible_tiles(layer)) for layer in layers]
    pairs = layer_pairs(layers[0], indexed, PairRules(radius_factor=0.6))
    assert time.process_time() - started < 20
    beside = 70 * 71 + 69 * 72
    assert len([pair for pair in pairs if pair.delta_z == 0]) == beside
    assert len([pair for pair in pairs if pair.delta_z == 2]) == 2 * beside + 70 * 72
