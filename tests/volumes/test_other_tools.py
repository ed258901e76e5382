"""Programs of others open what the commands wrote, as programs, from files.

igneous (GPL) is run beside the package, never imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import tifffile
import zarr

from asap_ingest.check_precomputed import main
from tests.volumes.reading import zarr_datasets

pytestmark = pytest.mark.long

SHAPE_ZYX = (40, 260, 300)
VOXEL_NM = (4, 4, 40)
IMAGE = (np.indices(SHAPE_ZYX).sum(axis=0) % 251).astype(np.uint8)
LABELS = np.zeros(SHAPE_ZYX, np.uint64)
LABELS[5:30, 10:60, 10:70] = 7
LABELS[10:35, 80:120, 90:140] = 2**53 + 1
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Volumes by name: each made by the command from TIFFs."""
    folder = tmp_path_factory.mktemp("volumes")
    tifffile.imwrite(folder / "image.tif", IMAGE, photometric="minisblack")
    tifffile.imwrite(folder / "labels.tif", LABELS, photometric="minisblack")
    ways = {
        "raw": ("image.tif", "--format", "raw"),
        "sharded": ("image.tif", "--format", "sharded"),
        "labels": ("labels.tif", "--format", "raw", "--type", "segmentation"),
        "sharded labels": ("labels.tif", "--format", "sharded", "--type", "segmentation"),
        "zarr 3": ("image.tif", "--format", "zarr"),
        "zarr 2": ("image.tif", "--format", "zarr", "--zarr_format", "2"),
        "zarr 2 labels": ("labels.tif", "--format", "zarr", "--zarr_format", "2", "--type", "segmentation"),
    }
    made = {}
    for name, (source, *options) in ways.items():
        made[name] = folder / name.replace(" ", "_")
        where = ["--source", str(folder / source), "--dest", str(made[name])]
        run(
            "precomputed-tif", *where, "--levels", "2", "--voxel_size", "4,4,40", "--pool_size", "1", *options
        )
    return made


def run(program, *arguments):
    """A program of the environment that runs the tests; its output."""
    ran = subprocess.run(
        [TOOLS / program, *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


def values_of(name):
    return LABELS if "labels" in name else IMAGE


def coarser(values):
    """What a scale of half the size must hold: exact means, or one of the most frequent labels."""
    height, width = values.shape[1] // 2 * 2, values.shape[2] // 2 * 2
    blocks = values[:, :height, :width].astype(np.uint64)
    blocks = blocks.reshape(values.shape[0] // 2, 2, height // 2, 2, width // 2, 2)
    return ((blocks.sum(axis=(1, 3, 5)) + 4) // 8).astype(values.dtype)


@pytest.mark.parametrize("name", ["raw", "sharded", "labels", "sharded labels"])
def test_cloud_volume(volumes, name):
    from cloudvolume import CloudVolume

    for mip, factor in enumerate((1, 2)):
        volume = CloudVolume(
            f"file://{volumes[name]}", mip=mip, progress=False, parallel=1, fill_missing=False
        )
        assert volume.resolution.tolist() == [side * factor for side in VOXEL_NM]
        assert (volume.layer_type, volume.provenance.sources) == (
            "segmentation" if "labels" in name else "image",
            [str(volumes[name].parent / ("labels.tif" if "labels" in name else "image.tif"))],
        )
        found = np.asarray(volume[:])[..., 0].T
        assert found.dtype == values_of(name).dtype
        if mip == 0:
            np.testing.assert_array_equal(found, values_of(name))
        elif "labels" not in name:
            np.testing.assert_array_equal(found, coarser(IMAGE))
        else:
            assert set(np.unique(found)) == set(np.unique(LABELS))


@pytest.mark.parametrize("name", ["raw", "sharded", "labels", "sharded labels"])
def test_tensorstore_precomputed(volumes, name):
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{volumes[name]}"}
    found = tensorstore.open(spec).result().read().result()[..., 0].T
    np.testing.assert_array_equal(found, values_of(name))


@pytest.mark.parametrize("name", ["zarr 3", "zarr 2", "zarr 2 labels"])
def test_zarr_and_tensorstore(volumes, name):
    version = int(name[5])
    group = zarr.open_group(volumes[name], mode="r")
    for path, factor in zarr_datasets(volumes[name]):
        driver = {3: "zarr3", 2: "zarr"}[version]
        spec = {"driver": driver, "kvstore": f"file://{volumes[name]}/{path}/"}
        by_tensorstore = tensorstore.open(spec).result().read().result()
        np.testing.assert_array_equal(group[path][:], by_tensorstore)
        assert group[path].metadata.zarr_format == version
        if factor == (1, 1, 1):
            np.testing.assert_array_equal(by_tensorstore, values_of(name))
        elif "labels" not in name:
            np.testing.assert_array_equal(by_tensorstore, coarser(IMAGE))
    assert [path for path, _ in zarr_datasets(volumes[name])] == ["0", "1"]


@pytest.mark.parametrize("name", ["zarr 3", "zarr 2", "zarr 2 labels"])
def test_ome_zarr(volumes, name):
    assert "Multiscales" in run("ome_zarr", "info", str(volumes[name]))
    program = (
        "import json, sys\n"
        "from ome_zarr.io import parse_url\n"
        "from ome_zarr.reader import Reader\n"
        "node = next(iter(Reader(parse_url(sys.argv[1]))()))\n"
        "sides = [each[0]['scale'] for each in node.metadata['coordinateTransformations']]\n"
        "print(json.dumps([[array.shape for array in node.data], sides, int(node.data[1].sum())]))\n"
    )
    printed = run(Path(sys.executable).name, "-c", program, str(volumes[name]))
    shapes, sides, total = json.loads(printed.splitlines()[-1])
    assert shapes == [[40, 260, 300], [20, 130, 150]]
    assert sides == [[40, 4, 4], [80, 8, 8]]
    assert "labels" in name or total == coarser(IMAGE).sum(dtype=int)


@pytest.mark.parametrize("name", ["raw", "sharded"])
def test_neuroglancer_scripts(volumes, name, tmp_path):
    printed = run("scale-stats", f"file://{volumes[name]}")
    assert "1_1_1" in printed and "2_2_2" in printed
    run("convert-chunks", "--copy-info", f"file://{volumes['raw']}", f"file://{tmp_path}/copy")
    assert (tmp_path / "copy" / "info").exists()


def igneous(folder, *arguments):
    """Plan tasks into a queue of files, and do them."""
    queue = f"fq://{folder}/queue{len(list(folder.iterdir()))}"
    run("igneous", *arguments, "--queue", queue)
    run("igneous", "execute", "--exit-on-empty", queue)


def copy_of(volume, folder):
    """Its own copy: igneous notes in the source's provenance what it does."""
    target = folder / "volume"
    subprocess.run(["cp", "-r", volume, target], check=True)
    return target


def read_with_cloud_volume(folder, mip=0):
    """igneous compresses what it writes, which tensorstore does not look for."""
    from cloudvolume import CloudVolume

    volume = CloudVolume(f"file://{folder}", mip=mip, progress=False, parallel=1, fill_missing=False)
    return np.asarray(volume[:])[..., 0].T


@pytest.mark.parametrize("name", ["raw", "labels"])
def test_igneous_copies(volumes, name, tmp_path):
    volume = copy_of(volumes[name], tmp_path)
    igneous(
        tmp_path, "image", "xfer", f"file://{volume}", f"file://{tmp_path}/copy", "--chunk-size", "32,32,32"
    )
    np.testing.assert_array_equal(read_with_cloud_volume(tmp_path / "copy"), values_of(name))
    assert main([str(volume)]) == 0


def test_igneous_adds_scales(volumes, tmp_path):
    volume = copy_of(volumes["raw"], tmp_path)
    igneous(tmp_path, "image", "downsample", f"file://{volume}", "--mip", "1", "--num-mips", "1")
    assert len(json.loads((volume / "info").read_text())["scales"]) == 3
    halved = coarser(IMAGE).reshape(20, 65, 2, 75, 2).mean(axis=(2, 4))
    assert np.abs(read_with_cloud_volume(volume, 2) - halved).max() <= 1


def test_igneous_makes_meshes(volumes, tmp_path):
    volume = copy_of(volumes["labels"], tmp_path)
    igneous(tmp_path, "mesh", "forge", f"file://{volume}", "--mip", "0")
    folder = volume / json.loads((volume / "info").read_text())["mesh"]
    fragments = {path.name.partition(":")[0] for path in folder.glob("*:0:*")}
    assert fragments == {str(label) for label in np.unique(LABELS) if label}
    assert main([str(volume)]) == 0
