"""Sharded volumes: few large files, each there whole or not at all."""

import io
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import tensorstore
import tifffile

from asap_ingest import storage
from asap_ingest.commands.volume_step import plan_lines
from asap_ingest.errors import ParameterError
from asap_ingest.execution import PoolExecutor, SerialExecutor
from asap_ingest.execution.progress import Progress
from asap_ingest.precomputed_tif import PrecomputedTif
from asap_ingest.volumes.grid import GridSettings, scales_of
from asap_ingest.volumes.shard_grid import shard_boxes, sharding_of
from asap_ingest.volumes.writing.sharded_writer import Shard
from asap_ingest.volumes.writing.unit import VolumeSettings
from asap_ingest.volumes.writing.volume_run import VolumeRun, build_volume
from asap_ingest.volumes.writing.write_plan import Budget, plan_volume, whole_source
from tests.conftest import listing
from tests.volumes.volumes import ArrayPlanes, make_volume, plan_of, random_array

#: For chunks of 4 x 4 x 4 bytes: shards of 8 chunks each, but for those at the ends.
EIGHT_CHUNKS = 3 * 8 * 64


def plan_with_shards(folder, array, limit=EIGHT_CHUNKS, kind="image"):
    """Shards as small as if memory were short, which units of these sizes would not bear."""
    plan = plan_of(folder, array, "sharded", chunk_size=(4, 4, 4), kind=kind)
    itemsize = array.dtype.itemsize
    scales = {
        scale.key: replace(scale, sharding=sharding_of(scale, itemsize, "raw", limit // 3))
        for scale in plan.scales
    }
    passes = tuple(
        tuple(replace(unit, scales=tuple(scales[scale.key] for scale in unit.scales)) for unit in units)
        for units in plan.passes
    )
    shards = tuple(
        Shard(scale, scale.sharding, box, plan.settings, itemsize)
        for scale in scales.values()
        for box in shard_boxes(scale, scale.sharding)
    )
    return replace(plan, scales=tuple(scales.values()), passes=passes, shards=shards)


def build(plan, executor=None, force_redo=False):
    run = VolumeRun(plan, {"sources": ["array"]}, force_redo)
    return build_volume(run, executor or SerialExecutor(), Progress("unit", io.StringIO()))


def samples_of(folder, scale_index=0):
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}", "scale_index": scale_index}
    return tensorstore.open(spec).result()[..., 0].read().result().transpose(2, 1, 0)


@pytest.mark.parametrize("kind", ["image", "segmentation"])
@pytest.mark.parametrize("shape", [(9, 10, 23), (1, 30, 17), (30, 17, 1)])
def test_voxels_are_those_of_a_raw_volume(tmp_path, shape, kind):
    array = random_array(shape, "uint16") % np.uint16(500)
    assert build(plan_with_shards(tmp_path / "sharded", array, kind=kind)).failures == []
    make_volume(tmp_path / "raw", array, "raw", chunk_size=(4, 4, 4), kind=kind)
    for index in range(2):
        np.testing.assert_array_equal(
            samples_of(tmp_path / "sharded", index), samples_of(tmp_path / "raw", index)
        )


def test_files_are_shards_and_nothing_else(tmp_path):
    plan = plan_with_shards(tmp_path, random_array((9, 10, 23)))
    report = build(plan)
    expected = {str(shard.uri).removeprefix(f"{tmp_path}/") for shard in plan.shards}
    assert set(listing(tmp_path)) == expected | {"info", "provenance"}
    assert report.shards_written == len(expected) > 4
    assert not (tmp_path / ".raw").exists()


def test_chunks_of_zeros_are_there_too(tmp_path):
    make_volume(tmp_path, np.zeros((9, 10, 23), np.uint8), "sharded")
    assert (tmp_path / "1_1_1/0.shard").stat().st_size > 9 * 10 * 23
    assert not samples_of(tmp_path).any()


def test_bytes_are_the_same_whoever_writes_them(tmp_path):
    array = random_array((9, 10, 23), "uint32")
    build(plan_with_shards(tmp_path / "serial", array))
    build(plan_with_shards(tmp_path / "again", array))
    build(plan_with_shards(tmp_path / "pool", array), PoolExecutor(2))
    assert listing(tmp_path / "serial") == listing(tmp_path / "again") == listing(tmp_path / "pool")


def test_labels_are_compressed(tmp_path):
    make_volume(tmp_path, np.ones((20, 64, 64), np.uint32), "sharded", kind="segmentation")
    info = json.loads((tmp_path / "info").read_text())
    assert info["scales"][0]["sharding"]["data_encoding"] == "gzip"
    assert (tmp_path / "1_1_1/0.shard").stat().st_size < 20_000
    assert (samples_of(tmp_path) == 1).all()


def test_complete_volume_is_left_alone(tmp_path):
    plan = plan_with_shards(tmp_path, random_array((9, 10, 23)))
    build(plan)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.shard")}
    report = build(plan)
    assert (report.chunks_written, report.shards_written) == (0, 0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.shard")} == before


def test_only_what_a_missing_shard_holds_is_made_again(tmp_path):
    plan = plan_with_shards(tmp_path, random_array((30, 10, 23)))
    build(plan)
    before = listing(tmp_path)
    lost = plan.shards[0]
    storage.remove(lost.uri)
    report = build(plan)
    assert report.shards_written == 1
    assert report.units_skipped > 0
    assert listing(tmp_path) == before


def test_redo_writes_all_again(tmp_path):
    array = random_array((9, 10, 23))
    plan = plan_with_shards(tmp_path, array)
    build(plan)
    before = listing(tmp_path)
    storage.write_bytes(plan.shards[0].uri, b"spoiled")
    assert build(plan, force_redo=True).shards_written == len(plan.shards)
    assert listing(tmp_path) == before


def test_other_sources_leave_no_old_shard(tmp_path):
    build(plan_with_shards(tmp_path, random_array((9, 10, 23))))
    plan = plan_with_shards(tmp_path, random_array((9, 10, 23), seed=1))
    run = VolumeRun(plan, {"sources": ["another"]}, True)
    build_volume(run, SerialExecutor(), Progress("unit", io.StringIO()))
    np.testing.assert_array_equal(samples_of(tmp_path), random_array((9, 10, 23), seed=1))


class Torn(ArrayPlanes):
    """A source that cannot read its last planes."""

    def read(self, z, rows, columns):
        if z >= 5:
            raise OSError("the disk is gone")
        return super().read(z, rows, columns)


def test_no_shard_is_made_of_half_the_chunks(tmp_path):
    array = random_array((9, 10, 23))
    plan = plan_with_shards(tmp_path, array)
    broken = tuple(tuple(replace(unit, source=Torn(array)) for unit in units) for units in plan.passes)
    assert build(replace(plan, passes=broken)).failures
    assert not list(tmp_path.rglob("*.shard"))
    assert not (tmp_path / "info").exists()
    assert build(plan).failures == []
    np.testing.assert_array_equal(samples_of(tmp_path), array)


def test_shard_that_cannot_be_made_is_a_failure_and_no_volume(tmp_path):
    plan = plan_with_shards(tmp_path, random_array((9, 10, 23)))
    (tmp_path / "2_2_2").write_bytes(b"in the way")
    report = build_after_provenance(plan, tmp_path)
    assert {failure.box for failure in report.failures}
    assert not (tmp_path / "info").exists()
    (tmp_path / "2_2_2").unlink()
    assert build(plan).failures == []


def build_after_provenance(plan, folder):
    """A run that finds its own provenance, so that it takes the folder for its own."""
    from asap_ingest.volumes.writing.volume_run import provenance_json

    (folder / "provenance").write_bytes(provenance_json(VolumeRun(plan, {"sources": ["array"]})))
    return build(plan)


def test_volume_in_a_file_system_of_fsspec():
    plan = plan_with_shards("memory://bucket/sharded", random_array((9, 10, 23)))
    assert build(plan).failures == []
    assert storage.names_in("memory://bucket/sharded") == {"1_1_1", "2_2_2", "info", "provenance"}
    storage.remove_folder("memory://bucket")
    assert storage.names_in("memory://bucket/sharded") == set()


def test_plan_fits_the_memory_and_says_so():
    source = ArrayPlanes(np.zeros((64, 256, 256), np.uint8))
    scales = scales_of(source.size, (4.0, 4.0, 40.0), GridSettings(1, (16, 16, 16)))
    part = whole_source(source, scales, VolumeSettings("somewhere", "sharded"))
    for memory in (3_000_000, 500_000):
        plan = plan_volume(part, Budget(memory, 1))
        assert plan.memory_bytes <= memory
        (line,) = (line for line in plan_lines(plan) if "shards" in line)
        assert line.startswith(f"{len(plan.shards)} shard")
    assert len(plan.shards) > 16


@pytest.fixture
def stack(tmp_path):
    array = random_array((40, 150, 170))
    for z, plane in enumerate(array):
        tifffile.imwrite(tmp_path / f"plane_{z}.tif", plane)
    return tmp_path / "plane_*.tif"


def arguments_of(stack, dest):
    return [
        *("--source", str(stack), "--dest", str(dest), "--format", "sharded", "--chunk_size", "8,8,8"),
        *("--voxel_size", "4,4,40", "--levels", "2", "--memory", "400KB", "--pool_size", "2"),
    ]


def test_without_tensorstore_nothing_is_begun(stack, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(ParameterError, match=r"pip install 'asap_ingest\[volumes\]'"):
        PrecomputedTif(args=arguments_of(stack, tmp_path / "volume")).run()
    assert not (tmp_path / "volume").exists()


@pytest.mark.long
@pytest.mark.slow
def test_kill_at_any_moment_and_a_rerun_give_the_same_volume(stack, tmp_path):
    program = [sys.executable, "-m", "asap_ingest.precomputed_tif"]
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    subprocess.run([*program, *arguments_of(stack, whole)], check=True, capture_output=True)
    moments = [
        lambda: len(list((torn / ".raw/1_1_1").glob("*"))) > 200,
        lambda: len(list(torn.glob("*/*.shard"))) > 2,
        lambda: len(list(torn.glob("*/*.shard"))) > 12,
    ]
    for has_come in moments:
        with subprocess.Popen(
            [*program, *arguments_of(stack, torn)], stdout=subprocess.DEVNULL, start_new_session=True
        ) as process:
            deadline = time.monotonic() + 60
            while not has_come() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (torn / "info").exists()
    subprocess.run([*program, *arguments_of(stack, torn)], check=True, capture_output=True)
    assert listing(torn) == listing(whole)
