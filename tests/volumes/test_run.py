"""One run of a volume: what is left to do, failures, other origins; over every executor, and to S3."""

# ruff: noqa: F401, F811 - fixtures are imported

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError, VolumeError
from asap_ingest.execution import PoolExecutor, SerialExecutor
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.writing.volume_run import VolumeRun, build_volume
from asap_ingest.volumes.writing.write_plan import Budget, plan_volume, whole_source
from tests.conftest import listing
from tests.s3 import bucket, credentials, inside, store
from tests.volumes.reading import read_volume
from tests.volumes.volumes import ArrayPlanes, plan_of, random_array

FORMATS = ["raw", "tiff", "zarr"]
ARRAY = random_array((70, 90, 60))


def run_of(folder, chunk_format="raw", array=ARRAY, workers=2, origin="array", **changes):
    plan = plan_of(folder, array, chunk_format, levels=3)
    part = whole_source(changes.pop("source", ArrayPlanes(array)), plan.scales, plan.settings)
    return VolumeRun(plan_volume(part, Budget(2**28, workers)), {"sources": [origin]}, **changes)


def build(run, executor=None):
    return build_volume(run, executor or SerialExecutor(), Progress("part", io.StringIO()))


def times(folder):
    return {str(path): path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Faulty(ArrayPlanes):
    """Planes from 64 on cannot be read while a file is there."""

    marker: str = ""

    def read(self, z, rows, columns):
        if z >= 64 and Path(self.marker).exists():
            raise ImageError("plane.tif: damaged")
        return super().read(z, rows, columns)


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_a_rerun_has_nothing_to_do(tmp_path, chunk_format):
    first = build(run_of(tmp_path, chunk_format))
    before = times(tmp_path)
    second = build(run_of(tmp_path, chunk_format))
    assert first.units_skipped == 0
    assert first.units > 1
    assert (second.units_skipped, second.chunks_written) == (first.units, 0)
    chunks = {path: time for path, time in before.items() if not path.endswith(("info", "zarr.json"))}
    assert chunks.items() <= times(tmp_path).items()


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_a_rerun_writes_what_is_missing(tmp_path, chunk_format):
    run = run_of(tmp_path, chunk_format)
    build(run)
    whole = listing(tmp_path)
    lost = run.plan.units[1]
    scale = lost.scales[-1]
    chunk = next(scale.chunks_in(lost.box_at(scale)))
    Path(run.plan.settings.chunk_uri(scale, chunk)).unlink()
    report = build(run_of(tmp_path, chunk_format))
    assert report.units_skipped == report.units - 1
    assert listing(tmp_path) == whole


def test_force_redo_writes_everything(tmp_path):
    build(run_of(tmp_path))
    damaged = next((tmp_path / "1_1_1").iterdir())
    damaged.write_bytes(b"damaged")
    assert build(run_of(tmp_path)).chunks_written == 0
    report = build(run_of(tmp_path, force_redo=True))
    assert (report.units_skipped, report.chunks_written) == (0, run_of(tmp_path).plan.chunk_count)
    np.testing.assert_array_equal(read_volume(tmp_path, "raw")[0], ARRAY)


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_a_rerun_leaves_what_others_added(tmp_path, chunk_format):
    """Meshes that `info` names, a record of a later step in `provenance`."""
    run = run_of(tmp_path, chunk_format)
    build(run)
    for name in (list(run.description)[-1], "provenance"):
        said = json.loads((tmp_path / name).read_bytes())
        said["mesh"] = "mesh"
        said.setdefault("processing", []).append({"by": "someone", "method": "else"})
        (tmp_path / name).write_text(json.dumps(said))
    before = listing(tmp_path)
    assert build(run_of(tmp_path, chunk_format)).chunks_written == 0
    assert listing(tmp_path) == before


def test_failures_are_listed_and_the_folder_is_no_volume(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    folder = tmp_path / "volume"
    source = Faulty(ARRAY, str(marker))
    report = build(run_of(folder, source=source, workers=4))
    assert [failure.reason for failure in report.failures] == ["plane.tif: damaged"] * len(report.failures)
    assert report.failures
    assert "x, y, z from (0, 0, 64) to (60, 64, 70)" in [failure.box for failure in report.failures]
    assert not (folder / "info").exists()
    marker.unlink()
    assert build(run_of(folder, source=source, workers=4)).failures == []
    np.testing.assert_array_equal(read_volume(folder, "raw")[0], ARRAY)


def test_units_beside_a_failure_are_written(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    array = random_array((150, 20, 20))
    source = Faulty(array, str(marker))
    report = build(run_of(tmp_path / "volume", array=array, source=source, workers=1))
    assert (report.units, len(report.failures)) == (3, 2)
    marker.unlink()
    again = build(run_of(tmp_path / "volume", array=array, source=source, workers=1))
    assert again.units_skipped == 1


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_a_volume_that_lost_a_chunk_and_cannot_be_mended_is_none(tmp_path, chunk_format):
    marker, folder = tmp_path / "marker", tmp_path / "volume"
    source = Faulty(ARRAY, str(marker))
    run = run_of(folder, chunk_format, source=source)
    build(run)
    marker.touch()
    lost = run.plan.scales[0]
    Path(run.plan.settings.chunk_uri(lost, list(lost.chunks_in(lost.box))[-1])).unlink()
    assert build(run_of(folder, chunk_format, source=source)).failures
    last = list(run.description)[-1]
    assert not (folder / last).exists()


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_another_origin_is_refused(tmp_path, chunk_format):
    build(run_of(tmp_path, chunk_format))
    before = times(tmp_path)
    with pytest.raises(
        VolumeError, match="other sources or parameters; name another folder, or set force_redo"
    ):
        build(run_of(tmp_path, chunk_format, origin="other"))
    assert times(tmp_path) == before


def test_force_redo_replaces_another_origin(tmp_path):
    build(run_of(tmp_path))
    other = random_array((70, 90, 60), seed=1)
    report = build(run_of(tmp_path, array=other, origin="other", force_redo=True))
    assert report.chunks_written == run_of(tmp_path).plan.chunk_count
    np.testing.assert_array_equal(read_volume(tmp_path, "raw")[0], other)


def test_force_redo_does_not_mix_layouts(tmp_path):
    build(run_of(tmp_path))
    before = times(tmp_path)
    other = random_array((70, 90, 61))
    with pytest.raises(VolumeError, match="another size or layout; remove it first"):
        build(run_of(tmp_path, array=other, origin="other", force_redo=True))
    assert times(tmp_path) == before


@pytest.mark.parametrize("force_redo", [False, True])
def test_a_folder_with_other_files_is_refused(tmp_path, force_redo):
    (tmp_path / "thesis.docx").write_bytes(b"")
    with pytest.raises(VolumeError, match=r"is not empty and holds no volume.*\(thesis.docx\)"):
        build(run_of(tmp_path, force_redo=force_redo))
    assert set(listing(tmp_path)) == {"thesis.docx"}


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b'{"processing": []}', b'{"processing": {}}'])
def test_a_provenance_of_other_programs_is_refused(tmp_path, content):
    (tmp_path / "provenance").write_bytes(content)
    for force_redo in (False, True):
        with pytest.raises(VolumeError):
            build(run_of(tmp_path, force_redo=force_redo))
    assert listing(tmp_path) == {"provenance": content}


def test_a_destination_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    for folder in ("file", "file/volume"):
        with pytest.raises(StorageError, match="cannot be written"):
            build(run_of(tmp_path / folder))


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_provenance_comes_first_and_the_description_last(tmp_path, chunk_format, monkeypatch):
    written = []
    write = storage.write_bytes
    monkeypatch.setattr(
        storage, "write_bytes", lambda uri, content: (written.append(uri), write(uri, content))
    )
    run = run_of(tmp_path, chunk_format)
    build(run)
    names = [str(Path(uri).relative_to(tmp_path)) for uri in written]
    assert names[0] == "provenance"
    assert names[-1] == {"raw": "info", "tiff": "info", "zarr": "zarr.json"}[chunk_format]
    assert names[-len(run.description) :] == list(run.description)


def test_provenance_says_where_the_voxels_are_from(tmp_path):
    build(run_of(tmp_path, origin="planes.tif"))
    said = json.loads((tmp_path / "provenance").read_bytes())
    assert said["sources"] == ["planes.tif"]
    assert said["processing"][0]["by"] == "asap_ingest"
    assert said["processing"][0]["method"]["layout"] == {"info": json.loads((tmp_path / "info").read_bytes())}


def test_progress_counts_units(tmp_path):
    stream = io.StringIO()
    run = run_of(tmp_path)
    build_volume(run, SerialExecutor(), Progress("part", stream, interval_s=0))
    last = json.loads(stream.getvalue().splitlines()[-1])["progress"]
    assert (last["parts"], last["of"]) == (len(run.plan.units),) * 2


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_executors_write_the_same_bytes(tmp_path, chunk_format):
    from asap_ingest.execution.dask_cluster import DaskExecutor

    executors = {"serial": SerialExecutor(), "pool": PoolExecutor(2)}
    if chunk_format == "raw":
        executors["dask"] = DaskExecutor("local", 2)
    volumes = []
    for name, executor in executors.items():
        run = run_of(tmp_path / name, chunk_format)
        assert len(run.plan.units) > 1
        report = build(run, executor)
        assert report.failures == []
        assert report.chunks_written == run.plan.chunk_count
        volumes.append(listing(tmp_path / name))
    assert all(volume == volumes[0] for volume in volumes)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "chunk_format"),
    [(SerialExecutor(), "raw"), *((PoolExecutor(2), chunk_format) for chunk_format in FORMATS)],
    ids=["serial-raw", *(f"pool-{chunk_format}" for chunk_format in FORMATS)],
)
def test_a_volume_in_an_object_store(store, bucket, inside, tmp_path, chunk_format, executor):
    def remote(**changes):
        return run_of(f"{bucket}/volume", chunk_format, workers=2, **changes)

    build(run_of(tmp_path / "volume", chunk_format))
    report = build(remote(), executor)
    assert report.failures == []
    objects = store.objects(bucket)
    assert {key.removeprefix("volume/"): content for key, content in objects.items()} == listing(
        tmp_path / "volume"
    )
    lost = sorted(key for key in objects if "1_1_1/" in key and not key.endswith("json"))[0]
    storage.remove(f"{bucket}/{lost}")
    again = build(remote(), executor)
    assert again.units_skipped == again.units - 1
    assert store.objects(bucket) == objects
    with pytest.raises(VolumeError, match="other sources"):
        build(remote(origin="other"))


@pytest.mark.slow
def test_a_bucket_that_is_not_there(store, inside):
    with pytest.raises(StorageError, match="no such bucket"):
        build(run_of("s3://absent-bucket/volume"))
