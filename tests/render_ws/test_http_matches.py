"""Match collections over HTTP: what is found by group and tile, stored, merged, deleted, renamed."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

import orjson
import pytest

from tests.render_ws.golden import send
from tests.render_ws.match_client import MatchClient, pair

NUMBERS = count()
NAMES = ("1.a-1.b", "1.a-2.c", "1.b-2.c", "1.b-2.d", "2.c-2.d", "2.d-3.a")


@pytest.fixture
def matches(server_url: str) -> MatchClient:
    """A collection of the test's own with six pairs."""
    return MatchClient(server_url, f"c{next(NUMBERS)}").put(*(pair(names, 1.5, 2) for names in NAMES))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/pGroup/1/matches", NAMES[:4]),
        ("/pGroup/3/matches", ()),
        ("/group/1/matchesWithinGroup", ("1.a-1.b",)),
        ("/group/2/matchesOutsideGroup", (*NAMES[1:4], "2.d-3.a")),
        ("/group/1/matchesWith/2", NAMES[1:4]),
        ("/group/2/matchesWith/1", NAMES[1:4]),
        ("/group/2/matchesWith/2", ("2.c-2.d",)),
        ("/group/1/matchesWith/3", ()),
        ("/group/2/id/d", ("1.b-2.d", "2.c-2.d", "2.d-3.a")),
        ("/group/3/id/a", ("2.d-3.a",)),
        ("/group/2/id/c/matchesWith/1", ("1.a-2.c", "1.b-2.c")),
        ("/group/1/id/b/matchesWith/1", ("1.a-1.b",)),
        ("/group/1/id/a/matchesWith/2/id/c", ("1.a-2.c",)),
        ("/group/2/id/c/matchesWith/1/id/a", ("1.a-2.c",)),
        ("/group/1/id/a/matchesWith/2/id/d", ()),
    ],
)
def test_pairs_are_found_from_either_side(matches: MatchClient, path: str, found: tuple[str, ...]) -> None:
    assert matches.names(path) == list(found)
    assert matches.names(f"{path}/") == list(found)


def test_a_stored_pair_comes_back_with_its_count(matches: MatchClient) -> None:
    assert matches.get("/group/1/id/a/matchesWith/1/id/b") == [{**pair("1.a-1.b", 1.5, 2.0), "matchCount": 2}]


def test_groups_are_listed(matches: MatchClient) -> None:
    assert matches.get("/groupIds") == ["1", "2", "3"]
    assert matches.get("/pGroupIds") == ["1", "2"]
    assert matches.get("/qGroupIds") == ["1", "2", "3"]
    assert matches.get("/multiConsensusGroupIds") == []
    consensus = {"index": 3, "originalPId": "x", "originalQId": "y"}
    matches.put(pair("2.e-3.f", 1, consensusSetData=consensus))
    assert matches.get("/multiConsensusPGroupIds") == ["2"]
    assert matches.get("/multiConsensusGroupIds") == ["2", "3"]
    (found,) = matches.get("/group/2/id/e")
    assert found["consensusSetData"] == consensus
    assert list(found)[3:6] == ["qId", "consensusSetData", "matches"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2.c-1.a", "1.a-2.c"),
        ("1.b-1.a", "1.a-1.b"),
        ("9.0-10.0", "10.0-9.0"),
        ("1.a-1.B", "1.B-1.a"),
        ("1.\ue000-1.\U0001f52c", "1.\U0001f52c-1.\ue000"),
    ],
)
def test_the_smaller_side_becomes_p(server_url: str, sent: str, stored: str) -> None:
    client = MatchClient(server_url, "order")
    client.put(pair(sent, 1, 2))
    expected: dict[str, Any] = pair(stored, 1, 2)
    expected["matches"]["p"], expected["matches"]["q"] = expected["matches"]["q"], expected["matches"]["p"]
    (found,) = client.get(f"/pGroup/{expected['pGroupId']}/matches")
    assert found == {**expected, "matchCount": 2}
    assert client.ask("DELETE").status == 200


def test_a_pair_that_is_sent_again_is_replaced(matches: MatchClient) -> None:
    matches.put(pair("1.b-1.a", 7, 8, 9), pair("1.a-1.b", 4, matchCount=99, unknown="field"))
    assert matches.get("/group/1/matchesWithinGroup") == [{**pair("1.a-1.b", 4), "matchCount": 1}]


def test_details_are_left_out_where_asked(matches: MatchClient) -> None:
    short = {"pGroupId": "1", "pId": "a", "qGroupId": "1", "qId": "b", "matchCount": 2}
    for path in ("pGroup/1/matches", "group/1/matchesWithinGroup"):
        assert matches.get(f"/{path}?excludeMatchDetails=TRUE")[0] == short
        assert "matches" in matches.get(f"/{path}?excludeMatchDetails=yes")[0]
    assert matches.get("/pGroup/1/matchCounts")[0] == short
    answer = matches.ask("PUT", "/pGroup/1/matchCounts")
    assert (answer.status, answer.headers["location"][-21:]) == (201, "/pGroup/1/matchCounts")
    # requests for single tiles do not have this parameter
    assert "matches" in matches.get("/group/1/id/a?excludeMatchDetails=true")[0]


@pytest.mark.parametrize(
    ("fields", "stored", "count"),
    [
        ({"matches": None}, None, 0),
        ({"matches": {"p": [[1], [2]], "w": [3]}}, {"p": [[1.0], [2.0]], "w": [3.0]}, 1),
        ({"matches": {"w": ["7", None, "", "NaN"]}}, {"w": [7.0, 0.0, 0.0, "NaN"]}, 4),
        ({"matches": {"p": [None, []], "q": [], "w": []}}, {"p": [None, []], "q": [], "w": []}, 0),
    ],
)
def test_points_of_odd_shapes_are_stored(
    server_url: str, fields: dict[str, Any], stored: dict[str, Any] | None, count: int
) -> None:
    client = MatchClient(server_url, "shapes").put({**pair("1.a-1.b"), **fields})
    (found,) = client.get("/group/1/id/a")
    assert (found.get("matches"), found["matchCount"]) == (stored, count)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"null", 400),
        (b"[{]", 400),
        (pair("1.z-1.y", 1), 400),
        ([pair("1.z-1.y", 1), {**pair("1.x-1.y", 1), "pId": None}], 400),
        ([pair("1.z-1.y", 1), pair("1.x-1.y", 1, matches={"p": [["x"]], "q": [[1]], "w": [1]})], 400),
        ([pair("1.z-1.y", 1), pair("1.x-1.y", 1, matches={"p": [1], "q": [[1]], "w": [1]})], 400),
        ([pair("1.z-1.y", 1), pair("1.x-1.y", 1, matches={"p": [[True]], "q": [[1]], "w": [1]})], 400),
        ([pair("1.z-1.y", 1), pair("1.x-1.y", 1, matches={"p": [[1]], "q": [[1]]})], 500),
        ([pair("1.z-1.y", 1), None], 500),
    ],
)
def test_of_a_refused_list_nothing_is_stored(matches: MatchClient, body: Any, status: int) -> None:
    assert matches.ask("PUT", "/matches", body).status == status
    assert matches.names("/group/1/matchesWithinGroup") == ["1.a-1.b"]


def test_a_refusal_names_the_pair(matches: MatchClient) -> None:
    incomplete = {**pair("1.z-1.y", 1), "qId": None}
    text = matches.ask("PUT", "/matches", [incomplete]).body.decode()
    assert "lacks qId" in text
    assert "pId 'z'" in text


@pytest.fixture
def other(matches: MatchClient) -> MatchClient:
    """A second collection of the same owner."""
    return MatchClient(matches.url, f"{matches.collection}_other").put(
        pair("1.a-1.b", 3), pair("1.a-9.z", 4), pair("2.c-1.a", 5)
    )


def test_collections_are_merged(matches: MatchClient, other: MatchClient) -> None:
    merge = f"mergeCollection={other.collection}&mergeCollection={matches.collection}"
    found = matches.get(f"/pGroup/1/matches?{merge}")
    assert [f"{one['pId']}-{one['qGroupId']}.{one['qId']}" for one in found] == [
        *("a-1.b", "a-2.c", "b-2.c", "b-2.d", "a-9.z")
    ]
    assert found[0] == {**pair("1.a-1.b", 1.5, 2, 3), "matchCount": 3}
    assert found[1]["matches"]["p"] == [[1.5, 2.0, -5.0]] * 2
    assert found[2] == {**pair("1.b-2.c", 1.5, 2), "matchCount": 2}
    assert matches.names(f"/group/9/id/z?{merge}") == ["1.a-9.z"]
    assert matches.get(f"/qGroupIds?{merge}") == ["1", "2", "3"]


def test_a_pair_without_points_adds_none(matches: MatchClient, other: MatchClient) -> None:
    path = f"/group/1/matchesWithinGroup?mergeCollection={other.collection}"
    other.put({**pair("1.a-1.b"), "matches": None})
    assert matches.get(path) == [{**pair("1.a-1.b", 1.5, 2), "matchCount": 2}]
    matches.put(pair("1.a-1.b", matches={"p": [], "q": [], "w": []}))
    assert matches.get(path)[0]["matchCount"] == 0
    other.put(pair("1.a-1.b", 6))
    assert matches.get(path) == [{**pair("1.a-1.b", 6), "matchCount": 1}]


def test_points_of_other_dimensions_are_not_merged(matches: MatchClient, other: MatchClient) -> None:
    solid = {"p": [[1], [2], [3]], "q": [[4], [5], [6]], "w": [1]}
    other.put(pair("1.a-1.b", matches=solid))
    answer = matches.ask("GET", f"/group/1/id/a?mergeCollection={other.collection}")
    assert (answer.status, b"pId 'a'" in answer.body) == (500, True)


def test_what_cannot_be_merged_is_refused(matches: MatchClient, other: MatchClient) -> None:
    for query, status in (
        ("mergeCollection=missing", 404),
        ("mergeCollection=a-b", 400),
        (f"mergeCollection={other.collection}&excludeMatchDetails=true", 500),
    ):
        assert matches.ask("GET", f"/pGroup/1/matches?{query}").status == status
    itself = f"mergeCollection={matches.collection}&excludeMatchDetails=true"
    assert len(matches.get(f"/pGroup/1/matches?{itself}")) == 4


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/pGroup/1/matches", NAMES[4:]),
        ("/group/2/matchesOutsideGroup", ("1.a-1.b", "2.c-2.d")),
        ("/group/2/matchesWith/1", ("1.a-1.b", *NAMES[4:])),
        ("/group/2/id/c", ("1.a-1.b", "1.b-2.d", "2.d-3.a")),
        ("/group/2/id/c/matchesWith/1/id/a", (NAMES[0], *NAMES[2:])),
        ("/group/7/matchesWith/8", NAMES),
    ],
)
def test_pairs_are_deleted(matches: MatchClient, path: str, left: tuple[str, ...]) -> None:
    answer = matches.ask("DELETE", path)
    assert (answer.status, answer.body) == (200, b"")
    assert [*matches.names("/pGroup/1/matches"), *matches.names("/pGroup/2/matches")] == list(left)


def listed(url: str, path: str) -> Any:
    return orjson.loads(send(url, "GET", f"/render-ws/v1/{path}", {}, None).body)


def test_a_collection_lives_from_its_first_pair_to_its_deletion(empty_server_url: str) -> None:
    client = MatchClient(empty_server_url, "c")
    client.put()
    assert listed(client.url, "matchCollectionOwners") == []
    assert client.ask("GET", "/groupIds").status == 404
    client.put(pair("1.a-1.b", 1))
    MatchClient(client.url, "b").put(pair("1.a-1.b", 1), pair("1.a-1.c", 1))
    assert client.ask("DELETE", "/pGroup/1/matches").status == 200
    assert client.get("/groupIds") == []
    assert listed(client.url, "owner/m/matchCollections") == [
        {"collectionId": {"owner": "m", "name": "c"}, "pairCount": 0},
        {"collectionId": {"owner": "m", "name": "b"}, "pairCount": 2},
    ]
    assert listed(client.url, "matchCollectionOwners") == ["m"]
    assert listed(client.url, "owners") == []
    assert client.ask("DELETE").status == 200
    assert client.ask("DELETE").status == 404
    assert listed(client.url, "owner/nobody/matchCollections") == []


def test_a_collection_is_renamed(matches: MatchClient) -> None:
    target = {"owner": "elsewhere", "name": matches.collection}
    assert matches.ask("PUT", "/collectionId", target).status == 200
    assert matches.ask("GET", "/groupIds").status == 404
    assert MatchClient(matches.url, matches.collection, "elsewhere").names("/pGroup/1/matches") == list(
        NAMES[:4]
    )


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ({"owner": "m", "name": "a-b"}, "a-b"),
        ({"owner": "m m", "name": "good"}, "m m"),
        ({"owner": "m", "name": "n" * 112}, "longer than"),
        ({"owner": "m"}, "name"),
        (b"null", "owner"),
    ],
)
def test_a_bad_new_name_is_refused(matches: MatchClient, target: Any, problem: str) -> None:
    answer = matches.ask("PUT", "/collectionId", target)
    assert (answer.status, problem in answer.body.decode()) == (400, True)
    assert matches.get("/groupIds") == ["1", "2", "3"]


def test_a_taken_name_and_a_missing_collection_are_refused(matches: MatchClient, other: MatchClient) -> None:
    for name in (other.collection, matches.collection):
        answer = matches.ask("PUT", "/collectionId", {"owner": "m", "name": name})
        assert (answer.status, name in answer.body.decode()) == (400, True)
    missing = MatchClient(matches.url, "missing")
    assert missing.ask("PUT", "/collectionId", {"owner": "m", "name": "free"}).status == 404
    assert missing.ask("PUT", "/pGroup/1/matchCounts").status == 404
    assert missing.ask("DELETE", "/group/1/id/a").status == 404


def test_ten_thousand_pairs_come_back_as_sent(server_url: str) -> None:
    numbers = random.Random(7)
    sent = [
        pair(f"1.{number:05}-2.{numbers.randrange(10**6)}", *(numbers.uniform(0, 5000) for _ in range(12)))
        for number in range(10_000)
    ]
    client = MatchClient(server_url, "many").put(*sent)
    found = client.get("/group/2/matchesWith/1")
    assert [{name: value for name, value in one.items() if name != "matchCount"} for one in found] == sent
    assert {one["matchCount"] for one in found} == {12}
