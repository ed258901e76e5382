"""TilePairClient: writes which tiles of a stack are neighbours, in a layer and between layers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from asap_ingest.render_ws.client_scripts.client_json import get_json, read_list, write_json
from asap_ingest.render_ws.client_scripts.client_options import (
    ClientError,
    OptionError,
    flag,
    option,
    required,
    truth,
    values,
)
from asap_ingest.render_ws.client_scripts.tile_pair_search import (
    NO_POSITION,
    OPPOSITE,
    POSITIONS,
    BoxIndex,
    Pair,
    PairRules,
    TileBox,
    layer_pairs,
    visible_tiles,
)
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions, WebStack
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS

COMPRESSED = (".gz", ".zip")
#: Side of the boxes that stand for rows and columns.
CELL = 10.0
LAYOUT_FIELDS = ("imageCol", "imageRow")

logger = logging.getLogger(__name__)


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError("must be 1 or more")
    return int(text)


def _stack_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split("__"))
    if len(names) > 3:
        raise ValueError("must be [[owner__]project__]stack")
    return names


@dataclass(frozen=True, kw_only=True)
class Options(PairRules, StackOptions):
    """Options of TilePairClient."""

    min_z: float | None = option("minZ", "first layer", float)
    max_z: float | None = option("maxZ", "last layer", float)
    z: tuple[float, ...] = values("z", "the layers, with zNeighborDistance 0 only", float)
    z_distance: float = option("zNeighborDistance", "how far apart the layers of a pair may be", float, 2)
    use_row_and_column: bool = flag(
        "useRowColPositions",
        "take positions from layout.imageRow and imageCol, with zNeighborDistance 0 only",
    )
    exclude_obscured: bool = option(
        "excludeCompletelyObscuredTiles", "leave out tiles that others cover", truth, True
    )
    match_collection: str | None = option(
        "excludePairsInMatchCollection", "leave out pairs that have matches there"
    )
    match_owner: str | None = option("existingMatchOwner", "owner of that collection (default: the same)")
    min_match_count: int = option("minExistingMatchCount", "pairs there with fewer matches are kept", int, 0)
    include_stack: tuple[str, ...] | None = option(
        "onlyIncludeTilesFromStack", "only tiles that are also there: [[owner__]project__]stack", _stack_names
    )
    near_tile_ids: str | None = option(
        "onlyIncludeTilesNearTileIdsJson", "file with the ids of tiles whose neighbours are wanted"
    )
    max_pairs: int = option("maxPairsPerFile", "", _positive, 100_000)
    min_x: float | None = option("minX", "only tiles that meet this box", float)
    min_y: float | None = option("minY", "only tiles that meet this box", float)
    max_x: float | None = option("maxX", "only tiles that meet this box", float)
    max_y: float | None = option("maxY", "only tiles that meet this box", float)
    base_owner: str | None = option("baseOwner", "owner in the URL template")
    base_project: str | None = option("baseProject", "project in the URL template")
    base_stack: str | None = option("baseStack", "stack in the URL template")
    to_json: str = required("toJson", "file to write: .json, .json.gz, .zip")

    def box(self) -> list[float]:
        """minX, minY, maxX, maxY; empty without a box; OptionError for an incomplete one."""
        given = [side for side in (self.min_x, self.min_y, self.max_x, self.max_y) if side is not None]
        if len(given) not in (0, 4):
            raise OptionError("--minX, --minY, --maxX, --maxY: all or none must be given")
        return given

    def url_template(self) -> str:
        """Where render parameters of a tile lie, of the stack that is named as base."""
        base = self.other_stack(self.base_owner, self.base_project, self.base_stack)
        stack = f"owner/{base.owner}/project/{base.project}/stack/{base.name}"
        return f"{{baseDataUrl}}/{stack}/tile/{{id}}/render-parameters"


def run(options: Options) -> None:
    """Find the pairs layer by layer and write them."""
    if options.z and options.z_distance != 0:
        raise OptionError("--z can be given with --zNeighborDistance 0 only; use --minZ and --maxZ")
    options.box()  # refuses an incomplete one before any request
    path, template = Path(options.to_json), options.url_template()
    count = write_pairs(path, template, options.max_pairs, pairs_by_layer(options))
    logger.info("%d pairs written", count)


def pairs_by_layer(options: Options) -> Iterator[list[Pair]]:
    """The pairs of each layer with itself and those after it."""
    near = options.near_tile_ids
    source_ids = None if near is None else frozenset(map(str, read_list(near)))
    z_values = _z_values(options)
    known = _pairs_with_matches(options, z_values)
    layers: dict[float, BoxIndex] = {}
    for number, z in enumerate(z_values):
        reach = [other for other in z_values[number:] if other <= z + options.z_distance]
        # each layer is read once, and dropped when it is passed
        layers = {other: layers.get(other) or BoxIndex(tiles_of(options, other)) for other in reach}
        sources = [tile for tile in layers[z].tiles if source_ids is None or tile.tile_id in source_ids]
        pairs = layer_pairs(sources, list(layers.values()), options)
        yield [pair for pair in pairs if (pair.p_group, pair.p_id, pair.q_group, pair.q_id) not in known]


def _z_values(options: Options) -> list[float]:
    """The selected layers of the stack, ascending; ClientError for none."""
    limits = {"minZ": options.min_z, "maxZ": options.max_z}
    query = urlencode({name: value for name, value in limits.items() if value is not None})
    stored = sorted(map(float, get_json(options.source.url(f"/zValues?{query}"))))
    kept = [z for z in stored if not options.z or z in options.z]
    if not kept:
        selection = " ".join([query, *(f"z={z}" for z in options.z)]).strip()
        raise ClientError(f"{options.source} has no layers{selection and f' with {selection}'}")
    return kept


def tiles_of(options: Options, z: float) -> list[TileBox]:
    """Boxes of the tiles of a layer that the options select."""
    stack = options.source
    if options.use_row_and_column and options.z_distance == 0:
        resolved = get_json(stack.layer_url(z, "/resolvedTiles"))
        tiles = [layout_box(tile) for tile in resolved["tileIdToSpecMap"].values()]
    else:
        tiles = [_box_of(tile) for tile in get_json(stack.layer_url(z, "/tileBounds"))]
    if options.include_stack is not None:
        owner, project, name = (None, None, *options.include_stack)[-3:]
        bounds = get_json(options.other_stack(owner, project, name).layer_url(z, "/tileBounds"))
        ids = {tile["tileId"] for tile in bounds}
        tiles = [tile for tile in tiles if tile.tile_id in ids]
    if options.box():
        tiles = BoxIndex(tiles).in_box(*options.box())
    return visible_tiles(tiles) if options.exclude_obscured else tiles


def _box_of(bounds: dict[str, Any]) -> TileBox:
    min_x, min_y, max_x, max_y = _numbers(bounds.get("tileId"), bounds, BOX_FIELDS)
    z = float(bounds["z"])
    return TileBox(bounds["tileId"], bounds.get("sectionId"), z, min_x, min_y, max_x, max_y)


def layout_box(tile: dict[str, Any]) -> TileBox:
    """A box of `CELL` by `CELL` at the row and column of a tile spec; ClientError without them."""
    layout = tile.get("layout") or {}
    x, y = (CELL * number for number in _numbers(tile.get("tileId"), layout, LAYOUT_FIELDS))
    return TileBox(tile["tileId"], layout.get("sectionId"), float(tile["z"]), x, y, x + CELL, y + CELL)


def _numbers(tile_id: object, record: dict[str, Any], names: Sequence[str]) -> list[float]:
    missing = [name for name in names if record.get(name) is None]
    if missing:
        raise ClientError(f"tile {tile_id} has no {', '.join(missing)}, so its position is unknown")
    return [float(record[name]) for name in names]


def _pairs_with_matches(options: Options, z_values: Sequence[float]) -> set[tuple[str, str, str, str]]:
    """(p group, p id, q group, q id) of the pairs with enough matches; none for a missing collection."""
    collection = options.match_collection
    if collection is None:
        return set()
    owner = options.other_stack(options.match_owner, None, None)
    collections = get_json(owner.owner_url("/matchCollections"))
    if collection not in [entry["collectionId"]["name"] for entry in collections]:
        return set()
    base = owner.owner_url(f"/matchCollection/{quote(collection, safe='')}/pGroup")
    return {
        (match["pGroupId"], match["pId"], match["qGroupId"], match["qId"])
        for group in _section_ids(options.source, z_values)
        for match in get_json(f"{base}/{quote(group, safe='')}/matches?excludeMatchDetails=true")
        if match.get("matchCount", 0) >= options.min_match_count
    }


def _section_ids(stack: WebStack, z_values: Sequence[float]) -> set[str]:
    limits = f"minZ={min(z_values)}&maxZ={max(z_values)}"
    return {section["sectionId"] for section in get_json(stack.url(f"/sectionData?{limits}"))}


def pair_json(pair: Pair) -> dict[str, Any]:
    """The JSON form of a pair."""
    p, q = {"groupId": pair.p_group, "id": pair.p_id}, {"groupId": pair.q_group, "id": pair.q_id}
    if pair.rank == NO_POSITION:
        return {"p": p, "q": q, "absoluteDeltaZ": pair.delta_z}
    position = POSITIONS[pair.rank]
    return {"p": {**p, "relativePosition": position}, "q": {**q, "relativePosition": OPPOSITE[position]}}


def part_path(path: Path, number: int) -> Path:
    """Path of a numbered file: `p.json.gz` gives `p_p000.json.gz`."""
    extension = path.suffix
    if extension in COMPRESSED:
        extension = Path(path.stem).suffix + extension
    return path.with_name(f"{path.name.removesuffix(extension)}_p{number:03d}{extension}")


def write_pairs(path: Path, url_template: str, most: int, layers: Iterable[Iterable[Pair]]) -> int:
    """Write the pairs of each layer, sorted, in files of at most `most`; returns their number.

    All pairs in one file have the given path; several files are numbered. Full files are written once one
    file cannot hold all pairs.

    Raises
    ------
    ClientError
        Before a layer is read, when neither the file nor one beside it could be written.
    """
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ClientError(f"{path}: cannot be written: it or its folder is missing or closed to you")
    pending: list[Pair] = []
    parts = 0
    for pairs in layers:
        pending = sorted({*pending, *pairs})
        while len(pending) > most:
            _write(part_path(path, parts), url_template, pending[:most])
            pending = pending[most:]
            parts += 1
    if pending:
        _write(part_path(path, parts) if parts else path, url_template, pending)
    return parts * most + len(pending)


def _write(path: Path, url_template: str, pairs: Sequence[Pair]) -> None:
    neighbors = [pair_json(pair) for pair in pairs]
    write_json(path, {"renderParametersUrlTemplate": url_template, "neighborPairs": neighbors})
    logger.info("%s: %d pairs", path, len(pairs))
