"""Tile images, tilespecs, stacks and clients for the benchmarks of the service."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tifffile

from asap_ingest.images.downsample import mean_levels, minimum_levels
from asap_ingest.render_ws.stacks.stack_states import change_state, save_version
from asap_ingest.render_ws.store import Store
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import State
from asap_ingest.render_ws.wire.tile_rows import TileRow
from asap_ingest.simulation.acquisition import Acquisition, simulate_section

SIDE, STEP, LEVELS, FILES = 3840, 3572, 6, 16
OWNER = "/render-ws/v1/owner/bench/project/em/stack"
AFFINE = {"type": "leaf", "className": "mpicbg.trakem2.transform.AffineModel2D"}
REFERENCE = {"type": "ref", "refId": "lens"}


def lens_correction() -> dict[str, Any]:
    """A shared lens correction of degree 5 that moves the corners of a tile by some pixels."""
    beta = np.zeros((21, 2))
    beta[0, 0] = beta[1, 1] = 1.0
    beta[2:5] = ((4e-7, -2e-7), (-3e-7, 5e-7), (2e-7, 3e-7))
    numbers = [*beta.ravel(), *np.zeros(21), *np.ones(21)]
    data = f"5 21 {' '.join(map(repr, map(float, numbers)))} {SIDE} {SIDE}"
    name = "mpicbg.trakem2.transform.NonLinearCoordinateTransform"
    return {"type": "leaf", "id": "lens", "className": name, "dataString": data}


def as_ingested(row: int, column: int) -> list[dict[str, Any]]:
    """A shift by whole pixels."""
    return [AFFINE | {"dataString": f"1.0 0.0 0.0 1.0 {column * STEP}.0 {row * STEP}.0"}]


def as_aligned(row: int, column: int) -> list[dict[str, Any]]:
    """A rotation by some milliradians, and a shift by fractions of a pixel."""
    turn = 0.001 * ((row + 2 * column) % 5 - 2)
    place = f"{column * STEP + 0.3:.4f} {row * STEP + 0.7:.4f}"
    return [AFFINE | {"dataString": f"0.9995 {turn} {-turn} 1.0005 {place}"}]


def with_lens(row: int, column: int) -> list[dict[str, Any]]:
    return [REFERENCE, *as_aligned(row, column)]


@dataclass(frozen=True)
class TileImages:
    """Tile images and their levels: 16 different files of each level, and hard links to them."""

    folder: Path
    masks: Path | None = None

    @classmethod
    def simulated(cls, folder: Path, bits: int = 8) -> TileImages:
        """Write one simulated tile, rolled by a different distance in each file."""
        simulate_section(folder / "section", Acquisition(grid_shape=(1, 1), bits=bits))
        tile = tifffile.imread(next((folder / "section").glob("*.tif")))
        for number in range(FILES):
            levels = mean_levels(np.roll(tile, 97 * number), LEVELS)
            for level, image in enumerate((np.roll(tile, 97 * number), *levels)):
                (folder / str(level)).mkdir(exist_ok=True)
                tifffile.imwrite(folder / str(level) / f"{number}.tif", image, photometric="minisblack")
        return cls(folder)

    def levels(self, number: int, last: int) -> dict[str, Any]:
        """`mipmapLevels` of a tile up to level `last`; every tile has its own file names."""
        urls = {}
        for level in range(last + 1):
            path = self.folder / str(level) / f"tile_{number}.tif"
            if not path.exists():
                path.hardlink_to(self.folder / str(level) / f"{number % FILES}.tif")
            urls[str(level)] = {"imageUrl": path.as_uri()}
            if self.masks is not None:
                urls[str(level)]["maskUrl"] = (self.masks / f"{level}.tif").as_uri()
        return urls

    def masked(self) -> TileImages:
        """The same images with one mask for all, which hides their borders."""
        masks = self.folder / "masks"
        masks.mkdir()
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[64:-64, 64:-64] = 255
        for level, image in enumerate((mask, *minimum_levels(mask, LEVELS))):
            tifffile.imwrite(masks / f"{level}.tif", image, photometric="minisblack")
        return replace(self, masks=masks)


def tilespec(number: int, side: int, transforms: list[Any], levels: dict[str, Any]) -> dict[str, Any]:
    """The tilespec of one tile of a grid with `side` columns, as a step sends it."""
    row, column = divmod(number, side)
    layout = {"sectionId": "1.0", "temca": "temca2", "camera": "4450", "imageRow": row, "imageCol": column}
    return {
        "tileId": f"tile_{number:06}",
        "layout": layout | {"stageX": column * STEP, "stageY": row * STEP, "rotation": 0.0, "pixelsize": 3.5},
        "z": 1.0,
        "width": float(SIDE),
        "height": float(SIDE),
        "minIntensity": 0.0,
        "maxIntensity": 255.0,
        "mipmapLevels": levels,
        "transforms": {"type": "list", "specList": transforms},
    }


def grid(images: TileImages, side: int, last_level: int, place: Any, tiles: int = 0) -> list[dict[str, Any]]:
    """Tilespecs of a grid of `side` x `side`, or the first `tiles` of them."""
    return [
        tilespec(number, side, place(*divmod(number, side)), images.levels(number, last_level))
        for number in range(tiles or side * side)
    ]


def collection(tiles: list[dict[str, Any]]) -> bytes:
    """The body of a PUT of resolved tiles: the tiles and the shared lens correction."""
    by_id = {tile["tileId"]: tile for tile in tiles}
    return json.dumps(
        {"transformIdToSpecMap": {"lens": lens_correction()}, "tileIdToSpecMap": by_id}
    ).encode()


class Client:
    """A client that keeps its connection."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Body of an answer; AssertionError for a failure."""
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status in (200, 201), (method, path, answer.status, content[:200])
        return content

    def close(self) -> None:
        self._connection.close()

    def new_stack(self, name: str) -> None:
        self.ask("POST", f"{OWNER}/{name}", b"{}")

    def fill(self, name: str, tiles: list[dict[str, Any]]) -> None:
        """Create a COMPLETE stack of these tiles."""
        self.new_stack(name)
        self.ask("PUT", f"{OWNER}/{name}/resolvedTiles?deriveData=true", collection(tiles))
        self.ask("PUT", f"{OWNER}/{name}/state/COMPLETE")


def fill_large_stack(database: Path, name: str, layers: int, tiles: int) -> None:
    """Create a COMPLETE stack of `layers` x `tiles` tiles, with empty specs: no query here reads them."""
    store, stack_id = Store(database), StackId("bench", "em", name)
    try:
        save_version(store, stack_id, {})
        for layer in range(layers):
            with store.writing() as session:
                record = session.stack(stack_id)
                assert record is not None
                session.put_tiles(record.key, _rows(layer, tiles))
        change_state(store, stack_id, State.COMPLETE)
    finally:
        store.close()


def _rows(layer: int, tiles: int) -> Iterator[TileRow]:
    for number in range(tiles):
        x, y = (float(place * STEP) for place in divmod(number, 32))
        box = (x, y, x + SIDE, y + SIDE)
        name = f"{layer:04}_{number:06}"
        yield TileRow(name, float(layer), f"{layer}.0", None, *box, None, None, True, b"{}")
