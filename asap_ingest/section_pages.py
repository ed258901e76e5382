"""A page on each section of a run: what generate_mipmaps leaves in its report_dir."""

from __future__ import annotations

import math
from collections.abc import Mapping

from asap_ingest.mipmap_run import MipmapReport, MipmapRun
from asap_ingest.mipmaps.build import PyramidSettings
from asap_ingest.mipmaps.jobs import TileSpec, pyramids_of
from asap_ingest.mipmaps.locations import mipmap_uri
from asap_ingest.mipmaps.sources import Source
from asap_ingest.section_report.records import ReportTile, SectionSummary, throughput_texts
from asap_ingest.section_report.report import write_section_report
from asap_ingest.temca.metafile import read_metafile


def write_section_pages(
    report_dir: str, run: MipmapRun, report: MipmapReport, metafile: str | None
) -> list[str]:
    """Write `section_<z>.html` for every section of a run; their URIs.

    Only top levels are read. `metafile` gives the focus and astigmatism scores of its tiles.

    Raises
    ------
    StorageError, MetafileError, ServiceError, ServiceUnreachableError
    """
    records = () if metafile is None else read_metafile(metafile).tiles
    scores = {record.name: dict(record.scores) for record in records}
    failures: dict[str, str] = {}
    for failure in report.failures:
        before = failures.get(failure.tileId)
        failures[failure.tileId] = f"{before}; {failure.reason}" if before else failure.reason
    throughput = throughput_texts(
        report.tiles, report.bytes_read, report.bytes_written, report.seconds, report.stage_seconds
    )
    written = []
    for z in run.z_values:
        tiles = run.stack.resolved_tiles(z)["tileIdToSpecMap"]
        shown = [_report_tile(run, tiles[tile_id], scores, failures) for tile_id in sorted(tiles)]
        section = SectionSummary(run.stack.name, z, shown, throughput)
        written.append(write_section_report(report_dir, section))
    return written


def _report_tile(
    run: MipmapRun, tile: TileSpec, scores: Mapping[str, Mapping[str, float]], failures: Mapping[str, str]
) -> ReportTile:
    first = next(pyramids_of(tile)).image
    settings = run.settings
    name = tile["tileId"].removesuffix(f".{float(tile['z'])}")
    # JSON of Java has "NaN" and "Infinity" as texts
    minx, miny, maxx, maxy = (float(tile.get(side, math.nan)) for side in ("minX", "minY", "maxX", "maxY"))
    return ReportTile(
        tile_id=tile["tileId"],
        box=(minx, miny, maxx, maxy),
        thumbnail_uri=None if first is None else _top_level(first, settings),
        scores=scores.get(name, {}),
        failure=failures.get(tile["tileId"]),
    )


def _top_level(image: Source, settings: PyramidSettings) -> str:
    return mipmap_uri(settings.root, image.uri, settings.levels, settings.extension, image.slice_number)
