"""The check finds each fault of voxels, files and scales: in volumes that were spoiled."""

import json
import shutil

import numpy as np
import pytest

from asap_ingest.check_precomputed import check_precomputed
from tests.volumes.checking import FORMATS, SHAPE_ZYX, change_json, faults_of, noise_volume
from tests.volumes.volumes import make_volume, random_array


@pytest.fixture
def volume(tmp_path):
    return noise_volume(tmp_path / "volume")


@pytest.mark.parametrize("chunk_format", FORMATS)
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("uint8", "image"), ("uint16", "image"), ("uint32", "segmentation"), ("float32", "image")],
)
@pytest.mark.parametrize(
    ("shape", "factor"),
    [(SHAPE_ZYX, (2, 2, 2)), ((1, 21, 37), (3, 2, 1)), ((13, 1, 37), (2, 2, 2)), ((9, 17, 1), (3, 3, 3))],
)
def test_finds_no_fault_in_what_is_written(tmp_path, chunk_format, dtype, kind, shape, factor):
    noise_volume(tmp_path / "v", chunk_format, shape, dtype, kind=kind, factor=factor, chunk_size=(5, 7, 3))
    assert faults_of(tmp_path / "v") == []
    assert faults_of(tmp_path / "v", "chunks") == []


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_knows_the_offset(tmp_path, chunk_format):
    noise_volume(tmp_path / "v", chunk_format, offset=(8, 16, 4))
    assert faults_of(tmp_path / "v") == []


def test_few_labels_have_modes_that_several_blocks_share(tmp_path):
    make_volume(tmp_path / "v", random_array(SHAPE_ZYX) % np.uint8(3), kind="segmentation", levels=3)
    assert faults_of(tmp_path / "v") == []


def test_nan_and_infinity_are_means_where_they_are_in_a_block(tmp_path):
    samples = random_array(SHAPE_ZYX, "float32")
    samples[3, 4, 5], samples[6, 7, 8], samples[0, 0, 0] = np.nan, np.inf, -np.inf
    make_volume(tmp_path / "v", samples, levels=3)
    assert faults_of(tmp_path / "v") == []


def test_chunk_that_is_missing(volume):
    (volume / "2_2_2/8-16_0-8_0-7").unlink()
    for depth in ("voxels", "chunks"):
        assert faults_of(volume, depth) == ["2_2_2/8-16_0-8_0-7: missing"]
    assert faults_of(volume, "levels") == []


def test_chunk_of_the_finest_scale_that_is_missing_is_one_fault_only(volume):
    (volume / "1_1_1/8-16_0-8_0-8").unlink()
    assert faults_of(volume) == ["1_1_1/8-16_0-8_0-8: missing"]


def test_file_that_does_not_belong_there(volume):
    (volume / "1_1_1/0-7_0-8_0-8").write_bytes(b"")
    (volume / "1_1_1/notes.txt").write_bytes(b"")
    (volume / ".raw").mkdir()
    (volume / ".raw/0-8_0-8_0-8").write_bytes(b"")
    names = [fault.partition(":")[0] for fault in faults_of(volume)]
    assert sorted(names) == [".raw/0-8_0-8_0-8", "1_1_1/0-7_0-8_0-8", "1_1_1/notes.txt"]


def test_chunk_of_a_wrong_length(volume):
    chunk = volume / "1_1_1/32-37_0-8_0-8"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    for depth in ("voxels", "chunks"):
        assert faults_of(volume, depth) == [
            "1_1_1/32-37_0-8_0-8: has 319 bytes; 5 x 8 x 8 voxels of uint8 take 320"
        ]


def test_voxel_that_is_one_grey_value_off(volume):
    chunk = volume / "4_4_4/0-8_0-6_0-4"
    content = bytearray(chunk.read_bytes())
    content[8 * 6 * 2 + 8 * 3 + 5] ^= 1
    chunk.write_bytes(bytes(content))
    assert faults_of(volume) == [
        "scale 4_4_4 chunk at (0, 0, 0): 1 of 192 voxels are not the mean of the finest scale; "
        "the first at (5, 3, 2)"
    ]
    assert faults_of(volume, "chunks") == []


def test_voxel_of_the_finest_scale_that_changed_shows_in_the_next(volume):
    chunk = volume / "1_1_1/8-16_0-8_0-8"
    content = bytearray(chunk.read_bytes())
    content[0] ^= 128
    chunk.write_bytes(bytes(content))
    assert any(fault.startswith("scale 2_2_2 chunk at (0, 0, 0): 1 of") for fault in faults_of(volume))


def test_truncated_means_are_faults(tmp_path):
    """Levels from levels, each cut to whole numbers: what many programs do."""
    samples = random_array((8, 8, 8))
    make_volume(tmp_path / "v", samples, levels=2, chunk_size=(8, 8, 8))
    sums = samples.reshape(4, 2, 4, 2, 4, 2).sum(axis=(1, 3, 5), dtype=np.uint64)
    (tmp_path / "v/2_2_2/0-4_0-4_0-4").write_bytes((sums // 8).astype(np.uint8).tobytes())
    cut = int((sums % 8 > 4).sum())
    assert faults_of(tmp_path / "v")[0].startswith(f"scale 2_2_2 chunk at (0, 0, 0): {cut} of 64 voxels")


def test_float_mean_that_is_off(tmp_path):
    noise_volume(tmp_path / "v", dtype="float32", levels=2)
    chunk = tmp_path / "v/2_2_2/0-8_0-8_0-7"
    samples = np.frombuffer(chunk.read_bytes(), "<f4").copy()
    samples[7] *= 1.00001
    chunk.write_bytes(samples.tobytes())
    assert faults_of(tmp_path / "v") == [
        "scale 2_2_2 chunk at (0, 0, 0): 1 of 448 voxels are not the mean of the finest scale; "
        "the first at (7, 0, 0)"
    ]


def test_label_that_is_no_mode(tmp_path):
    labels = np.ones((8, 8, 8), np.uint32)
    labels[0, 0, 1] = 7
    make_volume(tmp_path / "v", labels, kind="segmentation", levels=2, chunk_size=(8, 8, 8))
    chunk = tmp_path / "v/2_2_2/0-4_0-4_0-4"
    modes = np.frombuffer(chunk.read_bytes(), "<u4").copy()
    modes[0] = 7
    chunk.write_bytes(modes.tobytes())
    assert faults_of(tmp_path / "v") == [
        "scale 2_2_2 chunk at (0, 0, 0): 1 of 64 voxels are not the most frequent label of the scale before; "
        "the first at (0, 0, 0)"
    ]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("size", [18, 11, 7], "scale 2_2_2: size is (18, 11, 7); (37, 21, 13) over (2, 2, 2)"),
        ("resolution", [9, 8, 80], "scale 2_2_2: resolution is (9, 8, 80) nm, not a whole multiple"),
        ("resolution", [10**400, 8, 80], "info: scales[1].resolution: is [1000"),
        ("voxel_offset", [1, 0, 0], "scale 2_2_2: begins at (8.0, 0.0, 0.0) nm"),
        ("voxel_offset", [10**400, 0, 0], "info: scales[1].voxel_offset: is [1000"),
        ("size", [19, 11], "info: scales[1].size: is [19, 11]; it must be three numbers"),
        ("size", [19, 11, 0], "info: scales[1].size: is [19, 11, 0]"),
        ("size", [19, 11, True], "info: scales[1].size"),
        ("encoding", "jpg", "info: scales[1].encoding: is 'jpg'; known are 'raw'"),
        ("chunk_sizes", [], "info: scales[1].chunk_sizes: is []"),
        ("key", "1_1_1", "info: scales: two have the same key"),
        ("key", "../1_1_1", "info: scales[1].key"),
        ("sharding", {"@type": "x"}, "info: scales[1].sharding.@type: is 'x'"),
    ],
)
def test_scale_that_is_not_described_right(volume, field, value, problem):
    change_json(volume / "info", lambda info: info["scales"][1].update({field: value}))
    assert [fault for fault in faults_of(volume, "levels") if fault.startswith(problem)]


def test_resolutions_whose_ratio_is_no_number(volume):
    change_json(volume / "info", lambda info: info["scales"][0].update(resolution=[1e-300] * 3))
    change_json(volume / "info", lambda info: info["scales"][1].update(resolution=[1e100] * 3))
    assert faults_of(volume, "levels")[0].startswith("scale 2_2_2: resolution is (1e+100, 1e+100, 1e+100) nm")


@pytest.mark.parametrize("resolution", [10**99, 1e99])
def test_a_corner_that_is_very_far_away(volume, resolution):
    change = {"resolution": [resolution, 1, 1], "voxel_offset": [2**63 - 1, 0, 0]}
    change_json(volume / "info", lambda info: info["scales"][0].update(change))
    assert "1_1_1/0-8_0-8_0-8: does not belong to the volume" in faults_of(volume)


@pytest.mark.parametrize("name", ["a\0b", "n" * 300])
def test_folders_that_no_file_system_can_have(volume, name):
    change_json(volume / "info", lambda info: info.update(mesh=name))
    change_json(volume / "info", lambda info: info["scales"][1].update(key=name))
    for depth in ("voxels", "chunks"):
        check = check_precomputed(str(volume), depth)
        missing = next(group for group in check.findings.groups if group.where == f"scale {name}")
        assert str(next(iter(missing.examples.values()))).endswith(": missing")
        assert f"folder {name} (mesh): info names it, but it is not there" in check.findings.not_known


@pytest.mark.parametrize(
    ("field", "value"),
    [("data_type", "uint7"), ("type", "picture"), ("num_channels", 0), ("scales", []), ("scales", [1])],
)
def test_info_that_is_ill_formed(volume, field, value):
    change_json(volume / "info", lambda info: info.update({field: value}))
    (fault,) = faults_of(volume)
    assert fault.startswith(f"info: {field}")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_info_that_is_no_object(volume, content):
    (volume / "info").write_bytes(content)
    (fault,) = faults_of(volume)
    assert fault.startswith("info: ")


def test_volume_that_was_not_completed(volume):
    (volume / "info").unlink()
    (fault,) = faults_of(volume)
    assert fault.startswith("info: missing")


@pytest.mark.parametrize("side", [2000, 10**6, 10**7])
def test_a_chunk_of_a_size_that_no_memory_holds_is_a_fault(tmp_path, side):
    scale = {"key": "1_1_1", "encoding": "raw", "resolution": [1, 1, 1], "voxel_offset": [0, 0, 0]}
    scale |= {"size": [side] * 3, "chunk_sizes": [[side] * 3]}
    info = {"type": "image", "data_type": "uint8", "num_channels": 1, "scales": [scale]}
    (tmp_path / "1_1_1").mkdir()
    (tmp_path / "info").write_text(json.dumps(info))
    (tmp_path / f"1_1_1/0-{side}_0-{side}_0-{side}").write_bytes(b"1")
    check = check_precomputed(str(tmp_path))
    assert "read, not compared: a chunk has more than 1,000,000,000 voxels" in check.findings.notes[0]
    assert f"has 1 bytes; {side} x {side} x {side} voxels of uint8 take {side**3}" in str(
        check.findings.faults[0]
    )


def test_scales_that_are_no_multiples_are_read_and_the_note_says_so(volume):
    change_json(volume / "info", lambda info: info["scales"][2].update({"chunk_sizes": [[10, 6, 4]]}))
    shutil.move(volume / "4_4_4/0-8_0-6_0-4", volume / "4_4_4/0-10_0-6_0-4")
    check = check_precomputed(str(volume))
    assert "voxels of scale 4_4_4 are read, not compared" in check.findings.notes[0]
    assert "4_4_4/0-10_0-6_0-4: has 192 bytes" in str(check.findings.faults[0])
