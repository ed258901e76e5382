"""Registering levels measured: a section of 5,000 tiles, ours and the same through render-python.

    python -m benchmarks.apply [--runs 3] [--tiles 5000]

Both read the tiles from the embedded service, see that the file of every level is there, and write the
tiles. The service's own time is that of a bare GET and a bare PUT of the same bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import renderapi
import requests

from asap_ingest import storage
from asap_ingest.apply_mipmaps_to_render import apply_mipmaps
from asap_ingest.execution import SerialExecutor
from asap_ingest.mipmaps.apply_sections import SectionJob
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.render.service_process import running_service
from asap_ingest.render.stack import RenderConnection, Stack

LEVELS, SIDE, Z = 6, 3840, 1.0
AFFINE = {"type": "leaf", "className": "mpicbg.trakem2.transform.AffineModel2D"}
LENS = AFFINE | {"id": "lens", "dataString": "1.001 0.0 0.0 0.999 0.0 0.0"}


@dataclass(frozen=True)
class Section:
    """Tiles in a stack, and their levels: files that are there, and empty."""

    stack: Stack
    levels: Levels
    tiles: int


def tilespec(folder: Path, row: int, column: int) -> dict[str, Any]:
    name = f"Tile_r{row:04}_c{column:04}"
    x, y = column * SIDE * 0.9, row * SIDE * 0.9
    layout = {"sectionId": f"{Z}", "temca": "temca2", "camera": "4450", "imageRow": row, "imageCol": column}
    return {
        "tileId": f"{name}.{Z}",
        "layout": layout | {"stageX": x, "stageY": y, "rotation": 0.0, "pixelsize": 3.5},
        "z": Z,
        "width": float(SIDE),
        "height": float(SIDE),
        "minIntensity": 0.0,
        "maxIntensity": 255.0,
        "mipmapLevels": {"0": {"imageUrl": (folder / f"{name}.tif").as_uri()}},
        "transforms": {
            "type": "list",
            "specList": [
                {"type": "ref", "refId": "lens"},
                AFFINE | {"dataString": f"1.0 0.0 0.0 1.0 {x:.4f} {y:.4f}"},
            ],
        },
    }


def section_of(folder: Path, address: str, tiles: int) -> Section:
    """A stack of so many tiles, and a touched file for every level."""
    host, _, port = address.rpartition(":")
    stack = Stack(RenderConnection(host, int(port), "bench", "em"), "apply")
    specs = [tilespec(folder / "acquisition", *divmod(number, 100)) for number in range(tiles)]
    levels = Levels(str(folder / "mipmaps"), "tif", LEVELS)
    for spec in specs:
        for uri in levels.uris(spec["mipmapLevels"]["0"]["imageUrl"]):
            path = Path(unquote(urlsplit(uri).path))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    stack.create({})
    by_id = {spec["tileId"]: spec for spec in specs}
    resolved = {"transformIdToSpecMap": {"lens": LENS}, "tileIdToSpecMap": by_id}
    stack.put_resolved_tiles(resolved, derive_data=True)
    return Section(stack, levels, tiles)


def ours(section: Section) -> None:
    job = SectionJob(section.stack, section.stack, Z, section.levels, run=uuid.uuid4().hex)
    report = apply_mipmaps(jobs=[job], executor=SerialExecutor())
    assert report.tiles_with_levels == section.tiles


def with_tilespecs(section: Section, place_of: Callable[[str, str, int], tuple[str, str]]) -> None:
    """What the predecessor does: TileSpec objects, one look at the disk per file."""
    render, name = section.stack.connection.render(), section.stack.name
    resolved = renderapi.resolvedtiles.get_resolved_tiles_from_z(name, Z, render=render)
    for tile in resolved.tilespecs:
        for level in range(1, LEVELS + 1):
            uri, path = place_of(str(storage.local_path(section.levels.root)), tile.ip[0].imageUrl, level)
            assert os.path.exists(path)  # noqa: PTH110
            tile.ip[level] = renderapi.image_pyramid.MipMap(imageUrl=uri)
    renderapi.resolvedtiles.put_tilespecs(
        name, tilespecs=resolved.tilespecs, shared_transforms=resolved.transforms, render=render
    )


def by_levels(root: str, image_uri: str, level: int) -> tuple[str, str]:
    """URI and path of a level by this package's function for one level, which knows every kind of name."""
    uri = Levels(root, "tif", level).uris(image_uri)[-1]
    return uri, str(storage.local_path(uri))


def by_pathlib(root: str, image_uri: str, level: int) -> tuple[str, str]:
    """The same by the standard library, for local paths."""
    path = os.path.join(root, str(level), unquote(urlsplit(image_uri).path).lstrip("/") + ".tif")  # noqa: PTH118
    return Path(path).as_uri(), path


def by_joining_text(root: str, image_uri: str, level: int) -> tuple[str, str]:
    """The same for absolute paths that need no percent-encoding: the least that can be done."""
    path = f"{root}/{level}{image_uri.removeprefix('file://')}.tif"
    return f"file://{path}", path


def bare_requests(section: Section, derive_data: str) -> None:
    """What the service needs: the bytes that are read are sent back."""
    with requests.Session() as session:
        content = session.get(f"{section.stack.url}/z/{Z}/resolvedTiles").content
        answer = session.put(
            f"{section.stack.url}/resolvedTiles",
            data=content,
            params={"deriveData": derive_data},
            headers={"Content-Type": "application/json"},
        )
        answer.raise_for_status()


#: Name, work, and whether render is asked to derive boxes: TileSpec objects do not keep them.
WAYS: tuple[tuple[str, Callable[[Section], None], str], ...] = (
    ("asap_ingest", ours, "false"),
    ("TileSpec objects, mipmap_uri", partial(with_tilespecs, place_of=by_levels), "true"),
    ("TileSpec objects, pathlib", partial(with_tilespecs, place_of=by_pathlib), "true"),
    ("TileSpec objects, names joined as text", partial(with_tilespecs, place_of=by_joining_text), "true"),
)


@dataclass(frozen=True)
class Measured:
    """Medians, in seconds: on the clock, on the processor (of this process), of the bare requests."""

    wall: float
    processor: float
    served: float

    @property
    def program(self) -> float:
        return self.wall - self.served


def measure(section: Section, work: Callable[[Section], None], derive_data: str, runs: int) -> Measured:
    samples = []
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        work(section)
        middle, processor = time.perf_counter(), time.process_time() - processor
        # in turns with the work: what else the machine does meets both
        bare_requests(section, derive_data)
        samples.append((middle - wall, processor, time.perf_counter() - middle))
    return Measured(*(statistics.median(column) for column in zip(*samples, strict=True)))


def rows(runs: int = 3, tiles: int = 5000) -> list[str]:
    """A markdown table of medians in seconds; the program is the whole without the service."""
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        with running_service(folder / "render.db") as service:
            section = section_of(folder, service.address, tiles)
            ours(section)  # from here on all read and write the same bytes
            measured = {name: measure(section, work, derive, runs) for name, work, derive in WAYS}
    table = [
        f"| {tiles} tiles, {LEVELS} levels | s | service | program | program, processor s | times ours |",
        "|---|---|---|---|---|---|",
    ]
    least = measured["asap_ingest"]
    for name, m in measured.items():
        figures = f"{m.wall:.2f} | {m.served:.2f} | {m.program:.2f} | {m.processor:.2f}"
        table.append(f"| {name} | {figures} | {m.processor / least.processor:.1f} |")
    return table


def report(runs: int = 3) -> str:
    explanation = (
        "Tiles read, 30,000 files looked for, tiles written, over the embedded service. `service`: a bare "
        "GET and PUT of the same bytes; `program`: the rest, which the noise of the two can make less than "
        "nothing; `processor s`: of the program's process alone, and `times ours` of it. How a program with "
        "TileSpec objects names the files decides how long it takes, so there are three; the last leaves out "
        "percent-encoding."
    )
    table = "\n".join(rows(runs))
    return f"## apply_mipmaps_to_render: one section\n\n{explanation}\n\n{table}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tiles", type=int, default=5000)
    given = parser.parse_args()
    sys.stdout.write("\n".join(rows(given.runs, given.tiles)) + "\n")


if __name__ == "__main__":
    main()
