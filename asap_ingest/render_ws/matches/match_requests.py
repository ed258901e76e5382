"""Requests about match collections: listings, groups, pairs of tiles; storing, renaming, deleting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from asap_ingest.render_ws.http.answers import JSON, json_list
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import OWNER, V1, Operations
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.store import PairKind, Session
from asap_ingest.render_ws.wire.json_types import Row, object_reader, text
from asap_ingest.render_ws.wire.match_pairs import merged, read_pairs
from asap_ingest.render_ws.wire.names import CollectionId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError

COLLECTION = f"{OWNER}/matchCollection/{{matchCollection}}"
P_GROUP = f"{COLLECTION}/pGroup/{{group}}"
ANY_GROUP = f"{COLLECTION}/group/{{group}}"
ANY_TILE = f"{ANY_GROUP}/id/{{tile}}"
MATCH_OPERATIONS = Operations("Match collections")
answers, stores = MATCH_OPERATIONS.answers, MATCH_OPERATIONS.stores


def _collection_id(call: Call) -> CollectionId:
    return CollectionId(call.path["owner"], call.path["matchCollection"]).checked()


def require_collection(session: Session, names: CollectionId) -> int:
    """Key of the collection; NotFoundError if it does not exist."""
    key = session.match_collection(names)
    if key is None:
        raise NotFoundError(f"{names} does not exist")
    return key


@answers("GET", f"{V1}/matchCollectionOwners")
def list_match_owners(call: Call) -> Any:
    """List the owners of match collections."""
    with call.reading() as session:
        return session.match_owners()


@answers("GET", f"{OWNER}/matchCollections")
def list_collections(call: Call) -> Any:
    """List the match collections of an owner with their number of pairs."""
    owner = call.path["owner"]
    with call.reading() as session:
        rows = session.match_collections(owner)
    return [
        {"collectionId": CollectionId(owner, row["name"]).to_json(), "pairCount": row["pair_count"]}
        for row in rows
    ]


@stores(
    "PUT", f"{COLLECTION}/collectionId", object_reader((("owner", text), ("name", text))), statuses=(200,)
)
def rename_collection(call: Call) -> None:
    """Rename a match collection.

    Names under which the service could not find it again are refused, unlike in render-ws.
    """
    names, value = _collection_id(call), call.json() or {}
    target = CollectionId(value.get("owner", ""), value.get("name", ""))
    with call.writing() as session:
        key = require_collection(session, names)
        target.checked()
        if session.match_collection(target) is not None:
            raise IllegalArgumentError(f"{target} already exists")
        session.rename_match_collection(key, target)


@answers("DELETE", COLLECTION, None)
def remove_collection(call: Call) -> None:
    """Delete a match collection with its pairs."""
    names = _collection_id(call)
    with call.writing() as session:
        session.delete_match_collection(require_collection(session, names))


def list_groups(sides: Sequence[str], with_consensus: bool, call: Call) -> list[str]:
    """List groups of tiles in a match collection."""
    names = _collection_id(call)
    with call.reading() as session:
        return session.groups(require_collection(session, names), sides, with_consensus)


for _name, _sides, _with_consensus in (
    ("groupIds", ("p_group", "q_group"), False),
    ("pGroupIds", ("p_group",), False),
    ("qGroupIds", ("q_group",), False),
    ("multiConsensusPGroupIds", ("p_group",), True),
    ("multiConsensusGroupIds", ("p_group", "q_group"), True),
):
    answers("GET", f"{COLLECTION}/{_name}")(partial(list_groups, _sides, _with_consensus))


@dataclass(frozen=True)
class MergeQuery(Query):
    """Further collections of the owner, whose pairs are added."""

    merge_collection: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairQuery(MergeQuery):
    """The same, and whether the points of pairs are left out."""

    exclude_match_details: bool | None = None


def get_pairs(kind: PairKind, call: Call) -> Any:
    """List pairs of tiles with their matching points.

    Raises
    ------
    IllegalStateError
        For several collections without points.
    """
    names, query = _collection_id(call), call.query
    further = [
        CollectionId(names.owner, name).checked()
        for name in dict.fromkeys(query.merge_collection)
        if name != names.name
    ]
    details = not (isinstance(query, PairQuery) and query.exclude_match_details)
    with call.reading() as session:
        keys = [require_collection(session, one) for one in (names, *further)]
        if further and not details:
            raise IllegalStateError(f"{names} cannot be merged with others when details are left out")
        rows = [_rows(session, key, kind, call, details) for key in keys]
    return json_list(call, merged(rows) if further else [row["json"] for row in rows[0]])


def _rows(session: Session, key: int, kind: PairKind, call: Call, details: bool) -> list[Row]:
    rows: list[Row] = []
    for row in session.pairs(key, kind, call.path, details):
        call.memory.count_read(len(row["json"]))
        rows.append(row)
    return rows


def remove_pairs(kind: PairKind, call: Call) -> None:
    """Delete pairs of tiles if there are any."""
    names = _collection_id(call)
    with call.writing() as session:
        session.delete_pairs(require_collection(session, names), kind, call.path)


#: (path, pairs there, query of GET)
for _path, _kind, _query in (
    (f"{P_GROUP}/matches", PairKind.OF_P_GROUP, PairQuery),
    (f"{ANY_GROUP}/matchesWithinGroup", PairKind.WITHIN_GROUP, PairQuery),
    (f"{ANY_GROUP}/matchesOutsideGroup", PairKind.OUTSIDE_GROUP, PairQuery),
    (f"{ANY_GROUP}/matchesWith/{{other_group}}", PairKind.BETWEEN_GROUPS, PairQuery),
    (ANY_TILE, PairKind.OF_TILE, MergeQuery),
    (f"{ANY_TILE}/matchesWith/{{other_group}}", PairKind.TILE_AND_GROUP, PairQuery),
    (f"{ANY_TILE}/matchesWith/{{other_group}}/id/{{other_tile}}", PairKind.TWO_TILES, MergeQuery),
):
    answers("GET", _path, query=_query)(partial(get_pairs, _kind))
    if _kind not in (PairKind.WITHIN_GROUP, PairKind.TILE_AND_GROUP):  # render-ws cannot delete these
        _produces = JSON if _kind is PairKind.OF_TILE else None
        answers("DELETE", _path, _produces)(partial(remove_pairs, _kind))


@answers("GET", f"{P_GROUP}/matchCounts")
def get_match_counts(call: Call) -> Any:
    """List the pairs of a p group without their points."""
    names = _collection_id(call)
    with call.reading() as session:
        key = require_collection(session, names)
        rows = _rows(session, key, PairKind.OF_P_GROUP, call, details=False)
    return json_list(call, [row["json"] for row in rows])


@stores("PUT", f"{P_GROUP}/matchCounts")
def put_match_counts(call: Call) -> None:
    """Compute the match counts of a p group: nothing to do, as they are stored with each pair."""
    names = _collection_id(call)
    with call.reading() as session:
        require_collection(session, names)


@stores("PUT", f"{COLLECTION}/matches", read_pairs)
def put_pairs(call: Call) -> None:
    """Store pairs: all of them or, with an error, none."""
    pairs, names = call.required_json("pairs"), _collection_id(call)
    if pairs:  # an empty list does not create the collection
        with call.writing() as session:
            key = session.match_collection(names)
            session.put_pairs(session.add_match_collection(names) if key is None else key, pairs)
