"""The examples of the user guide of render-python 1.0.1, in its order and as near to its words as they run.

The guide writes AffineTransform where the class is AffineModel, and DEFAULT_RENDER_HOST where the variable
is RENDER_HOST; its 500 sections are 2 here.
"""

import os

import numpy as np
import pytest
import renderapi
from renderapi.errors import ClientScriptError
from renderapi.layout import Layout
from renderapi.tilespec import TileSpec
from renderapi.transform import (
    AffineModel,
    Polynomial2DTransform,
    ReferenceTransform,
    estimate_dstpts,
    estimate_transformsum,
)

from integration_tests.samples import without_count, write_image

SECTIONS = 2


def test_connection_from_environment(render, monkeypatch):
    known = render.make_kwargs()
    settings = {
        "RENDER_HOST": known["host"],
        "RENDER_PORT": str(known["port"]),
        "RENDER_OWNER": known["owner"],
        "RENDER_PROJECT": known["project"],
        "RENDER_CLIENT_SCRIPTS": os.path.dirname(known["client_script"]),  # noqa: PTH120 - text to text
        "RENDER_CLIENT_HEAP": "2G",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    connected = renderapi.connect()
    with connected.session:
        renderapi.stack.create_stack("from_environment", render=connected)
    assert connected.memGB == "2G"
    assert "from_environment" in renderapi.render.get_stacks_by_owner_project(render=render)


def test_making_a_new_stack(render, data_folder):
    stack = "mystack"
    renderapi.stack.create_stack(stack, render=render)
    assert renderapi.stack.get_full_stack_metadata(stack, render=render)["state"] == "LOADING"

    layout = Layout(
        sectionId="1",
        scopeId="myscope",
        cameraId="mycamera",
        imageRow=0,
        imageCol=0,
        stageX=100.0,
        stageY=300.0,
        rotation=0.0,
        pixelsize=3.0,
    )
    at = AffineModel(B0=layout.stageX / layout.pixelsize, B1=layout.stageY / layout.pixelsize)
    image_url = write_image(data_folder / "0_0_0.png", np.full((2048, 2048), 150, np.uint8))
    tilespec = TileSpec(
        tileId="000000000000",
        z=0.0,
        width=2048,
        height=2048,
        imageUrl=image_url,
        maskUrl=None,
        layout=layout,
        tforms=[at],
    )

    renderapi.client.import_tilespecs(stack, [tilespec], render=render)
    renderapi.stack.set_stack_state(stack, "COMPLETE", render=render)

    kept = renderapi.tilespec.get_tile_spec_raw(stack, "000000000000", render=render)
    assert kept.to_dict() == tilespec.to_dict()
    assert kept.layout.to_dict() == layout.to_dict()
    # the box estimated by the client: 100 / 3 and 300 / 3 pixels from the origin, cut to whole ones
    bounds = renderapi.stack.get_stack_bounds(stack, render=render)
    assert (bounds["minX"], bounds["minY"], bounds["minZ"]) == (33.0, 100.0, 0.0)
    assert bounds["maxX"] == pytest.approx(33 + 2048, abs=1)
    # the service can read the image, so it can draw the tile
    image = renderapi.image.get_section_image(stack, 0.0, scale=0.25, render=render)
    assert image[100, 100, 0] == 150


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_importing_many_tilespecs(render):
    stack = "manytiles"
    renderapi.stack.create_stack(stack, render=render)
    rows = 10
    cols = 20
    overlap = 0.8  # 20% overlap
    pix = 3.0  # nm
    img_width = 2048  # pixels
    img_height = img_width

    tilespecs = []
    for section in range(SECTIONS):
        for r in range(rows):
            for c in range(cols):
                layout = Layout(
                    sectionId=f"{section:05d}",
                    scopeId="myscope",
                    cameraId="mycamera",
                    imageRow=0,
                    imageCol=0,
                    stageX=c * img_width * overlap * pix,
                    stageY=r * img_height * overlap * pix,
                    rotation=0.0,
                    pixelsize=pix,
                )
                at = AffineModel(B0=c * img_width * overlap, B1=r * img_height * overlap)
                tile_id = f"{section}_{r}_{c}"
                tilespecs.append(
                    TileSpec(
                        tileId=tile_id,
                        z=section,
                        width=img_width,
                        height=img_height,
                        imageUrl=f"/data/images/{tile_id}.tif",
                        maskUrl=None,
                        layout=layout,
                        tforms=[at],
                    )
                )
    renderapi.client.import_tilespecs_parallel(stack, tilespecs, close_stack=True, render=render)

    metadata = renderapi.stack.get_full_stack_metadata(stack, render=render)
    assert metadata["state"] == "COMPLETE"
    assert metadata["stats"]["tileCount"] == rows * cols * SECTIONS
    assert metadata["stats"]["sectionCount"] == SECTIONS
    bounds = metadata["stats"]["stackBounds"]
    assert bounds["maxX"] == pytest.approx((cols - 1) * img_width * overlap + img_width, abs=1)
    assert bounds["maxY"] == pytest.approx((rows - 1) * img_height * overlap + img_height, abs=1)
    sections = renderapi.stack.get_stack_sectionData(stack, render=render)
    assert [section["sectionId"] for section in sections] == [f"{number:05d}" for number in range(SECTIONS)]


CORNERS = np.array([[0.0, 0.0], [500.0, 0.0], [500.0, 400.0], [0.0, 400.0]])


def tile_with(name, transforms, z=0.0):
    return TileSpec(
        tileId=name,
        z=z,
        width=500,
        height=400,
        imageUrl=f"/data/images/{name}.tif",
        layout=Layout(sectionId="0"),
        tforms=transforms,
    )


def test_transforms_of_the_client_and_of_the_service_agree(render, empty_stack):
    transforms = [
        AffineModel(M00=1.1, M01=0.05, M10=-0.02, M11=0.95, B0=40.0, B1=70.0),
        Polynomial2DTransform(params=np.array([[3.0, 1.0, 0.02, 1e-5, 0, 0], [9.0, 0.01, 1.0, 0, 0, 2e-5]])),
    ]
    renderapi.client.import_tilespecs(empty_stack, [tile_with("warped", transforms)], render=render)
    renderapi.stack.set_stack_state(empty_stack, "COMPLETE", render=render)
    mapped = estimate_dstpts(transforms, CORNERS)
    for (x, y), expected in zip(CORNERS, mapped, strict=True):
        found = renderapi.coordinate.local_to_world_coordinates(empty_stack, "warped", x, y, render=render)
        assert np.allclose(found["world"][:2], expected)
    box = renderapi.tilespec.get_tile_spec(empty_stack, "warped", render=render)
    assert (box.minX, box.minY) == pytest.approx(mapped.min(axis=0), abs=2)
    assert (box.maxX, box.maxY) == pytest.approx(mapped.max(axis=0), abs=2)


def test_one_transform_in_place_of_several(render, empty_stack):
    transforms = [AffineModel(M00=0.9, M01=0.1, B0=40.0), AffineModel(M11=1.2, B1=-30.0)]
    total = estimate_transformsum(transforms, src=CORNERS, order=1)
    tiles = [tile_with("several", transforms), tile_with("one", [total])]
    renderapi.client.import_tilespecs(empty_stack, tiles, render=render)
    several, one = (
        renderapi.tilespec.get_tile_spec(empty_stack, name, render=render) for name in ("several", "one")
    )
    assert one.bbox == pytest.approx(several.bbox, abs=1)


def test_shared_transforms_must_be_sent_along(render, empty_stack):
    shared = AffineModel(B0=250.0, transformId="shared")
    tiles = [tile_with(name, [ReferenceTransform(refId="shared")]) for name in ("a", "b")]
    renderapi.client.import_tilespecs(empty_stack, tiles, sharedTransforms=[shared], render=render)
    # the transform is known to the service by now, and yet the client needs it
    with pytest.raises(ClientScriptError):
        renderapi.client.import_tilespecs(empty_stack, tiles, render=render)
    raw = renderapi.tilespec.get_tile_spec_raw(empty_stack, "a", render=render)
    assert isinstance(raw.tforms[0], ReferenceTransform)
    resolved = renderapi.tilespec.get_tile_spec(empty_stack, "a", render=render)
    assert isinstance(resolved.tforms[0], AffineModel)
    assert resolved.minX == 250.0
    # what is read raw goes back as references, which saves the service from a copy per tile
    renderapi.client.import_tilespecs(empty_stack, [raw], sharedTransforms=[shared], render=render)
    again = renderapi.tilespec.get_tile_spec_raw(empty_stack, "a", render=render)
    assert again.to_dict() == raw.to_dict()


def test_point_matches(render, make_collection):
    matches_in = {
        "pGroupId": "0",
        "qGroupId": "1",
        "pId": "0_0_0",
        "qId": "1_0_0",
        "matches": {
            "p": [[0, 0], [1000, 1000], [1000, 0], [0, 1000]],
            "q": [[0, 0], [1000, 1000], [1000, 0], [0, 1000]],
            "w": [1, 1, 1, 1],
        },
    }
    collection = make_collection([matches_in])
    matches_out = renderapi.pointmatch.get_matches_from_tile_to_tile(
        collection, "0", "0_0_0", "1", "1_0_0", render=render
    )
    assert without_count(matches_out) == [matches_in]


def test_groups_are_sections_and_ids_are_tiles(render, stack, make_collection):
    # the convention by which matches and tiles find each other
    tiles = [renderapi.tilespec.get_tile_specs_from_z(stack, z, render=render)[0] for z in (1.0, 2.0)]
    p, q = ({"group": tile.layout.sectionId, "id": tile.tileId} for tile in tiles)
    points = [[1.0, 2.0], [3.0, 4.0]]
    collection = make_collection(
        [
            {
                "pGroupId": p["group"],
                "pId": p["id"],
                "qGroupId": q["group"],
                "qId": q["id"],
                "matches": {"p": points, "q": points, "w": [1.0, 1.0]},
            }
        ]
    )
    for group in renderapi.pointmatch.get_match_groupIds(collection, render=render):
        z = renderapi.stack.get_section_z_value(stack, group, render=render)
        assert renderapi.stack.get_sectionId_for_z(stack, z, render=render) == group
