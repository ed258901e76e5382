"""Requests about match collections: listings, groups, pairs by group and tile, storing, deleting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, created, done, json_answer, json_list
from asap_ingest.render_ws.matches.match_collections import (
    delete_collection,
    rename_collection,
    require_collection,
    save_pairs,
)
from asap_ingest.render_ws.store import PairFilter, PairKind, Session
from asap_ingest.render_ws.wire.json_types import object_reader, text
from asap_ingest.render_ws.wire.match_pairs import merged, read_pairs
from asap_ingest.render_ws.wire.names import CollectionId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError

Groups = Callable[[Session, int], list[str]]

PAIR_NAMES = ("group", "tile", "other_group", "other_tile")
_read_collection_id = object_reader((("owner", text), ("name", text)))


def _collection_id(call: Call) -> CollectionId:
    return CollectionId(call.path["owner"], call.path["matchCollection"]).checked()


def _pair_filter(call: Call, kind: PairKind) -> PairFilter:
    return PairFilter(kind, **{name: call.path[name] for name in PAIR_NAMES if name in call.path})


def list_match_owners(call: Call) -> Response:
    """Names of all owners of match collections."""
    with call.service.store.reading() as session:
        return json_answer(session.match_owners())


def list_collections(call: Call) -> Response:
    """Names of the match collections of an owner, and how many pairs they have."""
    owner = call.path["owner"]
    with call.service.store.reading() as session:
        found = session.match_collections(owner)
    return json_answer(
        [
            {"collectionId": CollectionId(owner, name).to_json(), "pairCount": pair_count}
            for name, pair_count in found
        ]
    )


def get_groups(groups: Groups, call: Call) -> Response:
    """Names of groups in a match collection."""
    names = _collection_id(call)
    with call.service.store.reading() as session:
        return json_answer(groups(session, require_collection(session, names)))


def both_groups(session: Session, key: int) -> list[str]:
    """Groups of p and q sides, ascending."""
    return sorted({*session.p_groups(key), *session.q_groups(key)})


def consensus_p_groups(session: Session, key: int) -> list[str]:
    """P groups of pairs with consensus set data, ascending."""
    return sorted({p_group for p_group, _ in session.consensus_groups(key)})


def consensus_groups(session: Session, key: int) -> list[str]:
    """P and q groups of pairs with consensus set data, ascending."""
    return sorted({group for groups in session.consensus_groups(key) for group in groups})


def get_pairs(kind: PairKind, call: Call) -> Response:
    """Pairs with their points; `mergeCollection` adds those of other collections of the owner."""
    return _pairs(kind, call, details=True)


def get_pairs_or_summaries(kind: PairKind, call: Call) -> Response:
    """Pairs, without their points if asked for; `mergeCollection` adds those of other collections.

    Raises
    ------
    IllegalStateError
        When both are asked for.
    """
    return _pairs(kind, call, details=not call.query.flag("excludeMatchDetails"))


def _pairs(kind: PairKind, call: Call, details: bool) -> Response:
    names, which = _collection_id(call), _pair_filter(call, kind)
    with call.service.store.reading() as session:
        keys = [require_collection(session, one) for one in (names, *_further(call, names))]
        if len(keys) > 1 and not details:
            raise IllegalStateError(f"{names} cannot be merged with others when details are left out")
        found = [_counted(session.pairs(key, which, details), call) for key in keys]
    if len(found) > 1:
        return json_list(call, merged(found))
    return json_list(call, [row[4] for row in found[0]])


def _counted(rows: Iterable[tuple[Any, ...]], call: Call) -> list[tuple[Any, ...]]:
    found = []
    for row in rows:
        call.memory.count_read(len(row[4]))
        found.append(row)
    return found


def _further(call: Call, names: CollectionId) -> list[CollectionId]:
    asked = dict.fromkeys(call.query.texts("mergeCollection"))
    return [CollectionId(names.owner, name).checked() for name in asked if name != names.name]


def get_match_counts(call: Call) -> Response:
    """The pairs of a p group without their points."""
    names, which = _collection_id(call), _pair_filter(call, PairKind.OF_P_GROUP)
    with call.service.store.reading() as session:
        rows = _counted(session.pairs(require_collection(session, names), which, details=False), call)
    return json_list(call, [row[4] for row in rows])


def put_match_counts(call: Call) -> Response:
    """Make sure that the pairs of a p group have a count: all have it since they were stored."""
    names = _collection_id(call)
    with call.service.store.reading() as session:
        require_collection(session, names)
    return created(call)


def put_pairs(call: Call) -> Response:
    """Store pairs: all of them or, with an error, none."""
    names, value = _collection_id(call), call.json()
    if value is None:
        raise IllegalArgumentError(f"no pairs given for {names}")
    save_pairs(call.service.store, names, read_pairs(value))
    return created(call)


def remove_pairs(kind: PairKind, call: Call) -> Response:
    """Delete pairs; fine when there are none."""
    names, which = _collection_id(call), _pair_filter(call, kind)
    with call.service.store.writing() as session:
        session.delete_pairs(require_collection(session, names), which)
    return done()


def rename(call: Call) -> Response:
    """Give the collection the names in the body."""
    names, value = _collection_id(call), call.json()
    target = {} if value is None else _read_collection_id(value)
    rename_collection(
        call.service.store, names, CollectionId(target.get("owner", ""), target.get("name", ""))
    )
    return done()


def get_trial(call: Call) -> Response:
    """A trial of match parameters: none is ever made here, as that needs feature matching."""
    trial_id = call.path["trial"]
    if not re.fullmatch("[0-9a-fA-F]{24}", trial_id):
        raise IllegalArgumentError(f"match trial id {trial_id!r} is not 24 hexadecimal digits")
    raise NotFoundError(f"match trial {trial_id!r} does not exist: this service makes no trials")


def remove_collection(call: Call) -> Response:
    """Delete the collection with its pairs."""
    delete_collection(call.service.store, _collection_id(call))
    return done()
