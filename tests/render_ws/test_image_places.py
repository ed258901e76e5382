"""Images and render parameters of boxes, layers and tiles: queries, and how wrong ones are refused."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from asap_ingest.images.formats import encode
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving

BOX = "/z/1/box/0,0,100,80,1"
GROUP_BOX = f"/group/g{BOX}"
DVID = "/dvid/imagetile/raw/xy/100_80/0_0_1"
LARGE_DATA = "/largeDataTileSource/100/80/0/1/0/0"
VALUE = 40


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackClient]:
    """Two tiles of 100 x 80 pixels of the same value, side by side, with masks that hide nothing."""
    folder = tmp_path_factory.mktemp("images")
    for name, value in (("image", VALUE), ("mask", 255)):
        (folder / f"{name}.png").write_bytes(encode(np.full((80, 100), value, np.uint8), "png"))
    levels = {"0": {"imageUrl": str(folder / "image.png"), "maskUrl": str(folder / "mask.png")}}
    tiles = [
        tile(name, specs=[leaf(x, 0)], mipmapLevels=levels, groupId="g") for name, x in (("a", 0), ("b", 100))
    ]
    with serving(tmp_path_factory.mktemp("service")) as url:
        yield StackClient(url, "s").create(*tiles, state="COMPLETE")


@pytest.fixture(scope="module")
def stack_with_a_default_channel(stack: StackClient) -> StackClient:
    """A copy that says which channel is shown."""
    to_stack = f"/cloneTo/{stack.stack}_named"
    assert stack.status("PUT", to_stack, {}) == 201
    named = StackClient(stack.url, f"{stack.stack}_named")
    assert named.ask("PUT", "/defaultChannel", b"D").status == 200
    return named


def middle(stack: StackClient, path: str) -> list[int]:
    """The samples of pixel 50, 40 of an image."""
    answer = stack.ask("GET", path)
    assert answer.status == 200, answer
    with Image.open(io.BytesIO(answer.body)) as image:
        return np.array(image)[40, 50].tolist()


@pytest.mark.parametrize("kind", ["source", "mask"])
def test_sources_obey_the_query(stack: StackClient, kind: str) -> None:
    path = f"/tile/a/{kind}/png-image?minIntensity=0&maxIntensity=320"
    value = {"source": VALUE, "mask": 255}[kind]
    assert middle(stack, path)[0] == int(256 * value / 320)
    read = stack.get(f"/tile/a/{kind}/scale/0.5/render-parameters?minIntensity=7&convertToGray=true")
    assert (read["scale"], read["minIntensity"], read["convertToGray"]) == (0.5, 7.0, True)


def test_scale_of_the_query_beats_that_of_the_path(stack: StackClient) -> None:
    assert stack.get("/tile/a/source/scale/0.5/render-parameters?scale=0.25")["scale"] == 0.25


@pytest.mark.parametrize(
    "query",
    [
        "x=5&y=5&width=7&height=7",
        "normalizeForMatching=true",
        "excludeAllTransforms=true&excludeTransformsAfterLast=a",
        "maxTileSpecsToRender=0",
        "",
    ],
)
def test_sources_ignore_the_rest_and_the_default_channel(
    stack: StackClient, stack_with_a_default_channel: StackClient, query: str
) -> None:
    path = "/tile/a/source/scale/1/render-parameters"
    named = stack_with_a_default_channel
    assert named.get(f"{path}?{query}") == stack.get(path)
    assert named.get("/tile/a/render-parameters")["channels"] == "D"
    assert middle(named, f"/tile/a/source/png-image?{query}") == [VALUE] * 3 + [255]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/a/source/png-image?filterListName=nope", 500),
        ("/tile/a/source/png-image?filterListName=", 500),
        ("/tile/a/source/png-image?channels=A__0.9__B__0.2", 500),
        ("/tile/a/source/png-image?channels=A", 500),
        ("/tile/a/mask/jpeg-image?channels=", 500),
        ("/tile/a/source/scale/1/render-parameters?filterListName=nope", 500),
        ("/tile/a/source/scale/1/render-parameters?channels=A__0.9__B__0.2", 500),
        ("/tile/a/source/scale/1/render-parameters?channels=A", 200),
        ("/tile/a/source/png-image?minIntensity=x", 404),
    ],
)
def test_queries_of_sources_that_are_refused(stack: StackClient, path: str, status: int) -> None:
    assert stack.status("GET", path) == status


@pytest.mark.parametrize("query", ["filterListName=nope", "filterListName=", "channels=A__0.9__B__0.2"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/z/1/png-image", 400),
        (f"{BOX}/png-image", 500),
        (f"{GROUP_BOX}/png-image", 500),
        (f"{DVID}/png", 500),
        (f"{LARGE_DATA}.png", 500),
        ("/tile/a/png-image", 400),
        ("/z/1/render-parameters", 400),
        (f"{BOX}/render-parameters", 400),
    ],
)
def test_wrong_filters_and_weights(stack: StackClient, path: str, status: int, query: str) -> None:
    assert stack.status("GET", f"{path}?{query}") == status


@pytest.mark.parametrize("channels", ["A__0.5__B", "A__0.5__B__", "A__"])
def test_channels_without_a_last_weight_are_taken(stack: StackClient, channels: str) -> None:
    for path in (f"{BOX}/png-image", "/tile/a/png-image", "/tile/a/render-parameters"):
        assert stack.status("GET", f"{path}?channels={channels}") == 200


@pytest.mark.parametrize(
    ("path", "drawn"),
    [
        (f"{BOX}/png-image?maxTileSpecsToRender=0", False),
        (f"{GROUP_BOX}/png-image?maxTileSpecsToRender=0", False),
        (f"{DVID}/png?maxTileSpecsToRender=0", False),
        ("/z/1/png-image?scale=1&maxTileSpecsToRender=0", False),
        (f"{LARGE_DATA}.png?maxTileSpecsToRender=0", False),
        ("/tile/a/png-image?maxTileSpecsToRender=0", True),
        ("/tile/a/withNeighbors/jpeg-image?maxTileSpecsToRender=0", True),
        (f"{BOX}/png-image?maxTileSpecsToRender=-1", True),
    ],
)
def test_which_images_obey_a_limit_of_tiles(stack: StackClient, path: str, drawn: bool) -> None:
    wanted = VALUE if drawn else 0
    assert abs(middle(stack, path)[0] - wanted) <= 1


@pytest.mark.parametrize(
    ("kind", "bits"), [("tiff", "RGB"), ("png", "RGBA"), ("tiff16", "RGB"), ("png16", "RGBA")]
)
def test_outlines_come_in_8_bits(stack: StackClient, kind: str, bits: str) -> None:
    answer = stack.ask("GET", f"{BOX}/{kind}-image?maxTileSpecsToRender=0")
    assert answer.status == 200
    with Image.open(io.BytesIO(answer.body)) as image:
        assert image.mode == bits
