"""The three steps over `s3://`, as programs: sources, masks, metafile and output in one bucket."""

# ruff: noqa: F401, F811 - fixtures are imported

import json

import numpy as np
import pytest

from asap_ingest import storage
from asap_ingest.apply_mipmaps_to_render import AddMipMapsToStack
from asap_ingest.errors import StorageError
from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.generate_mipmaps import GenerateMipMaps
from asap_ingest.images import formats
from asap_ingest.ingest_sections import IngestSections
from asap_ingest.render.stack import RenderConnection, Stack
from tests.acquisitions import random_tiles, write_acquisition
from tests.s3 import bucket, credentials, gateway, store
from tests.steps import APPLY, INGEST, MIPMAPS, TILESPECS, refused, run_step

pytestmark = pytest.mark.slow


@pytest.fixture
def local(tmp_path):
    """An acquisition of five tiles and a mask in a folder."""
    metafile = write_acquisition(tmp_path / "images", random_tiles(5))
    mask = np.full((48, 64), 255, np.uint8)
    mask[:9] = 0
    (tmp_path / "images" / "mask.png").write_bytes(formats.encode(mask, "png"))
    return metafile


@pytest.fixture
def remote(store, bucket, local):
    """The same in a bucket; the metafile's URI."""
    for path in local.parent.iterdir():
        store.put(f"{bucket}/raw/{path.name}", path.read_bytes())
    return f"{bucket}/raw/{local.name}"


def run_steps(render, metafile, output_dir, folder, **more):
    """The three steps, each given the output of the one before; how each ended."""
    common = {"render": render, "pool_size": 1} | more
    mask = f"{metafile.rpartition('/')[0]}/mask.png"
    given = {"metafile": metafile, "stack": "raw", "z_index": 1, "maskUrl": mask}
    yield run_step(TILESPECS, common | given, folder)
    given = {"input_stack": "raw", "output_dir": output_dir, "levels": 3}
    generated = run_step(MIPMAPS, common | given, folder)
    yield generated
    yield run_step(APPLY, (generated.output or {}) | common | {"output_stack": "mips"}, folder)


def stack_of(render, name):
    return Stack(RenderConnection(**render), name).resolved_tiles(1.0)["tileIdToSpecMap"]


def test_three_steps_over_s3(store, bucket, remote, local, render, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    for ran in run_steps(render, remote, f"{bucket}/mips", tmp_path, pool_size=2):
        assert (ran.exit_code, ran.stderr) == (0, "")
    here = render | {"project": f"{render['project']}_here"}
    for ran in run_steps(here, str(local), str(tmp_path / "mips"), tmp_path / "here"):
        assert ran.exit_code == 0, ran.stderr
    tiles = stack_of(render, "mips")
    assert len(tiles) == 5
    objects = store.objects(bucket)
    assert len([key for key in objects if key.startswith("mips/")]) == 3 * 6
    name = bucket.removeprefix("s3://")
    level_2 = tiles["tile_00.1.0"]["mipmapLevels"]["2"]["imageUrl"]
    assert level_2 == f"{bucket}/mips/2/{name}/raw/tile_00.tif.tif"
    for tile_id, tile in stack_of(here, "mips").items():
        for level, files in tile["mipmapLevels"].items():
            for kind, uri in files.items():
                found = tiles[tile_id]["mipmapLevels"][level][kind]
                assert found.startswith(bucket)
                content = objects[found.removeprefix(f"{bucket}/")]
                np.testing.assert_array_equal(
                    formats.decode(content), formats.decode(storage.read_bytes(uri))
                )


def test_a_second_run_skips_by_listing(store, bucket, remote, render, tmp_path):
    with gateway(store) as line:
        given = {"storage_options": line.options, "force_redo": False}
        for _ in run_steps(render, remote, f"{bucket}/mips", tmp_path, storage_options=line.options):
            pass
        line.requests.clear()
        parameters = {"render": render, "pool_size": 1, "input_stack": "raw", "levels": 3}
        ran = run_step(MIPMAPS, parameters | given | {"output_dir": f"{bucket}/mips"}, tmp_path)
        assert (ran.exit_code, ran.output["report"]["files_skipped"]) == (0, 18), ran.stderr
        heads = [made for made in line.requests if made.startswith("HEAD")]
        assert heads == [], "one question per file"


def test_a_missing_image_fails_its_tile_only(store, bucket, remote, render, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    store.client.delete_object(Bucket=bucket.removeprefix("s3://"), Key="raw/tile_03.tif")
    tilespecs, mipmaps, apply = run_steps(render, remote, f"{bucket}/mips", tmp_path)
    assert [ran.exit_code for ran in (tilespecs, mipmaps, apply)] == [0, 1, 1]
    failures = mipmaps.output["report"]["failures"]
    assert [(failure["tileId"], failure["reason"]) for failure in failures] == [
        ("tile_03.1.0", "no such file")
    ]
    assert apply.output["report"]["tiles_with_levels"] == 4


def test_a_missing_bucket_ends_each_step_before_its_work(store, remote, render, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
    given = {"render": render, "stack": "raw", "z_index": 1}
    ran = run_step(TILESPECS, given | {"metafile": "s3://absent-bucket/_metadata_1.json"}, tmp_path)
    refused(ran, 2, "s3://absent-bucket/_metadata_1.json: no such bucket")
    assert run_step(TILESPECS, given | {"metafile": remote}, tmp_path).exit_code == 0
    given = {"render": render, "input_stack": "raw", "pool_size": 1}
    ran = run_step(MIPMAPS, given | {"output_dir": "s3://absent-bucket/mips"}, tmp_path)
    refused(ran, 2, "output_dir", "s3://absent-bucket/mips", "no such bucket")
    ran = run_step(APPLY, given | {"mipmap_dir": "s3://absent-bucket/mips"}, tmp_path)
    refused(ran, 2, "s3://absent-bucket/mips", "no such bucket")


@pytest.mark.long
def test_storage_options_of_the_steps(store, bucket, remote, render, tmp_path, monkeypatch):
    """The endpoint comes from the field alone, also for worker processes."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    more = {"storage_options": store.options, "pool_size": 2}
    for ran in run_steps(render, remote, f"{bucket}/mips", tmp_path, **more):
        assert (ran.exit_code, ran.stderr) == (0, "")
    assert all(len(tile["mipmapLevels"]) == 4 for tile in stack_of(render, "mips").values())


@pytest.mark.long
def test_ingest_section_over_s3(store, bucket, remote, render, tmp_path):
    given = {"render": render, "metafile": remote, "stack": "raw", "z_index": 1, "levels": 3, "pool_size": 2}
    given |= {"output_dir": f"{bucket}/mips", "storage_options": store.options}
    ran = run_step(INGEST, given, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert all(len(tile["mipmapLevels"]) == 4 for tile in stack_of(render, "raw").values())
    run_files = [json.loads(content) for key, content in store.objects(bucket).items() if "/runs/" in key]
    assert len(run_files) == 6


def test_ingest_sections_over_s3(store, bucket, remote, render, tmp_path):
    """Metafiles of a folder, levels and state in the bucket; a second run finds all done."""
    given = {"render": render, "metafiles": f"{bucket}/raw", "stack": "raw", "levels": 3, "pool_size": 1}
    given |= {"output_dir": f"{bucket}/mips", "storage_options": store.options}
    given["output_json"] = str(tmp_path / "out.json")
    assert IngestSections(input_data=given, args=[]).run() == 0
    assert all(len(tile["mipmapLevels"]) == 4 for tile in stack_of(render, "raw").values())
    before = store.objects(bucket)
    assert IngestSections(input_data=given, args=[]).run() == 0
    assert store.objects(bucket) == before
    (section,) = json.loads((tmp_path / "out.json").read_text())["sections"]
    assert (section["metafile"], section["status"], section["z"]) == (remote, "done", 1.0)


@pytest.mark.long
def test_step_classes_from_python_and_their_threads(store, bucket, remote, render, tmp_path, monkeypatch):
    """No program, no environment: options in the parameters alone, for the page's thumbnails too."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    common = {"render": render, "storage_options": store.options, "pool_size": 1}
    given = {"metafile": remote, "stack": "raw", "z_index": 1}
    assert GenerateEMTileSpecsModule(common | given, args=[]).run() == 0
    pages = tmp_path / "pages"
    given = {"input_stack": "raw", "output_dir": f"{bucket}/mips", "levels": 2, "report_dir": str(pages)}
    assert GenerateMipMaps(common | given, args=[]).run() == 0
    page = (pages / "section_1.html").read_text()
    assert page.count("<image") + page.count("<img") >= 1
    assert "thumbnail:" not in page, "every thumbnail was read"
    assert (
        AddMipMapsToStack(
            common | {"input_stack": "raw", "mipmap_dir": f"{bucket}/mips", "levels": 2}, args=[]
        ).run()
        == 0
    )
    # and nothing of it is left for what follows in this process
    with pytest.raises(StorageError):
        storage.read_bytes(f"{bucket}/mips/1/nothing")
