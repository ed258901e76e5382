"""The requests about match collections that the service answers."""

from __future__ import annotations

from functools import partial

from asap_ingest.render_ws.http.answers import JSON
from asap_ingest.render_ws.http.path_patterns import OWNER, V1
from asap_ingest.render_ws.http.query_parameters import declared
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.matches import match_requests
from asap_ingest.render_ws.store import PairKind, Session

COLLECTION = f"{OWNER}/matchCollection/{{matchCollection}}"
P_GROUP = f"{COLLECTION}/pGroup/{{group}}"
ANY_GROUP = f"{COLLECTION}/group/{{group}}"
ANY_TILE = f"{ANY_GROUP}/id/{{tile}}"
MERGE_QUERY = declared(mergeCollection="texts")
PAIR_QUERY = (*declared(excludeMatchDetails="boolean"), *MERGE_QUERY)

#: (name of the list, groups in it)
GROUP_LISTS: tuple[tuple[str, match_requests.Groups], ...] = (
    ("groupIds", match_requests.both_groups),
    ("pGroupIds", Session.p_groups),
    ("qGroupIds", Session.q_groups),
    ("multiConsensusPGroupIds", match_requests.consensus_p_groups),
    ("multiConsensusGroupIds", match_requests.consensus_groups),
)
#: (path, pairs there, whether they can be read without their points)
READ_PAIRS = (
    (f"{P_GROUP}/matches", PairKind.OF_P_GROUP, True),
    (f"{ANY_GROUP}/matchesWithinGroup", PairKind.WITHIN_GROUP, True),
    (f"{ANY_GROUP}/matchesOutsideGroup", PairKind.OUTSIDE_GROUP, True),
    (f"{ANY_GROUP}/matchesWith/{{other_group}}", PairKind.BETWEEN_GROUPS, True),
    (ANY_TILE, PairKind.OF_TILE, False),
    (f"{ANY_TILE}/matchesWith/{{other_group}}", PairKind.TILE_AND_GROUP, True),
    (f"{ANY_TILE}/matchesWith/{{other_group}}/id/{{other_tile}}", PairKind.TWO_TILES, False),
)
#: (path, pairs that are deleted there, media type of the answer)
DELETED_PAIRS = (
    (f"{P_GROUP}/matches", PairKind.OF_P_GROUP, None),
    (f"{ANY_GROUP}/matchesOutsideGroup", PairKind.OUTSIDE_GROUP, None),
    (f"{ANY_GROUP}/matchesWith/{{other_group}}", PairKind.BETWEEN_GROUPS, None),
    (ANY_TILE, PairKind.OF_TILE, JSON),
    (f"{ANY_TILE}/matchesWith/{{other_group}}/id/{{other_tile}}", PairKind.TWO_TILES, None),
)

MATCH_OPERATIONS = (
    Operation("GET", f"{V1}/matchCollectionOwners", match_requests.list_match_owners),
    Operation("GET", f"{OWNER}/matchCollections", match_requests.list_collections),
    Operation("DELETE", COLLECTION, match_requests.remove_collection, None),
    Operation("GET", f"{OWNER}/matchTrial/{{trial}}", match_requests.get_trial),
    Operation(
        "PUT",
        f"{COLLECTION}/collectionId",
        match_requests.rename,
        None,
        JSON,
        body="MatchCollectionId",
        statuses=(200,),
    ),
    Operation("PUT", f"{COLLECTION}/matches", match_requests.put_pairs, None, JSON, body="Matches"),
    Operation("GET", f"{P_GROUP}/matchCounts", match_requests.get_match_counts),
    Operation("PUT", f"{P_GROUP}/matchCounts", match_requests.put_match_counts, None),
    *(
        Operation("GET", f"{COLLECTION}/{name}", partial(match_requests.get_groups, groups))
        for name, groups in GROUP_LISTS
    ),
    *(
        Operation("GET", path, partial(match_requests.get_pairs_or_summaries, kind), query=PAIR_QUERY)
        if without_points
        else Operation("GET", path, partial(match_requests.get_pairs, kind), query=MERGE_QUERY)
        for path, kind, without_points in READ_PAIRS
    ),
    *(
        Operation("DELETE", path, partial(match_requests.remove_pairs, kind), produces)
        for path, kind, produces in DELETED_PAIRS
    ),
)
