"""The report pages of a run: one for each of its sections."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import urlencode

from asap_ingest.errors import ServiceError
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun
from asap_ingest.mipmaps.tile_images import TileSpec, pyramids_of
from asap_ingest.render.stack import Stack
from asap_ingest.report.section_report import write_section_report
from asap_ingest.report.section_tiles import Raster, ReportTile, SectionSummary, throughput_texts
from asap_ingest.temca.metafile import read_metafile


def write_section_pages(
    report_dir: str, run: MipmapRun, report: MipmapReport, metafile: str | None
) -> list[str]:
    """Write `section_<z>.html` for every section of a run, and add them to `sections.html`; their URIs.

    One level of each tile is read: pages do not depend on which run wrote the levels.
    `metafile` gives the focus and astigmatism scores of its tiles, and the raster positions that are planned.

    Raises
    ------
    StorageError, MetafileError, ServiceError, ServiceUnreachableError
    """
    records = {} if metafile is None else {record.name: record for record in read_metafile(metafile).tiles}
    scores = {name: dict(record.scores) for name, record in records.items()}
    failures: dict[str, str] = {}
    for failure in report.failures:
        before = failures.get(failure.tileId)
        failures[failure.tileId] = f"{before}; {failure.reason}" if before else failure.reason
    throughput = throughput_texts(
        report.tiles, report.bytes_read, report.bytes_written, report.seconds, report.stage_seconds
    )
    # summed over workers, so that it does not depend on their number
    seconds = sum(report.stage_seconds.values()) if report.files_written else 0.0
    view = _view(run.stack)
    written = []
    for z in run.z_values:
        tiles = run.stack.resolved_tiles(z)["tileIdToSpecMap"]
        shown = [_report_tile(run, tiles[tile_id], scores, failures) for tile_id in sorted(tiles)]
        # in a run of many sections the metafile is that of one
        is_planned = any(_name(tile) in records for tile in tiles.values())
        section = SectionSummary(
            stack=run.stack.name,
            z=z,
            tiles=shown,
            throughput=throughput,
            seconds=seconds * len(tiles) / report.tiles if seconds and report.tiles else None,
            view=view,
            planned=frozenset(record.raster for record in records.values()) if is_planned else frozenset(),
        )
        written.append(write_section_report(report_dir, section))
    return written


def _view(stack: Stack) -> str | None:
    """Address of the stack's page; None where the service has no such pages."""
    connection = stack.connection
    page = f"{connection.base_url.removesuffix('/v1')}/view/stack.html"
    try:
        connection.session.get(page)
    except ServiceError:
        return None
    names = {"owner": connection.owner, "project": connection.project, "stack": stack.name}
    return f"{page}?{urlencode(names)}"


def _name(tile: TileSpec) -> str:
    return str(tile["tileId"]).removesuffix(f".{float(tile['z'])}")


def _report_tile(
    run: MipmapRun, tile: TileSpec, scores: Mapping[str, Mapping[str, float]], failures: Mapping[str, str]
) -> ReportTile:
    first = next(pyramids_of(tile))
    image = first.image
    # JSON written by Java has "NaN" and "Infinity" as texts
    minx, miny, maxx, maxy = (float(tile.get(side, math.nan)) for side in ("minX", "minY", "maxX", "maxY"))
    uris = image and run.settings.levels.uris(image.uri, image.slice_number)
    return ReportTile(
        tile_id=tile["tileId"],
        box=(minx, miny, maxx, maxy),
        level_uris=uris or (),
        shape_yx=first.shape_yx,
        raster=_raster(tile),
        scores=scores.get(_name(tile), {}),
        failure=failures.get(tile["tileId"]),
    )


def _raster(tile: TileSpec) -> Raster | None:
    layout = tile.get("layout") or {}
    column, row = layout.get("imageCol"), layout.get("imageRow")
    return (column, row) if isinstance(column, int) and isinstance(row, int) else None
