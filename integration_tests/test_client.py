"""Functions of renderapi.client: everything that runs a client script."""

# ruff: noqa: N802 - a test is named for the function it calls

import json
from pathlib import Path

import numpy as np
import pytest
import renderapi
import requests
from PIL import Image
from renderapi.errors import ClientScriptError, RenderError
from renderapi.external.processpools.pool_pathos import PathosWithPool
from renderapi.layout import Layout
from renderapi.tilespec import TileSpec
from renderapi.transform import AffineModel

from integration_tests.samples import (
    HEIGHT,
    LAYERS,
    STEP_X,
    STEP_Y,
    WIDTH,
    layer_ids,
    origin,
    section_id,
    shared_transform,
    tile_id,
    tile_pixels,
    write_image,
    write_json,
)

ALL_IDS = sorted(name for z in LAYERS for name in layer_ids(z))
VALIDATE_TILES = "org.janelia.render.client.ValidateTilesClient"
#: Pools fork this process, which threads of the test runner make newer Pythons warn about.
POOLS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def files(tmp_path, tiles):
    """Tile specs of each layer as files of their own, and the transforms that they share."""
    return (
        [
            write_json(tmp_path / f"layer{z:.0f}.json", [tile for tile in tiles if tile.z == z])
            for z in LAYERS
        ],
        write_json(tmp_path / "transforms.json", [shared_transform()]),
    )


def assert_imported(stack, render, state, expected=ALL_IDS):
    """All tiles are there, with the boxes that follow from their transforms."""
    assert sorted(renderapi.stack.get_stack_tileIds(stack, render=render)) == sorted(expected)
    last = renderapi.tilespec.get_tile_spec(stack, expected[-1], render=render)
    assert (last.minX, last.minY) == origin(last.layout.imageRow, last.layout.imageCol)
    assert renderapi.stack.get_full_stack_metadata(stack, render=render)["state"] == state


def test_call_run_ws_client(render, stack):
    where = renderapi.stack.make_stack_params(
        render.DEFAULT_HOST, render.DEFAULT_PORT, render.DEFAULT_OWNER, render.DEFAULT_PROJECT, stack
    )
    arguments = [*where, str(LAYERS[0])]
    written = renderapi.client.call_run_ws_client(
        VALIDATE_TILES, arguments, renderclient=render, subprocess_mode="check_output"
    )
    assert b"ValidateTilesClient" in written
    # what fails is told by the exit code, or raised
    code = renderapi.client.call_run_ws_client(
        VALIDATE_TILES, where, renderclient=render, subprocess_mode="call"
    )
    assert code != 0
    with pytest.raises(ClientScriptError):
        renderapi.client.call_run_ws_client("org.janelia.render.client.NoSuchClient", [], renderclient=render)


def test_importJsonClient(render, empty_stack, files):
    layers, transforms = files
    renderapi.client.importJsonClient(empty_stack, layers, transformFile=transforms, render=render)
    assert_imported(empty_stack, render, "LOADING")
    with pytest.raises(ClientScriptError):
        renderapi.client.importJsonClient(empty_stack, layers, render=render)


def test_import_single_json_file(render, empty_stack, files):
    layers, transforms = files
    renderapi.client.import_single_json_file(empty_stack, layers[1], transformFile=transforms, render=render)
    assert_imported(empty_stack, render, "LOADING", layer_ids(LAYERS[1]))


def test_import_jsonfiles(render, empty_stack, files):
    layers, transforms = files
    renderapi.client.import_jsonfiles(empty_stack, layers, transformFile=transforms, render=render)
    assert_imported(empty_stack, render, "COMPLETE")


@POOLS
def test_import_jsonfiles_parallel(render, empty_stack, files):
    layers, transforms = files
    renderapi.client.import_jsonfiles_parallel(
        empty_stack, layers, poolsize=2, transformFile=transforms, render=render
    )
    assert_imported(empty_stack, render, "COMPLETE")


@POOLS
def test_import_jsonfiles_and_transforms_parallel_by_z(render, empty_stack, files):
    layers, transforms = files
    # it gives the pool two lists to map over, which the pool of the standard library takes for a chunk
    # size and then waits for ever
    renderapi.client.import_jsonfiles_and_transforms_parallel_by_z(
        empty_stack,
        layers,
        [transforms] * len(layers),
        poolsize=2,
        mpPool=PathosWithPool,
        close_stack=False,
        render=render,
    )
    assert_imported(empty_stack, render, "LOADING")


def tile_of_size(name, image_url, size):
    return TileSpec(
        tileId=name,
        z=1.0,
        width=size,
        height=size,
        imageUrl=image_url,
        maxint=255,
        layout=Layout(sectionId="1.0"),
        tforms=[AffineModel()],
    )


def test_import_jsonfiles_validate_client(render, empty_stack, data_folder, tmp_path):
    urls = {
        size: write_image(data_folder / f"size{size}.png", np.full((size, size), 99, np.uint8))
        for size in (64, 600)
    }
    file = write_json(
        tmp_path / "tiles.json",
        [
            tile_of_size("good", urls[600], 600),
            tile_of_size("small", urls[64], 64),
            tile_of_size("without_image", f"file:{data_folder}/no_such.png", 600),
        ],
    )
    renderapi.client.import_jsonfiles_validate_client(empty_stack, [file], render=render)
    # tiles below 500 pixels, or without their image, are left out
    assert renderapi.stack.get_stack_tileIds(empty_stack, render=render) == ["good"]
    assert renderapi.stack.get_full_stack_metadata(empty_stack, render=render)["state"] == "COMPLETE"


@pytest.mark.parametrize("use_rest", [False, True], ids=["client", "service"])
def test_import_tilespecs(render, empty_stack, tiles, use_rest):
    renderapi.client.import_tilespecs(
        empty_stack, tiles, sharedTransforms=[shared_transform()], use_rest=use_rest, render=render
    )
    assert_imported(empty_stack, render, "LOADING")
    kept = renderapi.tilespec.get_tile_spec_raw(empty_stack, tile_id(1, 0, 0), render=render)
    assert kept.tforms[0].refId == "shift"


@POOLS
def test_import_tilespecs_parallel(render, empty_stack, tiles):
    renderapi.client.import_tilespecs_parallel(
        empty_stack, tiles, sharedTransforms=[shared_transform()], poolsize=4, render=render
    )
    assert_imported(empty_stack, render, "COMPLETE")


def names(pair):
    return (pair["p"]["id"], pair["q"]["id"])


def expected_pairs():
    """Tiles beside and above each other, in a layer and with the next; not across corners."""
    grid = [(row, col) for row in (0, 1) for col in (0, 1)]
    near = [(a, b) for a in grid for b in grid if abs(a[0] - b[0]) + abs(a[1] - b[1]) <= 1]
    within = {(tile_id(z, *a), tile_id(z, *b)) for z in LAYERS for a, b in near if a < b}
    between = {(tile_id(LAYERS[0], *a), tile_id(LAYERS[1], *b)) for a, b in near}
    return sorted(within | between)


def test_tilePairClient(render, stack):
    found = renderapi.client.tilePairClient(stack, *LAYERS, zNeighborDistance=1, render=render)
    assert sorted(map(names, found["neighborPairs"])) == expected_pairs()
    assert f"/stack/{stack}/tile/" in found["renderParametersUrlTemplate"]
    first = next(
        pair for pair in found["neighborPairs"] if names(pair) == (tile_id(1, 0, 0), tile_id(1, 0, 1))
    )
    assert first["p"]["groupId"] == first["q"]["groupId"] == section_id(LAYERS[0])
    assert (first["p"]["relativePosition"], first["q"]["relativePosition"]) == ("LEFT", "RIGHT")


def test_tilePairClient_in_several_files(render, stack, tmp_path):
    found, files = renderapi.client.tilePairClient(
        stack,
        *LAYERS,
        outjson=str(tmp_path / "pairs.json"),
        zNeighborDistance=0,
        maxPairsPerFile=3,
        return_jsonfiles=True,
        render=render,
    )
    assert sorted(Path(file).name for file in files) == [f"pairs_p00{number}.json" for number in range(3)]
    within = [pair for pair in expected_pairs() if pair[0][:6] == pair[1][:6]]
    assert sorted(map(names, found["neighborPairs"])) == within


def test_importTransformChangesClient(render, loading_stack, tmp_path):
    renderapi.stack.set_stack_state(loading_stack, "COMPLETE", render=render)
    changes = [
        {"tileId": name, "transform": AffineModel(B0=1000, B1=2000).to_dict()}
        for name in layer_ids(LAYERS[0])
    ]
    target = f"{loading_stack}_changed"
    renderapi.client.importTransformChangesClient(
        loading_stack,
        target,
        write_json(tmp_path / "changes.json", changes),
        changeMode="APPEND",
        render=render,
    )
    # only the tiles named go over, and they keep the transforms that they had
    assert sorted(renderapi.stack.get_stack_tileIds(target, render=render)) == layer_ids(LAYERS[0])
    moved = renderapi.tilespec.get_tile_spec(target, tile_id(1, 1, 1), render=render)
    assert len(moved.tforms) == 3
    assert (moved.minX, moved.minY) == tuple(np.add(origin(1, 1), (1000, 2000)))
    with pytest.raises(ClientScriptError):
        renderapi.client.importTransformChangesClient(
            loading_stack, target, "changes.json", changeMode="NO_SUCH_MODE", render=render
        )


def test_coordinateClient(render, stack, tmp_path):
    points = [{"world": [origin(0, 0)[0] + 30.0, origin(0, 0)[1] + 40.0]}]
    found = renderapi.client.coordinateClient(
        stack,
        LAYERS[0],
        fromJson=write_json(tmp_path / "world.json", points),
        toJson=str(tmp_path / "local.json"),
        render=render,
    )
    assert [[entry["tileId"] for entry in entries] for entries in found] == [[tile_id(1, 0, 0)]]
    assert np.allclose(found[0][0]["local"], [30, 40, LAYERS[0]])
    back = renderapi.client.coordinateClient(
        stack,
        LAYERS[0],
        fromJson=str(tmp_path / "local.json"),
        toJson=str(tmp_path / "world_again.json"),
        localToWorld=True,
        render=render,
    )
    assert np.allclose(back[0]["world"], [*points[0]["world"], LAYERS[0]])
    assert json.loads((tmp_path / "world_again.json").read_text(encoding="utf-8")) == back


def test_renderSectionClient(render, stack, tmp_path):
    renderapi.client.renderSectionClient(
        stack,
        str(tmp_path),
        [str(z) for z in LAYERS],
        scale=0.5,
        format="PNG",
        doFilter="false",
        fillWithNoise="false",
        render=render,
    )
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == len(LAYERS)
    for z, file in zip(LAYERS, files, strict=True):
        assert file.suffix == ".png"
        asked = renderapi.image.get_section_image(stack, z, scale=0.5, render=render)[..., 0]
        with Image.open(file) as image:
            drawn = np.asarray(image.convert("L"))
        height, width = (STEP_Y + HEIGHT) // 2, (STEP_X + WIDTH) // 2
        assert drawn.shape == (height, width)
        difference = np.abs(drawn.astype(int) - asked[:height, :width])
        # along borders of tiles rounding decides whether a pixel is drawn
        assert np.percentile(difference, 95) <= 1


def test_transformSectionClient(render, loading_stack):
    renderapi.client.transformSectionClient(
        loading_stack,
        "moved",
        "mpicbg.trakem2.transform.AffineModel2D",
        "1,0,0,1,300,400",
        [str(LAYERS[0])],
        render=render,
    )
    moved = renderapi.tilespec.get_tile_spec(loading_stack, tile_id(1, 0, 0), render=render)
    assert (moved.minX, moved.minY) == tuple(np.add(origin(0, 0), (300, 400)))
    raw = renderapi.tilespec.get_tile_spec_raw(loading_stack, tile_id(1, 0, 0), render=render)
    assert raw.tforms[-1].refId == "moved"
    other = renderapi.tilespec.get_tile_spec(loading_stack, tile_id(2, 0, 0), render=render)
    assert (other.minX, other.minY) == origin(0, 0)


def test_get_canvas_url_template(render, stack):
    template = renderapi.client.get_canvas_url_template(stack, excludeAllTransforms=True, render=render)
    answer = requests.get(template.format(tile_id(1, 0, 1)), timeout=60)
    assert answer.status_code == 200
    parameters = answer.json()
    assert parameters["tileSpecs"][0]["tileId"] == tile_id(1, 0, 1)
    assert parameters["tileSpecs"][0]["transforms"]["specList"] == []
    assert (parameters["x"], parameters["y"]) == (0, 0)


#: Where drawings must be like the tile: the last row and column of a tile are not drawn by services of today.
INNER = np.s_[1 : HEIGHT - 1, 1 : WIDTH - 1]


@pytest.fixture
def plain_tile(render, stack):
    """A tile as renderapi knows it from a service, with its box."""
    return renderapi.tilespec.get_tile_spec(stack, tile_id(1, 1, 1), render=render)


def first_channel(path):
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 2 else pixels[..., 0]


def test_renderClient(render, plain_tile, tmp_path):
    plain_tile.tforms = []
    renderapi.client.renderClient(
        tile_spec_url=write_json(tmp_path / "tiles.json", [plain_tile]),
        width=WIDTH,
        height=HEIGHT,
        res=32,
        out_fn=str(tmp_path / "tile.png"),
        render=render,
    )
    drawn = first_channel(tmp_path / "tile.png")
    assert drawn.shape == (HEIGHT, WIDTH)
    # a tile that nothing transforms comes out as it is
    assert np.array_equal(drawn[INNER], tile_pixels(1, 1, 1)[INNER])
    with pytest.raises(ClientScriptError):
        renderapi.client.renderClient(
            tile_spec_url=str(tmp_path / "no_such.json"), out_fn=str(tmp_path / "no.png"), render=render
        )


@pytest.fixture
def parameters(render, stack):
    """Render parameters of a box in which all four tiles of a layer lie."""
    x, y = origin(1, 1)
    return renderapi.image.get_bb_renderparams(stack, LAYERS[0], x - 60, y - 50, 120, 90, render=render)


def test_rendererClient(render, parameters, tmp_path):
    renderapi.client.rendererClient(
        parameters_url=write_json(tmp_path / "parameters.json", parameters),
        scale=0.5,
        out_fn=str(tmp_path / "box.png"),
        render=render,
    )
    with Image.open(tmp_path / "box.png") as image:
        drawn = np.asarray(image)
    # what is named on the command line counts
    assert drawn.shape == (45, 60, 4)
    asked = renderapi.image.get_renderparameters_image({**parameters, "scale": 0.5}, render=render)
    # two drawings: where a value lies exactly between two, either is right
    assert drawn.shape == asked.shape
    assert np.abs(drawn.astype(int) - asked).max() <= 1


def test_materialize_tilespec_image(render, plain_tile, tmp_path):
    file = tmp_path / "tile.png"
    renderapi.client.materialize_tilespec_image(plain_tile, out_fn=str(file), render=render)
    drawn = first_channel(file)
    assert drawn.shape == (HEIGHT, WIDTH)
    assert np.array_equal(drawn[INNER], tile_pixels(1, 1, 1)[INNER])


def test_render_tilespec(render, plain_tile):
    drawn = renderapi.client.render_tilespec(plain_tile, render=render)
    assert drawn.shape[:2] == (HEIGHT, WIDTH)
    assert np.array_equal(drawn.reshape(HEIGHT, WIDTH, -1)[..., 0][INNER], tile_pixels(1, 1, 1)[INNER])


def test_materialize_renderparameters_image(render, parameters, tmp_path):
    file = tmp_path / "box.tif"
    renderapi.client.materialize_renderparameters_image(parameters, out_fn=str(file), render=render)
    asked = renderapi.image.get_renderparameters_image(parameters, img_format="tif", render=render)
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image), asked)


def test_render_renderparameters(render, parameters):
    drawn = renderapi.client.render_renderparameters(parameters, render=render)
    asked = renderapi.image.get_renderparameters_image(parameters, img_format="png", render=render)
    assert np.array_equal(drawn, asked)


def test_client_script_that_is_not_there(render, stack):
    # said before anything is sent
    with pytest.raises(RenderError):
        renderapi.client.importJsonClient(
            stack, [], host="nowhere", port=1, owner="o", project="p", client_script="/no/such/script"
        )
