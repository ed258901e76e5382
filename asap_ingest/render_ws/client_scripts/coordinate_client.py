"""CoordinateClient: maps points between the world of a stack, its tiles, and the world of another stack.

The service computes the mapping; this client sends it the points of a file in batches.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap_ingest.render_ws.client_scripts.client_json import get_json, read_list, write_json
from asap_ingest.render_ws.client_scripts.client_options import ClientError, flag, option, required
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions, WebStack
from asap_ingest.render_ws.wire.coordinate_entries import Entry, JsonObject, read_entries, read_points
from asap_ingest.render_ws.wire.problems import RequestError

#: Points in one request.
BATCH = 25_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(StackOptions):
    """Options of CoordinateClient."""

    z: float = required("z", "layer of the points", float)
    from_json: str = required("fromJson", "file with the points: .json, .json.gz")
    to_json: str = required("toJson", "file to write: .json, .json.gz")
    local_to_world: bool = flag("localToWorld", "points are in tiles; without it, in the world")
    number_of_threads: int = option("numberOfThreads", "accepted for compatibility, without effect", int, 1)
    to_owner: str | None = option("toOwner", "owner of the other stack (default: the same)")
    to_project: str | None = option("toProject", "project of the other stack (default: the same)")
    to_stack: str | None = option("toStack", "map on to the world of this stack")


def run(options: Options) -> None:
    """Read points, map them, write the result."""
    points = _read_points(options)
    if options.local_to_world:
        result: list[Any] = to_world(options.source, options.z, points)
    else:
        result = to_local(options.source, options.z, points)
        if options.to_stack is not None:
            target = options.other_stack(options.to_owner, options.to_project, options.to_stack)
            result = to_world(target, options.z, result)
    write_json(Path(options.to_json), result)
    logger.info("%d points mapped to %s", len(result), options.to_json)


def _read_points(options: Options) -> list[Any]:
    """Entries in the world, or for each point a list of entries in tiles; ClientError for anything else."""
    points = read_list(options.from_json)
    try:
        if options.local_to_world:
            return [read_entries(entries) for entries in points]
        problems = read_points(read_entries(points), "world", 2).problems
    except RequestError as error:
        raise ClientError(f"{options.from_json}: {error}") from error
    for index, problem in problems.items():
        raise ClientError(f"{options.from_json}: entry {index} cannot be used: {problem}")
    return points


def to_local(stack: WebStack, z: float, points: Sequence[Entry]) -> list[list[JsonObject]]:
    """Map world points to each tile that they lie in.

    Returns
    -------
    list of lists of dict
        Per point the entries `tileId`, `local`, the last of them with `visible`; or one with `error`.
    """
    answers = _mapped(stack.layer_url(z, "/world-to-local-coordinates"), points)
    return [
        [{"error": entry["error"]} if "error" in entry else entry for entry in entries] for entries in answers
    ]


def to_world(stack: WebStack, z: float, points: Sequence[Sequence[Entry]]) -> list[JsonObject]:
    """Map points of tiles, each given by its entries, to the world; those that cannot be get an `error`."""
    chosen = [chosen_entry(entries) for entries in points]
    return list(_mapped(stack.layer_url(z, "/local-to-world-coordinates"), chosen))


def _mapped(url: str, entries: Sequence[Entry]) -> Iterator[Any]:
    for start in range(0, len(entries), BATCH):
        yield from get_json(url, list(entries[start : start + BATCH]))


def chosen_entry(entries: Sequence[Entry]) -> Entry:
    """Of the entries at one point, the first visible one, else the first; None without entries."""
    visible = (entry for entry in entries if entry and entry.get("visible"))
    return next(visible, entries[0] if entries else None)
