"""CoordinateClient: maps points between the world of a stack, its tiles, and the world of another stack."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.json_files import JsonFileError, read_list, write_json
from asap_ingest.render_ws.client_scripts.options import STACK_OPTIONS, Arguments, Option, Syntax, Takes
from asap_ingest.render_ws.client_scripts.web import WebStack, ask_json, stack_of
from asap_ingest.render_ws.wire.coordinate_entries import (
    Entry,
    JsonObject,
    failed,
    read_entries,
    read_points,
)
from asap_ingest.render_ws.wire.problems import RequestError

if TYPE_CHECKING:
    from asap_ingest.render_ws.transforms.classes import Points

#: Points that are asked for in one request.
BATCH = 25_000

Tiles = Mapping[str, JsonObject]
#: A tile id and a point of that tile, or of the world.
TilePoint = tuple[str, Sequence[float]]
TileMapping = Callable[[JsonObject, "Points"], "Points"]

logger = logging.getLogger(__name__)


class UnmappedPointError(AsapIngestError):
    """A point that has no counterpart; its text becomes the error of the entry."""


SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        Option("z", "layer of the points", float, required=True),
        Option("fromJson", "file with the points: .json, .json.gz", required=True),
        Option("toJson", "file to write: .json, .json.gz", required=True),
        Option("localToWorld", "points are in tiles; without it, in the world", takes=Takes.NOTHING),
        Option("numberOfThreads", "taken for compatibility; one thread maps all points", int, 1),
        Option("toOwner", "owner of the other stack; that of the first if left out"),
        Option("toProject", "project of the other stack; that of the first if left out"),
        Option("toStack", "map on to the world of this stack"),
    )
)


def run(arguments: Arguments) -> None:
    """Read points, map them, write the result."""
    stack, z, source = stack_of(arguments), arguments["z"], arguments["fromJson"]
    given = read_list(source)
    if arguments["localToWorld"]:
        result: list[Any] = _all_to_world(stack, _lists_of_entries(source, given))
    else:
        result = _all_to_local(stack, z, given)
        if arguments["toStack"] is not None:
            result = _all_to_world(_other_stack(stack, arguments), result)
    write_json(arguments["toJson"], result)
    logger.info("%d points mapped to %s", len(result), arguments["toJson"])


def _other_stack(stack: WebStack, arguments: Arguments) -> WebStack:
    owner, project = arguments["toOwner"] or stack.owner, arguments["toProject"] or stack.project
    return replace(stack, owner=owner, project=project, name=arguments["toStack"])


def _lists_of_entries(source: str, given: list[Any]) -> list[list[Entry]]:
    try:
        return [read_entries(entries) for entries in given]
    except RequestError as error:
        raise JsonFileError(source, f"must hold a list of entries for each point: {error}") from error


def _batches(values: list[Any]) -> Iterable[list[Any]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


def _all_to_local(stack: WebStack, z: float, points: list[Any]) -> list[list[JsonObject]]:
    found = []
    for batch in _batches(points):
        located = ask_json(stack.layer_url(z, "/tileIdsForCoordinates"), batch)
        ids = (entry["tileId"] for entries in located for entry in entries if "tileId" in entry)
        found += to_local(located, _tile_specs(stack, ids), f"layer {z} of {stack}")
    return found


def _all_to_world(stack: WebStack, points: Sequence[Sequence[Entry]]) -> list[JsonObject]:
    found = []
    for batch in _batches([chosen_entry(entries) for entries in points]):
        ids = (entry["tileId"] for entry in batch if entry and "tileId" in entry)
        found += to_world(batch, _tile_specs(stack, ids))
    return found


def _tile_specs(stack: WebStack, ids: Iterable[str]) -> Tiles:
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {tile["tileId"]: tile for tile in ask_json(stack.url("/tile-specs-with-ids"), wanted)}


def chosen_entry(entries: Sequence[Entry]) -> Entry:
    """The entry that counts of those at one point: the first visible one, else the first; None for none."""
    visible = (entry for entry in entries if entry and entry.get("visible"))
    return next(visible, entries[0] if entries else None)


def to_local(located: Sequence[Sequence[JsonObject]], tiles: Tiles, where: str) -> list[list[JsonObject]]:
    """Map world points to each tile that they lie in.

    Parameters
    ----------
    located : sequence of sequences of dict
        Per point one entry `tileId`, `world` for each tile around it, in drawing order; an entry without
        `tileId` where there is none.
    tiles : mapping
        Flattened tile specs by id.
    where : str
        What the text of an error calls the place that was searched.

    Returns
    -------
    list of lists of dict
        Per point the entries `tileId`, `local`, the last of them with `visible`; or one with `error`.
    """
    from asap_ingest.render_ws.transforms.inverse import locals_of

    asked = [
        (entry["tileId"], entry["world"]) for entries in located for entry in entries if "tileId" in entry
    ]
    mapped = iter(map_points(asked, tiles, locals_of))
    return [
        _local_entries(
            entries, [(entry["tileId"], next(mapped)) for entry in entries if "tileId" in entry], where
        )
        for entries in located
    ]


def _local_entries(
    entries: Sequence[JsonObject], mapped: Sequence[tuple[str, list[Any] | UnmappedPointError]], where: str
) -> list[JsonObject]:
    if not mapped:
        return [{"error": f"no tile of {where} lies at {entries[0]['world'] if entries else 'no point'}"}]
    found = [(tile_id, point) for tile_id, point in mapped if not isinstance(point, UnmappedPointError)]
    if not found:
        return [{"error": "; ".join(str(problem) for _, problem in mapped)}]
    top_id, top = found[-1]
    covered = [{"tileId": tile_id, "local": point} for tile_id, point in found[:-1]]
    return [*covered, {"tileId": top_id, "visible": True, "local": top}]


def to_world(entries: Sequence[Entry], tiles: Tiles) -> list[JsonObject]:
    """Map a point of a tile each (`tileId`, `local`) to the world; entries that cannot be get an `error`."""
    from asap_ingest.render_ws.transforms.inverse import worlds_of

    read = read_points(entries, "local", 2)
    found = {place: failed(entries[place], problem) for place, problem in read.problems.items()}
    asked = [
        (entry["tileId"], point)
        for place, point in zip(read.places, read.points, strict=True)
        if (entry := entries[place])
    ]
    for place, (tile_id, _), point in zip(
        read.places, asked, map_points(asked, tiles, worlds_of), strict=True
    ):
        if isinstance(point, UnmappedPointError):
            found[place] = failed(entries[place], str(point))
        else:
            found[place] = {"tileId": tile_id, "world": point}
    return [found[place] for place in range(len(entries))]


def map_points(
    points: Sequence[TilePoint], tiles: Tiles, mapping: TileMapping
) -> list[list[Any] | UnmappedPointError]:
    """Map points tile by tile; gives [x, y, z] of each, in their order, or why there is none."""
    by_tile: dict[str, list[int]] = defaultdict(list)
    for position, (tile_id, _) in enumerate(points):
        by_tile[tile_id].append(position)
    found: dict[int, list[Any] | UnmappedPointError] = {}
    for tile_id, positions in by_tile.items():
        of_tile = [points[position][1][:2] for position in positions]
        found.update(zip(positions, _map_tile(tile_id, of_tile, tiles, mapping), strict=True))
    return [found[position] for position in range(len(points))]


def _map_tile(
    tile_id: str, points: list[Sequence[float]], tiles: Tiles, mapping: TileMapping
) -> list[list[Any] | UnmappedPointError]:
    import numpy as np

    from asap_ingest.render_ws.transforms.inverse import with_z

    if tile_id not in tiles:
        return [UnmappedPointError(f"there is no tile {tile_id}")] * len(points)
    try:
        mapped = mapping(tiles[tile_id], np.array(points, np.float64))
    except RequestError as error:
        return [UnmappedPointError(f"tile {tile_id}: {error}")] * len(points)
    lost = np.asarray(np.isnan(mapped).any(axis=1))
    return [
        UnmappedPointError(f"tile {tile_id} cannot be mapped at {point}") if is_lost else found
        for point, is_lost, found in zip(points, lost.tolist(), with_z(tiles[tile_id], mapped), strict=True)
    ]
