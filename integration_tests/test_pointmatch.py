"""Functions of renderapi.pointmatch: pairs of tiles and the points they have in common."""

# ruff: noqa: N802 - a test is named for the function it calls

import pytest
import renderapi
from renderapi.errors import RenderError

from integration_tests.samples import match, without_count


def names(pairs):
    """The four names of each pair; sorted, because the order of answers is not promised."""
    return sorted((pair["pGroupId"], pair["pId"], pair["qGroupId"], pair["qId"]) for pair in pairs)


A_B = ("g1", "a", "g1", "b")
A_C = ("g1", "a", "g2", "c")
B_D = ("g1", "b", "g3", "d")


@pytest.fixture
def merged(make_collection):
    """A second collection: more matches for one pair, and a pair of its own."""
    return make_collection([match(*A_C, count=3), match("g1", "x", "g2", "y")])


def test_get_matchcollection_owners(render, collection):
    assert render.DEFAULT_OWNER in renderapi.pointmatch.get_matchcollection_owners(render=render)


def test_get_matchcollections(render, collection):
    found = renderapi.pointmatch.get_matchcollections(render=render)
    mine = [entry for entry in found if entry["collectionId"]["name"] == collection]
    assert mine == [{"collectionId": {"owner": render.DEFAULT_OWNER, "name": collection}, "pairCount": 3}]
    assert renderapi.pointmatch.get_matchcollections(owner="nobody_of_this_name", render=render) == []


def test_get_match_groupIds(render, collection):
    assert sorted(renderapi.pointmatch.get_match_groupIds(collection, render=render)) == ["g1", "g2", "g3"]
    with pytest.raises(RenderError, match="404"):
        renderapi.pointmatch.get_match_groupIds("no_such_collection", render=render)


def test_get_matches_outside_group(render, collection):
    found = renderapi.pointmatch.get_matches_outside_group(collection, "g1", render=render)
    assert names(found) == [A_C, B_D]
    assert without_count(found) == [match(*A_C), match(*B_D)]


def test_get_matches_within_group(render, collection):
    found = renderapi.pointmatch.get_matches_within_group(collection, "g1", render=render)
    assert without_count(found) == [match(*A_B)]
    assert renderapi.pointmatch.get_matches_within_group(collection, "g2", render=render) == []


def test_get_matches_from_group_to_group(render, collection, merged):
    for groups in (("g1", "g2"), ("g2", "g1")):
        found = renderapi.pointmatch.get_matches_from_group_to_group(collection, *groups, render=render)
        assert without_count(found) == [match(*A_C)]
    together = renderapi.pointmatch.get_matches_from_group_to_group(
        collection, "g1", "g2", mergeCollections=[merged], render=render
    )
    weights = {pair["qId"]: len(pair["matches"]["w"]) for pair in together}
    assert weights == {"c": 2 + 3, "y": 2}


def test_get_matches_from_tile_to_tile(render, collection, merged):
    for tiles in (A_C, A_C[2:] + A_C[:2]):
        found = renderapi.pointmatch.get_matches_from_tile_to_tile(collection, *tiles, render=render)
        assert without_count(found) == [match(*A_C)]
    together = renderapi.pointmatch.get_matches_from_tile_to_tile(
        collection, *A_C, mergeCollections=[merged], render=render
    )
    assert [len(pair["matches"]["w"]) for pair in together] == [2 + 3]
    assert (
        renderapi.pointmatch.get_matches_from_tile_to_tile(collection, "g1", "a", "g3", "d", render=render)
        == []
    )


def test_get_matches_with_group(render, collection, merged):
    found = renderapi.pointmatch.get_matches_with_group(collection, "g1", render=render)
    assert names(found) == [A_B, A_C, B_D]
    together = renderapi.pointmatch.get_matches_with_group(
        collection, "g1", mergeCollections=[merged], render=render
    )
    assert names(together) == [A_B, A_C, B_D, ("g1", "x", "g2", "y")]


def test_get_match_groupIds_from_only(render, collection):
    assert renderapi.pointmatch.get_match_groupIds_from_only(collection, render=render) == ["g1"]


def test_get_match_groupIds_to_only(render, collection):
    found = renderapi.pointmatch.get_match_groupIds_to_only(collection, render=render)
    assert sorted(found) == ["g1", "g2", "g3"]


def test_get_matches_involving_tile(render, collection):
    found = renderapi.pointmatch.get_matches_involving_tile(collection, "g1", "a", render=render)
    assert names(found) == [A_B, A_C]
    # as the second of a pair, too
    found = renderapi.pointmatch.get_matches_involving_tile(collection, "g3", "d", render=render)
    assert without_count(found) == [match(*B_D)]


def test_delete_point_matches_between_groups(render, collection):
    renderapi.pointmatch.delete_point_matches_between_groups(collection, "g1", "g2", render=render)
    left = renderapi.pointmatch.get_matches_with_group(collection, "g1", render=render)
    assert names(left) == [A_B, B_D]


def test_import_matches(render, make_collection):
    sent = match("g2", "c", "g1", "a", count=4)
    name = make_collection([sent])
    expected = match("g1", "a", "g2", "c", count=4)
    # pairs are kept in the order of their names: p and q are exchanged, points with them
    expected["matches"] = {"p": sent["matches"]["q"], "q": sent["matches"]["p"], "w": sent["matches"]["w"]}
    assert without_count(renderapi.pointmatch.get_matches_with_group(name, "g1", render=render)) == [expected]
    # a pair that comes again replaces the first
    renderapi.pointmatch.import_matches(name, [match("g1", "a", "g2", "c", count=1)], render=render)
    found = renderapi.pointmatch.get_matches_with_group(name, "g1", render=render)
    assert without_count(found) == [match("g1", "a", "g2", "c", count=1)]


def test_delete_collection(render, collection):
    renderapi.pointmatch.delete_collection(collection, render=render)
    left = renderapi.pointmatch.get_matchcollections(render=render)
    assert collection not in [entry["collectionId"]["name"] for entry in left]
    with pytest.raises(RenderError, match="404"):
        renderapi.pointmatch.get_match_groupIds(collection, render=render)
