"""Jobs of a run over a stack: how far it is, from its first tile on."""

import io
import json

from asap_ingest.execution.progress import Progress
from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun, jobs_of
from asap_ingest.mipmaps.pyramid import PyramidSettings
from asap_ingest.render.stack import RenderConnection, Stack
from tests.acquisitions import random_tiles, write_acquisition


def test_the_total_is_that_of_all_sections_from_the_start(render, tmp_path):
    for z, count in ((1, 2), (2, 4), (3, 3)):
        metafile = write_acquisition(tmp_path / f"{z}", random_tiles(count))
        given = {
            "render": render,
            "metafile": str(metafile),
            "stack": "raw",
            "z_index": z,
            "close_stack": True,
        }
        assert GenerateEMTileSpecsModule(input_data=given, args=[]).run() == 0
    stream = io.StringIO()
    run = MipmapRun(
        Stack(RenderConnection(**render), "raw"),
        [1.0, 2.0, 3.0],
        PyramidSettings(Levels(str(tmp_path / "mipmaps"), "tif", 2)),
    )
    with Progress(stream=stream, interval_s=0) as progress:
        for job in jobs_of(run, MipmapReport(), progress):
            progress.advance(job.image.tile_count)
    lines = [json.loads(line)["progress"] for line in stream.getvalue().splitlines()]
    assert [line["of"] for line in lines] == [9] * 9
    assert [(line["section"], line["sections"], line["z"]) for line in lines[1:3]] == [
        (1, 3, 1.0),
        (2, 3, 2.0),
    ]
    assert {line["stack"] for line in lines} == {"raw"}
