"""What workers are given next: sections overlap, and few are held at a time, however many there are."""

import io

import pytest

from asap_ingest.errors import ServiceUnreachableError
from asap_ingest.execution import Outcome
from asap_ingest.execution.progress import Progress
from asap_ingest.mipmaps.apply_sections import SectionReport
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidResult, PyramidSettings
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render.tilespecs import TileSpecSettings
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_pipeline import SectionPipeline
from asap_ingest.sections.section_work import (
    IngestedSection,
    Section,
    UploadReport,
    finish_section,
    place_section,
)

SETTINGS = PyramidSettings(Levels("/mipmaps", "tif", 1))
STACK = Stack(RenderConnection("em1", 8080, "lab", "brain"), "raw")


def section(number, tiles):
    z = float(number)
    return Section(
        f"{number}.json",
        TileSpecSettings(z, "/images", f"{z}"),
        OccupiedZ(),
        MipmapRun(STACK, [z], SETTINGS),
        STACK,
        tiles=tiles,
    )


def value_of(work):
    """What a worker would answer, without a service and images."""
    if work.job is place_section:
        tiles = work.item.tiles
        jobs = [
            PyramidJob(TileImage(Source(f"/images/{n}.tif"), (f"{n}",), tile_count=1), SETTINGS)
            for n in range(tiles)
        ]
        return IngestedSection(work.item, UploadReport(tiles, tiles, 0, 0, 0.1), MipmapReport(tiles)), jobs
    if work.job is finish_section:
        return SectionReport(work.item.section.tiles, work.item.section.tiles, [])
    return PyramidResult(1, 100, 30)


class Simulation:
    """A pipeline with workers of the test's own; each job takes one tick."""

    def __init__(self, sections, tiles, workers):
        self.drawn, self.ended, self.most_held, self.idle = 0, [], 0, 0
        self.workers, self.ticks, self.log = workers, 0, []
        self.pipeline = SectionPipeline(self.draw(sections, tiles), workers, Progress(stream=io.StringIO()))

    def draw(self, sections, tiles):
        for number in range(sections):
            self.drawn += 1
            yield section(number, tiles)

    def run(self):
        under_way = []
        while True:
            while len(under_way) < self.workers:
                try:
                    under_way.append(next(self.pipeline))
                except StopIteration:
                    break
            if not under_way:
                return self
            self.ticks += 1
            self.idle += self.workers - len(under_way)
            self.log.append([work.job.__name__ for work in under_way])
            done, under_way = under_way, []
            for work in done:
                ended = self.pipeline.take(Outcome(work, value_of(work)))
                if ended is not None:
                    self.ended.append(ended)
            self.most_held = max(self.most_held, self.drawn - len(self.ended))


@pytest.mark.parametrize(("tiles", "workers", "held"), [(500, 2, 3), (500, 16, 3), (9, 2, 4), (9, 16, 16)])
def test_few_sections_are_held_and_workers_are_busy(tiles, workers, held):
    simulation = Simulation(40, tiles, workers).run()
    assert [ended.section.z for ended in simulation.ended] == [float(z) for z in range(40)]
    assert {ended.mipmaps.files_written for ended in simulation.ended} == {tiles}
    assert simulation.most_held <= held
    assert simulation.idle < 0.05 * simulation.ticks * workers + 4 * workers


def test_one_section_is_uploaded_while_the_next_is_read():
    log = Simulation(3, 20, 2).run().log
    assert ["build_pyramid", "place_section"] in [sorted(jobs) for jobs in log]
    assert ["build_pyramid", "finish_section"] in [sorted(jobs) for jobs in log]


def test_sections_without_tiles_to_do_end_too():
    assert len(Simulation(5, 0, 2).run().ended) == 5


def test_an_error_ends_its_section_and_a_service_that_is_away_ends_the_run():
    simulation = Simulation(2, 3, 1)
    work = next(simulation.pipeline)
    ended = simulation.pipeline.take(Outcome(work, None, KeyError("x")))
    assert isinstance(ended.error, KeyError)
    with pytest.raises(ServiceUnreachableError):
        simulation.pipeline.take(
            Outcome(next(simulation.pipeline), None, ServiceUnreachableError("http://em1", "gone"))
        )
