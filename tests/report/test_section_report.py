"""A section's report: what is on the sheet, which tiles stand out, and that its page needs nothing else."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from asap_ingest import storage
from asap_ingest.images import formats
from asap_ingest.report.outliers import MOST_DEVIATIONS, distribution_of
from asap_ingest.report.overlaps import overlaps_of
from asap_ingest.report.section_picture import LONGEST_SIDE, sheet_layout
from asap_ingest.report.section_report import INDEX, write_section_report
from asap_ingest.report.section_tiles import ReportTile, SectionSummary, throughput_texts
from asap_ingest.report.tile_measures import level_to_read, measure_picture

SIDE = 640  # level-0 pixels of a tile


def grid_box(index, columns=5):
    row, column = divmod(index, columns)
    return (column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE)


def tile_of(folder, index, image, **options):
    """A tile in a grid of 5 columns whose one level is an array."""
    uri = storage.join(str(folder), f"tile {index}.tif")
    storage.write_bytes(uri, formats.encode(image, "tif"))
    return ReportTile(f"tile_{index}.1", grid_box(index), (uri,), **options)


def plain_image(index, dtype=np.uint8):
    """Noise whose mean and contrast differ a little from tile to tile."""
    grey = np.random.default_rng(index + 100).normal(128 + index % 5, 20 + index % 3, (20, 20))
    return (np.clip(grey, 0, 255) * (1 if dtype == np.uint8 else 256)).astype(dtype)


@pytest.fixture
def tiles(tmp_path):
    scores = [{"focus_score": 22 + index % 7 / 10} for index in range(20)]
    return [tile_of(tmp_path, index, plain_image(index), scores=scores[index]) for index in range(20)]


class Page:
    """A written page: its HTML, and the facts that its script draws."""

    def __init__(self, html):
        self.html = html
        (document,) = re.findall(
            r'<script type="application/json" id="facts">(.*?)</script>', html, re.DOTALL
        )
        self.facts = json.loads(document)

    @property
    def sheet(self):
        """The picture's pixels."""
        (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', self.html)
        return formats.decode(base64.b64decode(picture))

    @property
    def outliers(self):
        """Tile index -> measures by which it stands out."""
        result = {}
        for by in self.facts["measures"]:
            for index in by["deviations"]:
                result.setdefault(int(index), []).append(by["name"])
        return result

    @property
    def failures(self):
        return {int(index): reason for index, reason in self.facts["failures"].items()}


def report_on(folder, tiles, stack="raw", z=1.0, **options):
    uri = write_section_report(str(folder / "reports"), SectionSummary(stack, z, tiles, **options))
    return Page(storage.read_bytes(uri).decode())


def index_of(folder):
    return Page((folder / "reports" / INDEX).read_text()).facts


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
    counts = {name: page.facts[name] for name in ("tiles", "failed", "missing", "outliers")}
    assert counts == {"tiles": 20, "failed": 0, "missing": 0, "outliers": 0}
    assert page.facts["ids"] == [tile.tile_id for tile in tiles]


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
    sheet = sheet_layout(boxes)
    assert (sheet.width, sheet.height) == size
    rows, columns = sheet.area(boxes[0])
    assert columns.start < columns.stop == size[0]
    assert rows.start < rows.stop == size[1]


def test_16_bit_is_shown_with_the_range_of_the_section(tmp_path):
    ramp = np.linspace(1000, 3000, 400).astype(np.uint16).reshape(20, 20)
    page = report_on(tmp_path, [tile_of(tmp_path, 0, ramp)])
    assert page.sheet.min() < 10
    assert page.sheet.max() > 245
    assert page.facts["histogram"]["shown"] == pytest.approx([1000, 3000], abs=10)


def test_8_bit_is_shown_as_it_is(tmp_path):
    page = report_on(tmp_path, [tile_of(tmp_path, 0, np.full((9, 9), 90, np.uint8))])
    np.testing.assert_allclose(page.sheet, 90, atol=1)
    assert page.facts["histogram"]["shown"] == [0, 255]
    assert page.facts["values"]["mean"] == [90]


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
        (lambda image: image // 3, "mean"),
        (lambda image: np.full_like(image, np.median(image)), "contrast"),
    ],
)
def test_a_tile_that_looks_different_is_an_outlier(tmp_path, change, measure, dtype):
    images = [plain_image(index, dtype) for index in range(20)]
    images[7] = change(images[7])
    page = report_on(tmp_path, [tile_of(tmp_path, index, image) for index, image in enumerate(images)])
    assert list(page.outliers) == [7]
    assert measure in page.outliers[7]


def test_scores_of_the_metafile_are_judged_too(tmp_path, tiles):
    tiles[3] = replace(tiles[3], scores={"focus_score": 11.5})
    tiles[4] = replace(tiles[4], scores={"focus_score": float("nan")})
    page = report_on(tmp_path, tiles)
    assert page.outliers == {3: ["focus_score"]}
    assert page.facts["values"]["focus_score"][3:5] == [11.5, None]
    assert "astig_score" not in page.facts["values"]


def test_the_rule_is_the_robust_one_and_stands_on_the_page(tmp_path, tiles):
    values = dict(enumerate([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 100]))
    found = distribution_of("focus_score", values)
    assert (found.median, found.deviation) == (5.5, pytest.approx(1.4826 * 2.5))
    assert found.outliers == {9: pytest.approx(94.5 / (1.4826 * 2.5))}
    low, high = found.limits
    assert high - low == pytest.approx(2 * MOST_DEVIATIONS * found.deviation)
    rule = report_on(tmp_path, tiles).facts["rule"]
    assert "3.5 robust deviations (1.4826 times the median absolute deviation)" in rule


@pytest.mark.parametrize(
    "values", [[1.0] * 50, [1.0] * 50 + [99.0], [1.0, 2, 3, 1000], [0.1 + 0.2] * 9 + [0.3] * 8]
)
def test_few_or_equal_values_have_no_outliers(values):
    found = distribution_of("mean", dict(enumerate(values)))
    assert found.outliers == {}
    assert found.limits is None


def test_failures_have_their_reasons(tmp_path, tiles):
    storage.local_path(tiles[0].level_uris[0]).unlink()
    storage.local_path(tiles[1].level_uris[0]).write_bytes(b"II*\0 and nothing more")
    storage.local_path(tiles[2].level_uris[0]).write_bytes(formats.encode(plain_image(2), "tif")[:-9])
    tiles[3] = replace(tiles[3], level_uris=())
    tiles[4] = replace(tiles[4], level_uris=(), failure="level 0: no such file")
    tiles[5] = replace(tiles[5], box=(0, 0, float("nan"), 1))
    page = report_on(tmp_path, tiles)
    assert list(page.failures) == list(range(6))
    says = (
        "no such file",
        "cannot be read",
        "is cut short",
        "no mipmap levels",
        "level 0: no such",
        "cannot be placed",
    )
    for index, reason in page.failures.items():
        assert says[index] in reason
    assert page.facts["boxes"][5] == [0, 0, None, 1]


def test_a_section_without_tiles_or_pictures(tmp_path):
    page = report_on(tmp_path, [])
    assert (page.facts["sheet"], page.facts["histogram"], page.facts["shading"]) == (None, None, None)
    page = report_on(tmp_path, [ReportTile("a", grid_box(0))])
    assert page.facts["histogram"] is None
    assert page.sheet.shape == (LONGEST_SIDE, LONGEST_SIDE)


def test_one_pixel(tmp_path):
    tile = replace(tile_of(tmp_path, 0, np.array([[7]], np.uint8)), box=(3, 3, 4, 4))
    np.testing.assert_allclose(report_on(tmp_path, [tile]).sheet, 7, atol=1)


# -- measures -------------------------------------------------------------------------------------------


def tissue(shape_yx, seed=0):
    """Blobs of some pixels, with a little noise."""
    noise = np.random.default_rng(seed).normal(0, 1, shape_yx)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 200 * smooth + 2 * noise, 0, 255).astype(np.uint8)


def test_measures_are_those_of_the_formulas():
    image = tissue((41, 64))
    samples = image.astype(np.float64)
    laplacian = cv2.Laplacian(samples, cv2.CV_64F)[1:-1, 1:-1]
    x, y = (cv2.Scharr(samples, cv2.CV_64F, *axis)[1:-1, 1:-1] for axis in ((1, 0), (0, 1)))
    tensor = [[np.sum(x * x), np.sum(x * y)], [np.sum(x * y), np.sum(y * y)]]
    least, most = np.linalg.eigvalsh(tensor)
    assert measure_picture(image) == pytest.approx(
        {
            "mean": samples.mean(),
            "contrast": samples.std(),
            "focus": laplacian.var() / samples.var(),
            "astigmatism": (most - least) / (most + least),
        }
    )
    wide = measure_picture(image.astype(np.uint16) * 256)
    assert wide["focus"] == pytest.approx(measure_picture(image)["focus"])


@pytest.mark.parametrize("shape_yx", [(1, 1), (1, 9), (2, 2), (9, 9)])
def test_pictures_without_edges_have_no_focus(shape_yx):
    assert measure_picture(np.full(shape_yx, 9, np.uint8)) == {"mean": 9, "contrast": 0}


@pytest.mark.parametrize(
    ("blur", "measure", "side"),
    [
        ({"ksize": (0, 0), "sigmaX": 1.5}, "focus", -1),
        ({"ksize": (1, 13), "sigmaX": 0.1, "sigmaY": 3}, "astigmatism", 1),
        ({"ksize": (0, 0), "sigmaX": 0.01, "sigmaY": 0.01}, None, 0),
    ],
    ids=["out of focus", "astigmatic", "sharp"],
)
def test_a_blurred_tile_is_an_outlier(tmp_path, blur, measure, side):
    images = [tissue((200, 200), index) for index in range(12)]
    images[7] = cv2.GaussianBlur(images[7], **blur)
    page = report_on(tmp_path, [tile_of(tmp_path, index, image) for index, image in enumerate(images)])
    assert measure is None or measure in page.outliers[7]
    for by in page.facts["measures"]:
        if by["name"] == measure:
            assert by["deviations"]["7"] * side > 10


def test_the_level_that_is_read_fits_the_sheet_and_the_measures():
    """Tiles of 3840 pixels are measured at level 2; one tile alone fills a sheet of 1600 with level 1."""
    uris = [f"level {level}" for level in range(1, 7)]

    def level(columns, side=3840):
        boxes = [(at * side, 0, (at + 1) * side, side) for at in range(columns)]
        return level_to_read(ReportTile("a", boxes[0], uris, (side, side)), sheet_layout(boxes))

    assert [level(columns) for columns in (1, 2, 10)] == [1, 2, 2]
    assert level(1, side=512) == 1
    assert level(30, side=16384) == 4
    assert level_to_read(ReportTile("a", (0, 0, 9, 9), uris[:1], (3840, 3840)), None) == 1


def test_the_sheet_is_as_sharp_as_the_page(tmp_path):
    """Stripes that the top level does not have any more."""
    stripes = np.tile(np.repeat(np.array([40, 200], np.uint8), 4), (1600, 200))
    coarse = np.full((50, 50), 120, np.uint8)
    uris = []
    for level, image in ((1, stripes), (6, coarse)):
        uris.append(storage.join(str(tmp_path), f"{level}.tif"))
        storage.write_bytes(uris[-1], formats.encode(image, "tif"))
    tile = ReportTile("a", (0, 0, 3200, 3200), (uris[0], *[uris[1]] * 5), (3200, 3200))
    sheet = report_on(tmp_path, [tile]).sheet.astype(int)
    assert sheet.max() - sheet.min() > 140


def test_illumination_is_the_median_over_tiles(tmp_path):
    falling = np.linspace(1.2, 0.8, 64)
    tiles = [
        tile_of(tmp_path, n, np.rint(np.outer(np.ones(64), falling) * (90 + n)).astype(np.uint8))
        for n in range(9)
    ]
    tiles[4] = tile_of(tmp_path, 4, tissue((64, 64)))
    shading = np.array(report_on(tmp_path, tiles).facts["shading"])
    assert shading.shape == (32, 32)
    np.testing.assert_allclose(shading[:, 0], 1.2, atol=0.02)
    np.testing.assert_allclose(shading[:, -1], 0.8, atol=0.02)


# -- the raster -----------------------------------------------------------------------------------------


def rastered(rasters):
    return [ReportTile(str(raster), grid_box(0), raster=raster) for raster in rasters]


@pytest.mark.parametrize(
    ("absent", "planned", "missing"),
    [
        ([(1, 1)], [], [(1, 1)]),
        ([(2, 2)], [], []),  # a corner: regions have any shape
        ([(2, 2)], [(2, 2), (0, 0)], [(2, 2)]),
        ([(1, 0), (1, 1), (1, 2)], [], [(1, 0), (1, 1), (1, 2)]),
    ],
)
def test_missing_raster_positions(absent, planned, missing):
    taken = [(column, row) for column in range(3) for row in range(3) if (column, row) not in absent]
    assert SectionSummary("raw", 1.0, rastered(taken), planned=frozenset(planned)).missing == missing


def test_a_raster_position_far_out_leaves_no_million_gaps():
    assert SectionSummary("raw", 1.0, rastered([(0, 0), (1, 0), (10**9, 0)])).missing == []
    assert SectionSummary("raw", 1.0, [ReportTile("a", grid_box(0))]).missing == []


# -- overlaps -------------------------------------------------------------------------------------------


def overlapping(folder, errors, side=400, overlap=60):
    """2 x 2 tiles of one tissue, level 1; `errors` (x, y) by tile move its box, not its pixels."""
    step = side - overlap
    whole = tissue((2 * side, 2 * side))
    tiles = []
    for index in range(4):
        row, column = divmod(index, 2)
        image = whole[row * step : row * step + side, column * step : column * step + side]
        half = cv2.resize(image, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
        left, top = column * step + errors.get(index, (0, 0))[0], row * step + errors.get(index, (0, 0))[1]
        tile = tile_of(folder, index, half, shape_yx=(side, side))
        tiles.append(replace(tile, box=(left, top, left + side, top + side)))
    return tiles


def shifts_of(page):
    return {(first, second): (x, y) for first, second, x, y, _ in page.facts["shifts"]}


def test_overlaps_are_those_of_edges_not_of_corners(tmp_path):
    pairs = overlaps_of(overlapping(tmp_path, {}))
    assert {(pair.first, pair.second) for pair in pairs} == {(0, 1), (0, 2), (1, 3), (2, 3)}


def test_a_tile_that_lies_wrong_shifts_against_its_neighbours(tmp_path):
    page = report_on(tmp_path, overlapping(tmp_path, {3: (6, -9)}))
    shifts = shifts_of(page)
    for pair in ((0, 1), (0, 2)):
        assert shifts[pair] == pytest.approx((0, 0), abs=0.5)
    assert page.facts["unlike"] == []
    for (first, _), (x, y) in shifts.items():
        if 3 in (first, _):
            sign = 1 if first == 3 else -1
            assert (sign * x, sign * y) == pytest.approx((6, -9), abs=0.7)
    residual = page.facts["values"]["residual"]
    assert residual == pytest.approx([0, np.hypot(6, 9), np.hypot(6, 9), np.hypot(6, 9)], abs=0.8)


def test_tiles_that_do_not_show_the_same_have_no_shift(tmp_path):
    tiles = overlapping(tmp_path, {})
    storage.write_bytes(tiles[1].level_uris[0], formats.encode(tissue((200, 200), 9), "tif"))
    page = report_on(tmp_path, tiles)
    assert {tuple(pair) for pair in page.facts["unlike"]} == {(0, 1), (1, 3)}
    assert set(shifts_of(page)) == {(0, 2), (2, 3)}


def test_turned_tiles_are_not_compared(tmp_path):
    tiles = overlapping(tmp_path, {})
    left, top, right, bottom = tiles[0].box
    tiles[0] = replace(tiles[0], box=(left, top, right + 20, bottom + 20))
    assert {(pair.first, pair.second) for pair in overlaps_of(tiles)} == {(1, 3), (2, 3)}


# -- the page of all sections ---------------------------------------------------------------------------


def test_the_index_has_every_section_of_the_folder(tmp_path, tiles):
    for z in (10.0, 2.5, 1.0):
        report_on(tmp_path, tiles, z=z, seconds=4.0)
    report_on(tmp_path, [replace(tile, failure="disk full") for tile in tiles], z=2.5)
    sections = index_of(tmp_path)["sections"]
    assert [(section["z"], section["failed"], section["seconds"]) for section in sections] == [
        (1, 0, 4),
        (2.5, 20, None),
        (10, 0, 4),
    ]
    for section in sections:
        assert (tmp_path / "reports" / section["page"]).is_file()


def test_a_section_that_drifts_stands_out(tmp_path, tiles):
    for z in range(10):
        scores = {"focus_score": 10.0 if z == 7 else 22 + z / 10}
        report_on(tmp_path, [replace(tile, scores=scores) for tile in tiles], z=float(z))
    (by,) = (by for by in index_of(tmp_path)["measures"] if by["name"] == "focus_score")
    assert by["out"] == [7]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{", b'{"z": 3}', b'{"z": {}, "medians": {}, "page": 1, "tiles": 1}'),
        b'{"z": 3, "medians": {"mean": NaN}, "page": "section_3.html", "tiles": 1}',
    ],
)
def test_files_of_others_are_left_out_of_the_index(tmp_path, tiles, content):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "section_3.json").write_bytes(content)
    report_on(tmp_path, tiles)
    assert [section["z"] for section in index_of(tmp_path)["sections"]] == [1]


def test_runs_at_the_same_time_leave_an_index_of_all(tmp_path):
    with ThreadPoolExecutor(8) as runs:
        list(runs.map(lambda z: report_on(tmp_path, [], z=float(z)), range(24)))
    assert [section["z"] for section in index_of(tmp_path)["sections"]] == list(range(24))


# -- what is written ------------------------------------------------------------------------------------

NASTY = '<script>alert("1")</script>&\'"\ud800{{facts}}'


def test_names_and_reasons_cannot_become_markup(tmp_path, tiles):
    tiles[3] = replace(tiles[3], tile_id=NASTY, failure=NASTY, scores={NASTY: 1.0})
    page = report_on(tmp_path, tiles, stack=NASTY, throughput={NASTY: NASTY})
    assert page.html.count("<script") == page.html.count("</script>") == 2
    assert page.facts["ids"][3] == page.facts["failures"]["3"] == page.facts["stack"] == NASTY


def test_pages_ask_for_nothing(tmp_path, tiles):
    pages = report_on(tmp_path, tiles).html, (tmp_path / "reports" / INDEX).read_text()
    for html in pages:
        assert set(re.findall(r'\b(?:src|href)="([^"]{,12})', html)) <= {"data:image/j", "sections.htm"}
        assert not re.search(r"url\(|@import|<link|<iframe|fetch\(", html)
        assert "default-src 'none'" in html


def test_secrets_of_addresses_are_masked(tmp_path, tiles):
    tiles[3] = replace(tiles[3], failure='s3://user:pass"word@host/a?sig=abc"')
    page = report_on(tmp_path, tiles)
    assert "sig=***" in page.failures[3]
    assert "abc" not in page.failures[3]


def test_the_same_section_gives_the_same_bytes(tmp_path, tiles):
    assert report_on(tmp_path / "a", tiles).html == report_on(tmp_path / "b", tiles).html


def test_throughput_names_the_slowest_stage(tmp_path):
    texts = throughput_texts(10, 300_000_000, 100_000_000, 4.0, {"read": 1.0, "write": 6.0, "encode": 1.0})
    assert texts["speed"] == "2.5 tiles/s, 100.0 MB/s"
    assert texts["slowest stage"] == "write, 75% of the workers' time"
    assert texts["stages"] == "write 6.0 s, encode 1.0 s, read 1.0 s"
    assert report_on(tmp_path, [], throughput=texts).facts["throughput"] == texts


def test_throughput_of_a_run_that_found_all_done():
    assert throughput_texts(0, 0, 0, 0.0, {}) == {"time": "0.0 s", "read": "0.0 MB", "written": "0.0 MB"}
