"""The steps as functions: parameters in, reports out, whatever the process's command line says."""

import json
import subprocess
import sys

import pytest
import requests

import asap_ingest
from asap_ingest import steps
from asap_ingest.__main__ import COMMANDS
from asap_ingest.errors import NoSectionsError, ParameterError
from tests.acquisitions import random_tiles, write_acquisition


@pytest.fixture
def command_line_of_another_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["notebook", "--f", "kernel.json", "--levels", "many"])


@pytest.mark.usefixtures("command_line_of_another_program")
def test_from_a_metafile_to_mipmaps(render, tmp_path):
    metafile = write_acquisition(tmp_path / "acquisition", random_tiles(2))
    made = steps.generate_EM_tilespecs_from_metafile(
        render=render, metafile=str(metafile), stack="raw", z_index=3, close_stack=True
    )
    assert made["stack"] == "raw"
    mipmaps = str(tmp_path / "mipmaps")
    report = steps.generate_mipmaps(
        render=render, input_stack="raw", output_dir=mipmaps, levels=2, imgformat="png", pool_size=1,
        method="block_reduce", convert_to_8bit=True, force_redo=False,
    )  # fmt: skip
    assert report["report"]["tiles"] == 2
    applied = steps.apply_mipmaps_to_render(
        render=render, input_stack="raw", output_stack="done", mipmap_dir=mipmaps, levels=2, imgformat="png",
        pool_size=1, close_stack=True,
    )  # fmt: skip
    assert applied["report"]["failures"] == []
    url = f"{render['host']}:{render['port']}"
    done = asap_ingest.open_stack(url, f"tests/{render['project']}/done")
    assert [tile["levels"] for tile in done.tiles(3, as_frame=False)] == [3, 3]


@pytest.mark.usefixtures("command_line_of_another_program")
def test_what_is_returned_is_the_output_json(render, tmp_path):
    metafile = write_acquisition(tmp_path / "acquisition", random_tiles(1))
    output_json = tmp_path / "out.json"
    returned = steps.generate_EM_tilespecs_from_metafile(
        render=render, metafile=str(metafile), stack="raw", z_index=1, output_json=str(output_json)
    )
    assert returned == json.loads(output_json.read_text())


def test_failures_are_in_the_report(render, tmp_path):
    metafile = write_acquisition(tmp_path / "acquisition", random_tiles(2))
    steps.generate_EM_tilespecs_from_metafile(render=render, metafile=str(metafile), stack="raw", z_index=1)
    (tmp_path / "acquisition" / "tile_00.tif").write_bytes(b"damaged")
    report = steps.generate_mipmaps(
        render=render, input_stack="raw", output_dir=str(tmp_path / "mipmaps"), levels=2, imgformat="png",
        pool_size=1, method="block_reduce", convert_to_8bit=True, force_redo=False,
    )  # fmt: skip
    (failure,) = report["report"]["failures"]
    assert failure["image"].endswith("tile_00.tif")


def test_what_cannot_be_done_is_raised(render):
    for wrong, words in (({"levls": 3}, "did you mean levels"), ({"input_json": "in.json"}, "command line")):
        with pytest.raises(ParameterError, match=words):
            steps.generate_mipmaps(render=render, input_stack="raw", output_dir="out", **wrong)
    requests.post(
        f"{render['host']}:{render['port']}/render-ws/v1/owner/tests/project/{render['project']}/stack/empty",
        json={},
        timeout=9,
    )
    with pytest.raises(NoSectionsError):
        steps.generate_mipmaps(
            render=render, input_stack="empty", output_dir="out", method="block_reduce", levels=1,
            imgformat="png", convert_to_8bit=True, force_redo=False,
        )  # fmt: skip


def test_volumes(tmp_path):
    import numpy as np
    import tifffile

    planes = np.random.default_rng(0).integers(0, 256, (5, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "planes.tif", planes)
    dest = str(tmp_path / "volume")
    made = steps.precomputed_tif(
        source=str(tmp_path / "planes.tif"), dest=dest, voxel_size=[4, 4, 40], levels=1, pool_size=1
    )
    assert made["report"]["failures"] == []
    assert np.array_equal(asap_ingest.open_volume(dest)[:], planes)
    assert steps.check_precomputed(dest)["fault_count"] == 0


def test_every_function_is_a_command():
    functions = [name for name, value in vars(steps).items() if callable(value) and name[0] in "iagpec"]
    named = {name for name in functions if getattr(steps, name).__module__ == steps.__name__}
    assert len(named) >= 8
    assert named <= COMMANDS.keys()


def test_importing_the_package_is_cheap_and_modules_keep_their_names():
    script = (
        "import sys, asap_ingest\n"
        "heavy = {'numpy', 'requests', 'argschema', 'renderapi', 'dask'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "import asap_ingest.generate_mipmaps\n"
        "assert asap_ingest.generate_mipmaps.main\n"
        "assert callable(asap_ingest.open_stack) and callable(asap_ingest.open_volume)\n"
        "assert asap_ingest.steps.generate_mipmaps is not asap_ingest.generate_mipmaps\n"
        "assert {'open_stack', 'steps'} <= set(dir(asap_ingest))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(AttributeError, match="open_everything"):
        _ = asap_ingest.open_everything
