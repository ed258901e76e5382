"""What is right but not known here is no fault; faults of one kind are told together."""

import gzip
import json
import tracemalloc

import imagecodecs
import pytest

from asap_ingest.check_precomputed import check_precomputed, main
from tests.volumes.checking import change_json, faults_of, noise_volume
from tests.volumes.others import not_known
from tests.volumes.volumes import make_volume, random_array


@pytest.fixture
def volume(tmp_path):
    return noise_volume(tmp_path / "volume")


@pytest.mark.parametrize("encoding", ["jpeg", "png", "jxl", "compressed_segmentation", "compresso"])
@pytest.mark.parametrize("chunk_format", ["raw", "sharded"])
def test_other_encodings_are_looked_up_and_the_line_says_so(tmp_path, encoding, chunk_format, capsys):
    folder = noise_volume(tmp_path / "v", chunk_format)
    change_json(folder / "info", lambda info: info["scales"][1].update(encoding=encoding))
    for depth in ("voxels", "chunks", "levels"):
        assert not_known(folder, depth) == [f"scale 2_2_2: encoding {encoding!r}"]
    assert main([str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-2] == f"not known here: scale 2_2_2: encoding {encoding!r}"
    assert out[-1].startswith("no faults, 1 not known here and not checked (3 scales")


def test_chunk_of_another_encoding_that_is_missing_or_empty(volume):
    change_json(volume / "info", lambda info: info["scales"][0].update(encoding="jpeg"))
    (volume / "1_1_1/0-8_0-8_0-8").unlink()
    (volume / "1_1_1/8-16_0-8_0-8").write_bytes(b"")
    assert faults_of(volume) == ["1_1_1/0-8_0-8_0-8: missing", "1_1_1/8-16_0-8_0-8: is empty"]


@pytest.mark.parametrize("chunk_format", ["raw", "tiff", "sharded"])
def test_channels(tmp_path, chunk_format):
    folder = noise_volume(tmp_path / "v", chunk_format)
    change_json(folder / "info", lambda info: info.update(num_channels=3))
    assert not_known(folder) == [f"scale {key}: 3 channels" for key in ("1_1_1", "2_2_2", "4_4_4")]


def test_chunks_of_several_sizes(volume):
    change_json(volume / "info", lambda info: info["scales"][2]["chunk_sizes"].append([16, 16, 16]))
    assert not_known(volume, "levels") == ["scale 4_4_4: chunks of other sizes than the first, (8, 8, 8)"]


def test_fields_and_folders_of_others(volume):
    change_json(
        volume / "info", lambda info: info.update(mesh="mesh_mip_2", vertex_index="index", app={"a": 1})
    )
    for name in ("mesh_mip_2/info", "mesh_mip_2/1:0", "index/a"):
        (volume / name).parent.mkdir(exist_ok=True)
        (volume / name).write_text('{"@type": "neuroglancer_legacy_mesh"}')
    assert not_known(volume) == [
        "info: fields vertex_index, app",
        "folder mesh_mip_2 (mesh): only its info is read",
    ]


def test_mesh_of_older_programs_has_no_info(volume):
    change_json(volume / "info", lambda info: info.update(mesh="mesh"))
    assert not_known(volume) == ["folder mesh (mesh): info names it, but it is not there"]
    (volume / "mesh").mkdir()
    assert not_known(volume) == ["folder mesh (mesh): it has no info"]


def test_skeletons_that_are_none(volume):
    change_json(volume / "info", lambda info: info.update(skeletons="skeletons"))
    assert not_known(volume) == ["folder skeletons (skeletons): info names it, but it is not there"]
    (volume / "skeletons").mkdir()
    assert faults_of(volume) == ["skeletons/info: missing; the volume's info names the folder as skeletons"]
    (volume / "skeletons/info").write_text('{"@type": "neuroglancer_legacy_mesh"}')
    (fault,) = faults_of(volume)
    assert fault.startswith("skeletons/info: @type: is 'neuroglancer_legacy_mesh'; known are")


def labels_with_names(folder, ids=("5",), values=("nucleus",)):
    """Labels and what they are called, as other programs lay them beside the scales."""
    labels = (random_array((6, 16, 16)) % 2 * 5).astype("uint32")
    make_volume(folder, labels, kind="segmentation", chunk_size=(8, 8, 8))
    change_json(folder / "info", lambda info: info.update(segment_properties="segment_properties"))
    named = [{"id": "label", "type": "label", "values": list(values)}]
    content = {"@type": "neuroglancer_segment_properties", "inline": {"ids": list(ids), "properties": named}}
    (folder / "segment_properties").mkdir()
    (folder / "segment_properties/info").write_text(json.dumps(content))
    return folder


def test_labels_with_names(tmp_path):
    folder = labels_with_names(tmp_path / "v")
    assert not_known(folder) == []
    # the folders of meshes and skeletons are often named before there are any
    change_json(folder / "info", lambda info: info.update(mesh="mesh", skeletons="skeletons"))
    assert not_known(folder) == [
        "folder mesh (mesh): info names it, but it is not there",
        "folder skeletons (skeletons): info names it, but it is not there",
    ]
    assert main([str(folder)]) == 0


@pytest.mark.parametrize(
    ("ids", "values", "problem"),
    [
        ([5], ["nucleus"], "inline.ids: has 5; labels are written as strings of digits"),
        (["5", "5"], ["a", "b"], "inline.ids: a label occurs twice"),
        (["5", "6"], ["nucleus"], "inline.properties[0].values: has 1 values for 2 ids"),
    ],
)
def test_names_of_labels_that_are_wrong(tmp_path, ids, values, problem):
    folder = labels_with_names(tmp_path / "v", ids, values)
    assert faults_of(folder, "levels") == [f"segment_properties/info: {problem}"]


def test_names_of_labels_that_are_missing(tmp_path):
    folder = labels_with_names(tmp_path / "v")
    (folder / "segment_properties/info").unlink()
    (fault,) = faults_of(folder)
    assert fault.startswith("segment_properties/info: missing")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sources": [{"file": "a.tif"}]}, "sources must be a list of different strings"),
        ({"sources": "a.tif"}, "sources must be a list of different strings"),
        ({"owners": ["a", "a"]}, "owners must be a list of different strings"),
        ({"description": 3}, "description must be a string"),
        ({"processing": ["scaled"]}, "processing must be a list of objects with by and method"),
        ({"processing": [{"by": "me"}]}, "processing must be a list of objects with by and method"),
        ({"processing": {"by": "me", "method": "x"}}, "processing must be a list of objects"),
    ],
)
def test_record_that_other_programs_refuse(volume, changes, problem):
    change_json(volume / "provenance", lambda record: record.update(changes))
    (fault,) = faults_of(volume, "levels")
    assert fault.startswith(f"provenance: {problem}")


@pytest.mark.parametrize(
    "changes", [{"sources": [{"file": "a"}]}, {"owners": ["a", "a"]}, {"processing": ["a"]}]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")
def test_cloud_volume_refuses_such_a_record(volume, changes):
    from cloudvolume import CloudVolume
    from python_jsonschema_objects import ValidationError

    CloudVolume(f"file://{volume}", progress=False)
    change_json(volume / "provenance", lambda record: record.update(changes))
    with pytest.raises(ValidationError):
        CloudVolume(f"file://{volume}", progress=False)


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [(".gz", gzip.compress), (".br", imagecodecs.brotli_encode), (".zstd", imagecodecs.zstd_encode)],
)
def test_compressed_chunks(volume, suffix, encode):
    for path in [*volume.glob("2_2_2/*"), volume / "1_1_1/0-8_0-8_0-8"]:
        path.with_name(path.name + suffix).write_bytes(encode(path.read_bytes()))
        path.unlink()
    for depth in ("voxels", "chunks"):
        assert faults_of(volume, depth) == []
    (volume / f"2_2_2/0-8_0-8_0-7{suffix}").write_bytes(encode(bytes(447)))
    (volume / f"1_1_1/0-8_0-8_0-8{suffix}").write_bytes(b"cut")
    first, second = faults_of(volume)
    assert first.startswith(f"1_1_1/0-8_0-8_0-8{suffix}: cannot be decompressed to at most 512 bytes: ")
    assert second == f"2_2_2/0-8_0-8_0-7{suffix}: has 447 bytes; 8 x 8 x 7 voxels of uint8 take 448"


@pytest.mark.parametrize(
    ("suffix", "encode"),
    [(".gz", gzip.compress), (".br", imagecodecs.brotli_encode), (".zstd", imagecodecs.zstd_encode)],
)
def test_a_compressed_chunk_is_decompressed_no_further_than_its_samples(volume, suffix, encode):
    chunk = volume / "1_1_1/0-8_0-8_0-8"
    chunk.unlink()
    chunk.with_name(chunk.name + suffix).write_bytes(encode(bytes(2**27)))
    tracemalloc.start()
    try:
        (fault,) = faults_of(volume)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert fault.startswith(f"1_1_1/{chunk.name}{suffix}: cannot be decompressed to at most 512 bytes: ")
    assert most < 2**26


def test_a_compressed_chunk_of_several_members(volume):
    chunk = volume / "1_1_1/0-8_0-8_0-8"
    samples = chunk.read_bytes()
    chunk.unlink()
    compressed = chunk.with_name(f"{chunk.name}.gz")
    compressed.write_bytes(gzip.compress(samples[:100]) + gzip.compress(samples[100:]))
    assert faults_of(volume) == []
    compressed.write_bytes(gzip.compress(samples) + b"more")
    (fault,) = faults_of(volume)
    assert fault.startswith(f"1_1_1/{chunk.name}.gz: cannot be decompressed to at most 512 bytes: ")


@pytest.mark.parametrize("suffix", [".gz", ".br", ".zstd"])
def test_a_compressed_chunk_of_a_size_that_no_memory_holds(volume, suffix):
    side = 10**7
    change_json(
        volume / "info",
        lambda info: info["scales"][0].update(size=[side] * 3, chunk_sizes=[[side] * 3]),
    )
    chunk = volume / f"1_1_1/0-{side}_0-{side}_0-{side}{suffix}"
    chunk.write_bytes(gzip.compress(b"1"))
    assert any(f"{chunk.name}: cannot be decompressed to at most" in fault for fault in faults_of(volume))


def test_many_faults_of_one_kind_are_counted(volume, capsys, tmp_path):
    for path in volume.glob("1_1_1/*"):
        path.write_bytes(bytes(3))
    (volume / "2_2_2/8-16_0-8_0-7").unlink()
    assert main([str(volume), "--json", str(tmp_path / "report.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scale 1_1_1: 30 faults of one kind; the first:"
    assert all(line.startswith("  1_1_1/") for line in lines[1:6])
    assert lines[6] == "2_2_2/8-16_0-8_0-7: missing"
    assert lines[7].startswith("31 faults (3 scales")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fault_count"] == 31
    assert [(group["where"], group["count"]) for group in report["fault_groups"]] == [
        ("scale 1_1_1", 30),
        ("scale 2_2_2", 1),
    ]
    assert len(report["faults"]) == 6


def test_strange_files_are_counted_by_folder(volume):
    (volume / "thumbnails").mkdir()
    for number in range(2000):
        (volume / f"thumbnails/{number}.png").write_bytes(b"")
    (group,) = check_precomputed(str(volume)).findings.groups
    assert (group.where, group.count, len(group.examples)) == ("thumbnails", 2000, 5)


def test_kinds_of_faults_have_an_end(volume):
    for number in range(300):
        (volume / f"folder {number}").mkdir()
        (volume / f"folder {number}/file").write_bytes(b"")
    findings = check_precomputed(str(volume)).findings
    assert findings.count == 300
    assert len(findings.groups) == 101


def test_links_out_of_the_folder_are_named(volume, tmp_path):
    (volume / "2_2_2").rename(tmp_path / "elsewhere")
    (volume / "2_2_2").symlink_to(tmp_path / "elsewhere")
    check = check_precomputed(str(volume))
    assert check.findings.groups == []
    assert check.findings.notes == [f"link out of the folder: 2_2_2 -> {tmp_path / 'elsewhere'}"]
