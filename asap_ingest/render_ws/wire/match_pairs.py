"""Pairs of tiles and their matching points: reading, the stored form, merging."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any

import orjson

from asap_ingest.render_ws.wire.json_types import (
    Row,
    dump,
    has_schema,
    integer,
    list_reader,
    numbers,
    object_reader,
    schema_of,
    text,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

JsonObject = dict[str, Any]

ID_FIELDS = ("pGroupId", "pId", "qGroupId", "qId")


@dataclass(frozen=True)
class PairRow:
    """One pair as stored: the columns that queries need, and the JSON that is sent.

    `summary` is the JSON without the points, `content` with them.
    """

    p_group: str
    q_group: str
    p_id: str
    q_id: str
    has_consensus: bool
    summary: bytes
    content: bytes


_read_consensus = object_reader((("index", integer), ("originalPId", text), ("originalQId", text)))
_read_matches = object_reader(
    (("p", list_reader(numbers)), ("q", list_reader(numbers)), ("w", numbers)),
    required=("p", "q", "w"),
)
_read_pairs = list_reader(
    object_reader(
        (
            ("pGroupId", text),
            ("pId", text),
            ("qGroupId", text),
            ("qId", text),
            ("consensusSetData", _read_consensus),
            ("matches", _read_matches),
        ),
        required=(*ID_FIELDS, "matches"),
    )
)


@has_schema(schema_of(_read_pairs))
def read_pairs(value: Any) -> list[PairRow]:
    """Read a list of pairs; each gets its smaller side (group, then id, by code unit) as p.

    Raises
    ------
    MalformedBodyError
        When it is not a list, or something in it has the wrong type.
    IllegalArgumentError
        For a pair that lacks a group or an id.
    IllegalStateError
        For null as a pair, and for points without weights.
    """
    return [_pair_row(pair) for pair in _read_pairs(value)]


def _pair_row(pair: JsonObject | None) -> PairRow:
    if pair is None:
        raise IllegalStateError("the list of pairs holds a null")
    missing = [name for name in ID_FIELDS if name not in pair]
    if missing:
        raise IllegalArgumentError(f"a pair of tiles lacks {', '.join(missing)}: it has {_named(pair)}")
    if "w" not in pair.get("matches", {"w": []}):
        raise IllegalStateError(f"the matches of {_named(pair)} lack their weights w")
    pair = _in_normal_order(pair)
    return PairRow(
        pair["pGroupId"],
        pair["qGroupId"],
        pair["pId"],
        pair["qId"],
        "consensusSetData" in pair,
        _pair_json({name: value for name, value in pair.items() if name != "matches"}, _count(pair)),
        _pair_json(pair, _count(pair)),
    )


def _named(pair: JsonObject) -> str:
    return ", ".join(f"{name} '{pair[name]}'" for name in ID_FIELDS if name in pair) or "none of them"


def _count(pair: JsonObject) -> int:
    return len(pair["matches"]["w"]) if "matches" in pair else 0


def _pair_json(pair: JsonObject, match_count: int) -> bytes:
    return dump({**pair, "matchCount": match_count})


def _in_normal_order(pair: JsonObject) -> JsonObject:
    p_group, p_id, q_group, q_id = (pair[name] for name in ID_FIELDS)
    if (_code_units(p_group), _code_units(p_id)) <= (_code_units(q_group), _code_units(q_id)):
        return pair
    swapped = {**pair, "pGroupId": q_group, "pId": q_id, "qGroupId": p_group, "qId": p_id}
    if "matches" in pair:
        points = pair["matches"]
        sides = {new: points[old] for new, old in (("p", "q"), ("q", "p")) if old in points}
        swapped["matches"] = {**sides, "w": points["w"]}
    return swapped


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be")


def merged(rows: Iterable[Iterable[Row]]) -> list[bytes]:
    """Merge the pairs of several collections: those between the same tiles become one.

    Parameters
    ----------
    rows : iterable of iterables of rows
        One entry per collection; rows have the columns p_group, q_group, p_id, q_id and json. All but the
        points is taken from the first collection that has the pair.

    Returns
    -------
    list of bytes
        JSON of the pairs, in the order of the four names.
    """
    # sorting is stable: rows with equal names keep the order of the collections
    in_order = sorted(chain.from_iterable(rows), key=_names)
    return [_merged_pair([row["json"] for row in same]) for _, same in groupby(in_order, key=_names)]


def _names(row: Row) -> tuple[str, ...]:
    return row["p_group"], row["q_group"], row["p_id"], row["q_id"]


def _merged_pair(contents: Sequence[bytes]) -> bytes:
    if len(contents) == 1:
        return contents[0]
    pairs: list[JsonObject] = [orjson.loads(content) for content in contents]
    filled = [pair["matches"] for pair in pairs if pair["matchCount"]]
    if not filled:
        return contents[0]
    head = {name: value for name, value in pairs[0].items() if name not in ("matches", "matchCount")}
    sides = {side: _joined(filled, side, head) for side in ("p", "q")}
    weights = [*chain.from_iterable(points["w"] for points in filled)]
    points = {**{side: lists for side, lists in sides.items() if lists is not None}, "w": weights}
    return _pair_json({**head, "matches": points}, len(weights))


def _joined(filled: Sequence[JsonObject], side: str, pair: JsonObject) -> list[list[Any]] | None:
    dimensions = {len(points[side]) if side in points else None for points in filled}
    if len(dimensions) > 1:
        raise IllegalStateError(
            f"matches of {_named(pair)} cannot be merged: {side} has {len(dimensions)} numbers of coordinates"
        )
    if None in dimensions:
        return None
    coordinates = zip(*(points[side] for points in filled), strict=True)
    return [[*chain.from_iterable(part or [] for part in parts)] for parts in coordinates]
