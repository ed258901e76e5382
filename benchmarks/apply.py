"""apply_mipmaps_to_render on a section of 5,000 tiles, compared with programs that use render-python.

All read the tiles from the embedded service, check that the file of every level exists, and write the tiles.
The service's own time is that of a GET and a PUT of the same bytes, with nothing else.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from benchmarks.service_stacks import AFFINE, REFERENCE, as_ingested, tilespec
from benchmarks.tables import table

TILES, LEVELS, COLUMNS, Z = 5000, 6, 100, 1.0
#: As short as a transform can be: what counts here is that tiles refer to it.
LENS = AFFINE | {"id": "lens", "dataString": "1.001 0.0 0.0 0.999 0.0 0.0"}


@dataclass(frozen=True)
class Section:
    """A stack of tiles, and where the (empty) files of their levels are."""

    stack: Stack
    levels: Levels
    tiles: int


def section_of(folder: Path, address: str, tiles: int) -> Section:
    """A stack of `tiles` tiles with a shared lens correction, and an empty file for every level."""
    host, _, port = address.rpartition(":")
    stack = Stack(RenderConnection(host, int(port), "bench", "em"), "apply")
    specs = []
    for number in range(tiles):
        row, column = divmod(number, COLUMNS)
        image = folder / "acquisition" / f"Tile_r{row:04}_c{column:04}.tif"
        transforms = [REFERENCE, *as_ingested(row, column)]
        specs.append(tilespec(number, COLUMNS, transforms, {"0": {"imageUrl": image.as_uri()}}))
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
    """As the predecessor does it: TileSpec objects, and one look-up on the disk for each file."""
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
    """URI and path of a level by this package's own function, which handles every kind of name."""
    uri = Levels(root, "tif", level).uris(image_uri)[-1]
    return uri, str(storage.local_path(uri))


def by_pathlib(root: str, image_uri: str, level: int) -> tuple[str, str]:
    """The same by the standard library, for local paths."""
    path = os.path.join(root, str(level), unquote(urlsplit(image_uri).path).lstrip("/") + ".tif")  # noqa: PTH118
    return Path(path).as_uri(), path


def by_joining_text(root: str, image_uri: str, level: int) -> tuple[str, str]:
    """The same for absolute paths that need no percent-encoding: the fastest way."""
    path = f"{root}/{level}{image_uri.removeprefix('file://')}.tif"
    return f"file://{path}", path


def bare_requests(section: Section, derive_data: str) -> None:
    """The service's share: read the tiles, and send the same bytes back."""
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


def measure(section: Section, work: Callable[[Section], None], derive_data: str, runs: int) -> Measured:
    samples = []
    for _ in range(runs):
        wall, processor = time.perf_counter(), time.process_time()
        work(section)
        middle, processor = time.perf_counter(), time.process_time() - processor
        # alternating with the work, so that other load on the machine affects both
        bare_requests(section, derive_data)
        samples.append((middle - wall, processor, time.perf_counter() - middle))
    return Measured(*(statistics.median(column) for column in zip(*samples, strict=True)))


def measured_table(runs: int) -> str:
    """A markdown table of medians in seconds; the program is the whole without the service."""
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        with running_service(folder / "render.db") as service:
            section = section_of(folder, service.address, TILES)
            ours(section)  # afterwards all ways read and write the same bytes
            measured = {name: measure(section, work, derive, runs) for name, work, derive in WAYS}
    title = f"{TILES} tiles, {LEVELS} levels"
    ours_processor = measured["asap_ingest"].processor
    rows = [
        (
            name,
            *(f"{seconds:.2f}" for seconds in (m.wall, m.served, m.wall - m.served, m.processor)),
            f"{m.processor / ours_processor:.1f}",
        )
        for name, m in measured.items()
    ]
    return table((title, "s", "service", "program", "program, processor s", "times ours"), rows)


def report(runs: int) -> str:
    explanation = (
        "Each way reads the tiles, looks for 30,000 files and writes the tiles, over the embedded service. "
        "`service`: a GET and a PUT of the same bytes, with nothing else; `program`: the rest, which may be "
        "below 0 as both vary; `processor s`: processor time of the program's process, and `times ours` its "
        "ratio. How a program with TileSpec objects derives the names of files decides how long it takes, so "
        "there are three; the last leaves out percent-encoding."
    )
    return f"## apply_mipmaps_to_render: one section\n\n{explanation}\n\n{measured_table(runs)}\n"
