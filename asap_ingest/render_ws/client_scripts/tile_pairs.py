"""TilePairClient: writes which tiles of a stack lie beside one another, in a layer and between layers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.json_files import read_list
from asap_ingest.render_ws.client_scripts.options import (
    STACK_OPTIONS,
    Arguments,
    Option,
    OptionError,
    Syntax,
    Takes,
    one_of,
    truth,
)
from asap_ingest.render_ws.client_scripts.tile_pair_files import PairFiles
from asap_ingest.render_ws.client_scripts.tile_pair_layers import (
    Layers,
    LayerSource,
    known_matches,
    section_ids,
)
from asap_ingest.render_ws.client_scripts.tile_pair_search import POSITIONS, PairRules, layer_pairs
from asap_ingest.render_ws.client_scripts.web import WebStack, get_json, stack_of

BOX_OPTIONS = ("minX", "minY", "maxX", "maxY")

logger = logging.getLogger(__name__)


class NoLayersError(AsapIngestError):
    """A stack has no layers in the asked range."""

    def __init__(self, stack: str, asked: str) -> None:
        super().__init__(f"stack {stack} has no layers {asked}")
        self.stack = stack
        self.asked = asked


def _positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError("must be 1 or more")
    return int(text)


SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        Option("minZ", "first layer", float),
        Option("maxZ", "last layer", float),
        Option("z", "the layers, with zNeighborDistance 0 only", float, takes=Takes.VALUES),
        Option("zNeighborDistance", "how far apart the layers of a pair may be", float, 2),
        Option("xyNeighborFactor", "radius around a tile: times its longer side", float, 0.9),
        Option("explicitRadius", "radius around each tile in pixels", float),
        Option(
            "useRowColPositions",
            "take positions from layout.imageRow and imageCol, with zNeighborDistance 0 only",
            takes=Takes.NOTHING,
        ),
        Option("excludeCornerNeighbors", "leave out tiles that touch at a corner", truth, True),
        Option("excludeCompletelyObscuredTiles", "leave out tiles that others cover", truth, True),
        Option("excludeSameLayerNeighbors", "only pairs between layers", truth, False),
        Option("excludeSameSectionNeighbors", "only pairs between sections", truth, False),
        Option("excludeSameLayerPairsWithPosition", "leave out pairs in a layer", one_of(*POSITIONS)),
        Option("excludePairsInMatchCollection", "leave out pairs that have matches there"),
        Option("existingMatchOwner", "owner of that collection; the stack's owner if left out"),
        Option("minExistingMatchCount", "pairs there with fewer matches are kept", int, 0),
        Option("onlyIncludeTilesFromStack", "only tiles that are also there: [[owner__]project__]stack"),
        Option("onlyIncludeTilesNearTileIdsJson", "file with the ids of tiles whose neighbours are wanted"),
        Option("maxPairsPerFile", "", _positive, 100_000),
        *(Option(name, "only tiles that meet this box", float) for name in BOX_OPTIONS),
        Option("baseOwner", "owner in the URL template"),
        Option("baseProject", "project in the URL template"),
        Option("baseStack", "stack in the URL template"),
        Option("toJson", "file to write: .json, .json.gz, .zip", required=True),
    )
)


def run(arguments: Arguments) -> None:
    """Find the pairs layer by layer and write them."""
    _check(arguments)
    stack = stack_of(arguments)
    files = PairFiles(Path(arguments["toJson"]), _url_template(arguments), arguments["maxPairsPerFile"])
    near = arguments["onlyIncludeTilesNearTileIdsJson"]
    source_ids = None if near is None else frozenset(map(str, read_list(near)))
    layers = Layers(_layer_source(stack, arguments))
    z_values = _z_values(stack, arguments)
    known = _known(stack, arguments, z_values)
    rules = _rules(arguments)
    for number, z in enumerate(z_values):
        reach = [other for other in z_values[number:] if other <= z + arguments["zNeighborDistance"]]
        indexed = layers.window(reach)
        sources = [tile for tile in indexed[0].tiles if source_ids is None or tile.tile_id in source_ids]
        pairs = layer_pairs(sources, indexed, rules)
        files.add(pair for pair in pairs if (pair.p_group, pair.p_id, pair.q_group, pair.q_id) not in known)
    files.finish()
    logger.info("%d pairs written", files.count)


def _check(arguments: Arguments) -> None:
    if arguments["z"] and arguments["zNeighborDistance"] != 0:
        raise OptionError("--z", "can be given with --zNeighborDistance 0 only; use --minZ and --maxZ")
    given = [name for name in BOX_OPTIONS if arguments[name] is not None]
    if given and len(given) < len(BOX_OPTIONS):
        raise OptionError(
            ", ".join(f"--{name}" for name in BOX_OPTIONS), f"all or none must be given, not {given}"
        )


def _rules(arguments: Arguments) -> PairRules:
    return PairRules(
        radius_factor=arguments["xyNeighborFactor"],
        radius=arguments["explicitRadius"],
        exclude_corners=arguments["excludeCornerNeighbors"],
        exclude_same_layer=arguments["excludeSameLayerNeighbors"],
        exclude_same_section=arguments["excludeSameSectionNeighbors"],
        excluded_position=arguments["excludeSameLayerPairsWithPosition"] or "",
    )


def _url_template(arguments: Arguments) -> str:
    owner, project, stack = (
        arguments[f"base{name.capitalize()}"] or arguments[name] for name in ("owner", "project", "stack")
    )
    return f"{{baseDataUrl}}/owner/{owner}/project/{project}/stack/{stack}/tile/{{id}}/render-parameters"


def _z_values(stack: WebStack, arguments: Arguments) -> list[float]:
    """The layers of the stack that are asked for, ascending."""
    limits = {name: arguments[name] for name in ("minZ", "maxZ") if arguments[name] is not None}
    query = "&".join(f"{name}={value}" for name, value in limits.items())
    found = sorted(map(float, get_json(stack.url(f"/zValues?{query}" if query else "/zValues"))))
    wanted = set(arguments["z"])
    kept = [z for z in found if not wanted or z in wanted]
    if not kept:
        asked = ", ".join(f"{name} {value}" for name, value in {**limits, "z": arguments["z"]}.items())
        raise NoLayersError(stack.name, f"({asked})")
    return kept


def _layer_source(stack: WebStack, arguments: Arguments) -> LayerSource:
    include = arguments["onlyIncludeTilesFromStack"]
    box = tuple(arguments[name] for name in BOX_OPTIONS)
    return LayerSource(
        stack=stack,
        include=None if include is None else _include_stack(stack, include),
        box=None if None in box else box,
        drop_obscured=arguments["excludeCompletelyObscuredTiles"],
        by_row_and_column=arguments["useRowColPositions"] and arguments["zNeighborDistance"] == 0,
    )


def _include_stack(stack: WebStack, name: str) -> WebStack:
    parts = name.split("__")
    if len(parts) > 3:
        raise OptionError("--onlyIncludeTilesFromStack", f"{name!r} is not [[owner__]project__]stack")
    owner, project, stack_name = [stack.owner, stack.project][: 3 - len(parts)] + parts
    return WebStack(stack.base_data_url, owner, project, stack_name)


def _known(
    stack: WebStack, arguments: Arguments, z_values: Sequence[float]
) -> set[tuple[str, str, str, str]]:
    collection = arguments["excludePairsInMatchCollection"]
    if collection is None:
        return set()
    owner = arguments["existingMatchOwner"] or stack.owner
    groups = section_ids(stack, z_values)
    return known_matches(replace(stack, owner=owner), collection, groups, arguments["minExistingMatchCount"])
