"""A section's page: what is on the sheet, which tiles stand out, and that it needs nothing else."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from asap_ingest import storage
from asap_ingest.images import formats
from asap_ingest.section_report.contact_sheet import LONGEST_SIDE, layout
from asap_ingest.section_report.outliers import MOST_DEVIATIONS, measure
from asap_ingest.section_report.page import MOST_ROWS
from asap_ingest.section_report.records import ReportTile, SectionSummary, throughput_texts
from asap_ingest.section_report.report import write_section_report

SIDE = 640  # level-0 pixels of a tile


def grid_box(index, columns=5):
    row, column = divmod(index, columns)
    return (column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE)


def tile_of(folder, index, image, **options):
    """A tile in a grid of 5 columns whose thumbnail is an array."""
    uri = storage.join(str(folder), f"tile {index}.tif")
    storage.write_bytes(uri, formats.encode(image, "tif"))
    return ReportTile(f"tile_{index}.1", grid_box(index), uri, **options)


def plain_image(index, dtype=np.uint8):
    """Noise whose mean and contrast differ a little from tile to tile."""
    grey = np.random.default_rng(index).normal(128 + index % 5, 20 + index % 3, (20, 20))
    return (np.clip(grey, 0, 255) * (1 if dtype == np.uint8 else 256)).astype(dtype)


@pytest.fixture
def tiles(tmp_path):
    scores = [{"focus_score": 22 + index % 7 / 10} for index in range(20)]
    return [tile_of(tmp_path, index, plain_image(index), scores=scores[index]) for index in range(20)]


class Page(HTMLParser):
    """A written page: its text, and its tags with their attributes."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.text, self.titles = html, [], "", {}
        self._open = []
        self.feed(html)
        assert not self._open, "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if [tag for tag, _ in self._open[-3::2]] == ["g", "title"]:
            kind = self._open[-3][1]["class"]
            self.titles.setdefault(kind, []).append(data)
        elif self._open and self._open[-1][0] != "style":
            self.text += data + "\n"

    @property
    def sheet(self):
        """The picture's pixels."""
        (picture,) = [attrs["src"] for tag, attrs in self.tags if tag == "img"]
        return formats.decode(base64.b64decode(picture.removeprefix("data:image/jpeg;base64,")))


def report_on(folder, tiles, stack="raw", z=1.0, **options):
    uri = write_section_report(str(folder / "reports"), SectionSummary(stack, z, tiles, **options))
    return Page(storage.read_bytes(uri).decode())


@pytest.mark.parametrize(
    ("z", "name"), [(1.0, "section_1.html"), (1.5, "section_1.5.html"), (1234567.0, "section_1234567.html")]
)
def test_name_of_the_page(tmp_path, z, name):
    folder = tmp_path / "re ports"
    uri = write_section_report(str(folder), SectionSummary("raw", z, []))
    assert uri == (folder / name).as_uri()
    assert (folder / name).is_file()


def test_an_ordinary_section_has_nothing_to_complain_about(tmp_path, tiles):
    page = report_on(tmp_path, tiles)
    assert "20 tiles · \nnone failed" in page.text
    assert "no outliers" in page.text
    assert "Failures" not in page.text
    assert list(page.titles) == ["plain"]
    assert page.titles["plain"] == [tile.tile_id for tile in tiles]


def test_tiles_lie_as_on_the_stage_later_ones_on_top(tmp_path):
    corner = (SIDE // 2, SIDE // 2, SIDE // 2 + SIDE, SIDE // 2 + SIDE)
    below = tile_of(tmp_path, 0, np.full((10, 10), 50, np.uint8))
    above = replace(tile_of(tmp_path, 1, np.full((10, 10), 200, np.uint8)), box=corner)
    sheet = report_on(tmp_path, [below, above]).sheet
    assert sheet.shape == (LONGEST_SIDE, LONGEST_SIDE)
    third = LONGEST_SIDE // 3
    background = int(sheet[-10, 10])
    np.testing.assert_allclose(sheet[: third - 8, : third - 8], 50, atol=3)
    np.testing.assert_allclose(sheet[third + 8 :, third + 8 :], 200, atol=3)
    assert background not in (50, 200)


@pytest.mark.parametrize(
    ("boxes", "size"),
    [
        ([(0, 0, 100, 50)], (1600, 800)),
        ([(-1e6, -1e6, -1e6 + 3840, 1e6)], (3, 1600)),
        ([(0, 0, 5e5, 1)], (1600, 1)),
        ([(7, 7, 7, 7)], (1, 1)),
        ([(0, 0, 10, 10), (float("nan"), 0, 1, 1), (0, 0, float("inf"), 1), (5, 5, 4, 4)], (1600, 1600)),
    ],
)
def test_the_sheet_is_as_long_whatever_the_section(boxes, size):
    sheet = layout(boxes)
    assert (sheet.width, sheet.height) == size
    place = sheet.place(boxes[0])
    assert place.width >= 1 <= place.height
    assert (place.x + place.width, place.y + place.height) == size


def test_16_bit_is_shown_with_the_range_of_the_section(tmp_path):
    ramp = np.linspace(1000, 3000, 400).astype(np.uint16).reshape(20, 20)
    page = report_on(tmp_path, [tile_of(tmp_path, 0, ramp)])
    assert page.sheet.min() < 10
    assert page.sheet.max() > 245
    found = re.search(r"The sheet shows ([\d,]+) as black and ([\d,]+) as white", page.text)
    assert [int(limit.replace(",", "")) for limit in found.groups()] == pytest.approx([1000, 3000], abs=10)


def test_8_bit_is_shown_as_it_is(tmp_path):
    page = report_on(tmp_path, [tile_of(tmp_path, 0, np.full((9, 9), 90, np.uint8))])
    np.testing.assert_allclose(page.sheet, 90, atol=1)
    assert "shows" not in page.text


def test_8_and_16_bit_beside_each_other_are_equally_bright(tmp_path):
    images = (np.full((9, 9), 100, np.uint8), np.full((9, 9), 100 * 256, np.uint16))
    dark = tile_of(tmp_path, 2, np.zeros((9, 9), np.uint16))
    page = report_on(tmp_path, [*(tile_of(tmp_path, n, image) for n, image in enumerate(images)), dark])
    assert int(page.sheet[5, 100]) == pytest.approx(int(page.sheet[5, 800]), abs=1)


def test_colour_is_shown_in_grey(tmp_path):
    page = report_on(tmp_path, [tile_of(tmp_path, 0, np.full((9, 9, 3), 90, np.uint8))])
    np.testing.assert_allclose(page.sheet, 90, atol=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("change", "measure"),
    [
        (lambda image: image // 3, "mean grey value"),
        (lambda image: np.full_like(image, np.median(image)), "contrast"),
    ],
)
def test_a_tile_that_looks_different_is_an_outlier(tmp_path, change, measure, dtype):
    images = [plain_image(index, dtype) for index in range(20)]
    images[7] = change(images[7])
    page = report_on(tmp_path, [tile_of(tmp_path, index, image) for index, image in enumerate(images)])
    assert "1 outlier" in page.text
    (title,) = page.titles["outlier"]
    assert title.startswith("tile_7.1\n")
    assert measure in title


def test_scores_of_the_metafile_are_judged_too(tmp_path, tiles):
    tiles[3] = replace(tiles[3], scores={"focus_score": 11.5})
    tiles[4] = replace(tiles[4], scores={"focus_score": float("nan")})
    page = report_on(tmp_path, tiles)
    (title,) = page.titles["outlier"]
    assert re.fullmatch(r"tile_3.1\nfocus score 11.5, \d+\.\d deviations below the median 22.2", title)
    assert "astigmatism" not in page.text


def test_the_rule_is_the_robust_one_and_stands_on_the_page(tmp_path, tiles):
    values = dict(enumerate([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100]))
    found = measure("focus_score", values)
    assert (found.median, found.deviation) == (5.5, pytest.approx(1.4826 * 2.5))
    assert found.deviations == {9: pytest.approx(94.5 / (1.4826 * 2.5))}
    low, high = found.limits
    assert high - low == pytest.approx(2 * MOST_DEVIATIONS * found.deviation)
    assert (
        "3.5 robust deviations (1.4826 times the median absolute deviation)"
        in report_on(tmp_path, tiles).text
    )


@pytest.mark.parametrize(
    "values", [[1.0] * 50, [1.0] * 50 + [99.0], [1.0, 2, 3, 1000], [0.1 + 0.2] * 9 + [0.3] * 8]
)
def test_few_or_equal_values_have_no_outliers(values):
    found = measure("mean", dict(enumerate(values)))
    assert found.deviations == {}
    assert found.limits is None


def test_failures_are_listed_and_outlined(tmp_path, tiles):
    storage.local_path(tiles[0].thumbnail_uri).unlink()
    storage.local_path(tiles[1].thumbnail_uri).write_bytes(b"II*\0 and nothing more")
    storage.local_path(tiles[2].thumbnail_uri).write_bytes(formats.encode(plain_image(2), "tif")[:-9])
    tiles[3] = replace(tiles[3], thumbnail_uri=None)
    tiles[4] = replace(tiles[4], thumbnail_uri=None, failure="level 0: no such file")
    tiles[5] = replace(tiles[5], box=(0, 0, float("nan"), 1))
    page = report_on(tmp_path, tiles)
    assert "6 failed" in page.text
    for says in ("no such file", "cannot be read", "is cut short", "no thumbnail", "cannot be placed"):
        assert says in page.text
    assert "level 0: no such file" in page.text
    assert [title.partition("\n")[0] for title in page.titles["failed"]] == [
        f"tile_{index}.1" for index in range(5)
    ]


def test_found_tiles_can_be_reached_on_the_sheet(tmp_path, tiles):
    tiles[3] = replace(tiles[3], failure="worker died")
    page = report_on(tmp_path, tiles)
    (link,) = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert [attrs["id"] for tag, attrs in page.tags if tag == "rect" and "id" in attrs] == [
        link.removeprefix("#")
    ]


def test_many_failures_are_counted_not_all_listed(tmp_path):
    tiles = [ReportTile(f"t{n}", grid_box(n), None, {}, "disk full") for n in range(MOST_ROWS + 7)]
    page = report_on(tmp_path, tiles)
    assert "507 failed" in page.text
    assert "and 7 more" in page.text


def test_a_section_without_tiles_or_pictures(tmp_path):
    assert "nothing to show" in report_on(tmp_path, []).text
    page = report_on(tmp_path, [ReportTile("a", grid_box(0), None)])
    assert "No thumbnail could be read" in page.text
    assert page.sheet.shape == (LONGEST_SIDE, LONGEST_SIDE)


def test_one_pixel(tmp_path):
    tile = replace(tile_of(tmp_path, 0, np.array([[7]], np.uint8)), box=(3, 3, 4, 4))
    np.testing.assert_allclose(report_on(tmp_path, [tile]).sheet, 7, atol=1)


NASTY = '<script>alert("1")</script>&\'"\ud800'


def test_names_and_reasons_cannot_become_markup(tmp_path, tiles):
    tiles[3] = replace(tiles[3], tile_id=NASTY, failure=NASTY, scores={NASTY: 1.0})
    page = report_on(tmp_path, tiles, stack=NASTY, throughput={NASTY: NASTY})
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count('<script>alert("1")</script>&\'"') == 7


def test_the_page_asks_for_nothing(tmp_path, tiles):
    page = report_on(tmp_path, tiles)
    for tag, attrs in page.tags:
        assert tag not in ("link", "script", "iframe", "object")
        assert attrs.get("src", "data:").startswith("data:")
        assert attrs.get("href", "#").startswith("#")
    assert "url(" not in page.html
    assert "@import" not in page.html
    assert any("default-src 'none'" in attrs.get("content", "") for _, attrs in page.tags)


def test_the_same_section_gives_the_same_bytes(tmp_path, tiles):
    assert report_on(tmp_path / "a", tiles).html == report_on(tmp_path / "b", tiles).html


def test_throughput_names_the_slowest_stage(tmp_path):
    texts = throughput_texts(10, 300_000_000, 100_000_000, 4.0, {"read": 1.0, "write": 6.0, "encode": 1.0})
    assert texts["speed"] == "2.5 tiles/s, 100.0 MB/s"
    assert texts["slowest stage"] == "write, 75% of the workers' time"
    assert texts["stages"] == "write 6.0 s, encode 1.0 s, read 1.0 s"
    assert "write, 75% of the workers' time" in report_on(tmp_path, [], throughput=texts).text


def test_throughput_of_a_run_that_found_all_done():
    assert throughput_texts(0, 0, 0, 0.0, {}) == {"time": "0.0 s", "read": "0.0 MB", "written": "0.0 MB"}
