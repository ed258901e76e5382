"""The life of a match collection: made by its first pair, renamed, removed."""

from __future__ import annotations

from collections.abc import Sequence

from asap_ingest.render_ws.store import Session, Store
from asap_ingest.render_ws.wire.match_pairs import PairRow
from asap_ingest.render_ws.wire.names import CollectionId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, NotFoundError


def require_collection(session: Session, names: CollectionId) -> int:
    """Key of the collection; NotFoundError if there is none."""
    key = session.match_collection(names)
    if key is None:
        raise NotFoundError(f"{names} does not exist")
    return key


def save_pairs(store: Store, names: CollectionId, pairs: Sequence[PairRow]) -> None:
    """Store all pairs, and make the collection if they are its first; no pairs make none."""
    if not pairs:
        return
    with store.writing() as session:
        key = session.match_collection(names)
        session.put_pairs(session.add_match_collection(names) if key is None else key, pairs)


def rename_collection(store: Store, names: CollectionId, target: CollectionId) -> None:
    """Give the collection other names.

    Names that the service could not find again are refused, which render-ws does not.

    Raises
    ------
    NotFoundError
        For a missing collection.
    IllegalArgumentError
        For target names that are not allowed, or taken.
    """
    with store.writing() as session:
        key = require_collection(session, names)
        target.checked()
        if session.match_collection(target) is not None:
            raise IllegalArgumentError(f"{target} already exists")
        session.rename_match_collection(key, target)


def delete_collection(store: Store, names: CollectionId) -> None:
    """Remove the collection with its pairs; NotFoundError if there is none."""
    with store.writing() as session:
        session.delete_match_collection(require_collection(session, names))
