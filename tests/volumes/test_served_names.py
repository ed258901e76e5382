"""Only what a volume's description implies is served; whatever else lies in or beside its folder is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asap_ingest.errors import VolumeError
from asap_ingest.volumes.serving.volume_list import open_volume
from tests.volumes.serving import ask, serving
from tests.volumes.volumes import make_volume, random_array

SECRET = b"not for your eyes"
CHUNK = "1_1_1/0-16_0-16_0-9"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with files in and beside it that are none of it."""
    outer = tmp_path_factory.mktemp("outer")
    volume = outer / "volume"
    make_volume(volume, random_array((9, 20, 37)), chunk_size=(16, 16, 16))
    for place in (outer, volume, volume / "1_1_1"):
        for name in ("secret", ".secret", "secret.tiff"):
            (place / name).write_bytes(SECRET)
    neighbour = outer / "volume2"
    neighbour.mkdir()
    (neighbour / "info").write_bytes(SECRET)
    return volume


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(folder) as url:
        yield url


def test_all_chunks_of_the_volume_are_served(url: str, folder: Path) -> None:
    written = [path for path in folder.rglob("*-*_*-*_*-*") if path.is_file()]
    assert len(written) == 3 * 2 + 2 * 1
    for path in written:
        answer = ask(url, f"/{path.relative_to(folder)}")
        assert (answer.status, answer.body) == (200, path.read_bytes())
    assert ask(url, "/info").body == (folder / "info").read_bytes()


TRICKS = [
    "/secret",
    "/.secret",
    "/provenance",
    "/1_1_1/secret",
    "/1_1_1/.secret",
    "/1_1_1/secret.tiff",
    "/1_1_1",
    "/1_1_1/",
    "/../secret",
    "/../volume2/info",
    "/1_1_1/../secret",
    "/1_1_1/../info",
    "/1_1_1/../../secret",
    "/./info",
    "//info",
    "/info/",
    "/info/.",
    "//etc/passwd",
    "/etc/passwd",
    "/%2e%2e/secret",
    "/%2E%2E/secret",
    "/.%2e/secret",
    "/1_1_1/%2e%2e/info",
    "/%2e%2e%2fsecret",
    "/..%2fsecret",
    "/..%2Fvolume2%2Finfo",
    "/%252e%252e%252fsecret",
    "/%252e%252e/secret",
    "/..%5csecret",
    "/..\\secret",
    "/1_1_1\\0-16_0-16_0-9",
    "/..;/secret",
    "/..;x=y/secret",
    "/info;x",
    "/%2fetc%2fpasswd",
    "/info%00",
    "/secret%00info",
    "/info%00.tiff",
    f"/{CHUNK}%00",
    "/%c0%ae%c0%ae/secret",
    "/%uff0e%uff0e/secret",
    "/info%20",
    "/INFO",
    "/file:///etc/passwd",
    "/1_1_1%2F0-16_0-16_0-9",
    "/1_1_1/0-16_0-16_0-9.tiff",
    "/1_1_1/0-16_0-16_0-9.gz",
    "/1_1_1/00-16_0-16_0-9",
    "/1_1_1/-0-16_0-16_0-9",
    "/1_1_1/+0-16_0-16_0-9",
    "/1_1_1/0-16_0-16_0-16",
    "/1_1_1/0-16_0-16_0-9_0-1",
    "/1_1_1/0-16_0-16",
    "/1_1_1/1-17_0-16_0-9",
    "/1_1_1/16-0_0-16_0-9",
    "/1_1_1/48-64_0-16_0-9",
    "/1_1_1/-16-0_0-16_0-9",
    "/1_1_1/%D9%A0-16_0-16_0-9",
    f"/1_1_1/0-{'9' * 5000}_0-16_0-9",
    "/3_3_3/0-16_0-16_0-9",
    "/neuroglancer/v/volume/../../../secret",
    "/neuroglancer/v/volume/..%2f..%2f__init__.py",
    "/neuroglancer/v/volume/%2e%2e/%2e%2e/__init__.py",
    "/neuroglancer/v/volume/../index.html",
    "/neuroglancer/v/volume//etc/passwd",
]


@pytest.mark.parametrize("target", TRICKS)
def test_no_other_name_is_served(url: str, target: str) -> None:
    answer = ask(url, target, Origin="https://viewer.example")
    assert answer.status == 404
    assert SECRET not in answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
    assert ask(url, target, "HEAD").status == 404


@pytest.mark.parametrize(
    "target", ["/in\0fo", "/info\0", "/\x01", "/\u00e9", "/a b", "info", "../secret", "*"]
)
def test_targets_that_are_none_get_nothing(url: str, target: str) -> None:
    answer = ask(url, target)
    assert answer.status in (400, 404)
    assert SECRET not in answer.body
    # the server goes on
    assert ask(url, "/info").status == 200


def test_a_target_with_a_host_stays_in_the_volume(url: str) -> None:
    assert SECRET not in ask(url, "http://elsewhere/../secret").body


def test_a_chunk_may_come_with_a_query(url: str, folder: Path) -> None:
    assert ask(url, f"/{CHUNK}?../secret").body == (folder / CHUNK).read_bytes()


def test_links_out_of_the_folder_and_files_of_other_kinds_are_not_there(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0-16_0-16_0-9").write_bytes(bytes(16 * 16 * 9))
    volume = tmp_path / "volume"
    make_volume(volume, random_array((9, 20, 37)))
    names = sorted(path.name for path in (volume / "1_1_1").iterdir())
    linked, pipe, directory, within, dangling = (volume / "1_1_1" / name for name in names[:5])
    for path in (linked, pipe, directory, within, dangling):
        path.unlink()
    linked.symlink_to(outside / "0-16_0-16_0-9")
    os.mkfifo(pipe)
    directory.mkdir()
    within.symlink_to(names[5])
    dangling.symlink_to("nowhere")
    (volume / "2_2_2").rename(outside / "2_2_2")
    (volume / "2_2_2").symlink_to(outside / "2_2_2")
    with serving(volume) as url:
        for path in (linked, pipe, directory, dangling):
            assert ask(url, f"/1_1_1/{path.name}").status == 404
        # a link that stays in the folder is as good as a file; but these two differ in size
        assert ask(url, f"/1_1_1/{within.name}").status == 500
        for path in (outside / "2_2_2").iterdir():
            assert ask(url, f"/2_2_2/{path.name}").status == 404


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    make_volume(tmp_path / "volume", random_array((9, 20, 37)))
    (tmp_path / "link").symlink_to("volume")
    with serving(tmp_path / "link") as url:
        assert ask(url, f"/{CHUNK}").status == 200


def test_zarr_serves_its_descriptions_and_chunks_only(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)), "zarr")
    for name in (".zattrs", ".zgroup", "1_1_1/secret", "1_1_1/c/secret"):
        (tmp_path / name).write_bytes(SECRET)
    with serving(tmp_path) as url:
        for name in ("zarr.json", "1_1_1/zarr.json", "2_2_2/zarr.json", "1_1_1/c/0/1/2"):
            assert ask(url, f"/{name}").body == (tmp_path / name).read_bytes()
        for name in (
            *(".zattrs", ".zgroup", "provenance", "1_1_1/secret", "1_1_1/c/secret", "1_1_1/c", "1_1_1/c/0/1"),
            *("1_1_1/c/0/1/3", "1_1_1/c/0/1/02", "1_1_1/c/0/1/-1", "1_1_1/c/0/1/2/0", "1_1_1/0/1/2"),
            *("c/0/1/2", "1_1_1/c/0/../0/1/2", "1_1_1/c/0/1/%D9%A2"),
        ):
            assert ask(url, f"/{name}").status == 404


def info_of(**changes: Any) -> dict[str, Any]:
    scale = {
        "key": "8_8_40",
        "size": [100, 50, 7],
        "resolution": [8, 8, 40],
        "voxel_offset": [-30, 5, -7],
        "chunk_sizes": [[64, 64, 64], [32, 32, 1]],
        "encoding": "jpeg",
    }
    top = {"data_type": "uint8", "num_channels": 1, "type": "image"}
    top |= {name: value for name, value in changes.items() if name in top}
    return top | {"scales": [scale | {name: value for name, value in changes.items() if name not in top}]}


def test_other_programs_chunk_sizes_offsets_and_encodings_are_served_as_they_lie(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of()))
    names = ["-30-34_5-55_-7-0", "34-70_5-55_-7-0", "66-70_37-55_-1-0", "-30-2_5-37_-7--6"]
    (tmp_path / "8_8_40").mkdir()
    for name in names:
        (tmp_path / "8_8_40" / name).write_bytes(name.encode())
    with serving(tmp_path) as url:
        for name in names:
            assert ask(url, f"/8_8_40/{name}").body == name.encode()
        for name in ("-30-34_5-55_-7--6", "2-66_5-55_-7-0", "-30-2_5-37_-7-0"):
            assert ask(url, f"/8_8_40/{name}").status == 404


def test_scales_that_are_sharded_are_made_of_shards_alone(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of(sharding={"shard_bits": 9})))
    volume = open_volume(tmp_path)
    assert volume.chunk_format == "sharded"
    assert volume.find("8_8_40/1ff.shard") is not None
    for name in ("1FF.shard", ".shard", "1ff.shard.txt", "x/1ff.shard", "-30-34_5-55_-7-0", "secret"):
        assert volume.find(f"8_8_40/{name}") is None


@pytest.mark.parametrize(
    "key",
    ["..", "../other", "a/../../b", "/etc", "", ".", ".hidden", "a//b", "a/", "a\\b", "%2e%2e", "a\0b", 7],
)
def test_keys_that_lead_elsewhere_are_refused(tmp_path: Path, key: Any) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of(key=key)))
    with pytest.raises(VolumeError, match="key"):
        open_volume(tmp_path)


def test_keys_may_have_folders(tmp_path: Path) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of(key="em/fine")))
    found = open_volume(tmp_path).find("em/fine/-30-34_5-55_-7-0")
    assert found is not None
    assert found.path == "em/fine/-30-34_5-55_-7-0"


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [1, 2]},
        {"size": None},
        {"chunk_sizes": []},
        {"chunk_sizes": [[64, 0, 64]]},
        {"data_type": "uint12"},
        {"num_channels": None},
        {"voxel_offset": "far"},
        {"sharding": {}, "size": [1, 1, "x"]},
    ],
)
def test_descriptions_that_are_none_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of(**changes)))
    with pytest.raises(VolumeError, match=r"info"):
        open_volume(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"scales": []}', "null", '{"scales": [3]}'])
def test_files_that_are_no_description_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "info").write_text(content)
    with pytest.raises(VolumeError, match=r"info"):
        open_volume(tmp_path)


@pytest.mark.parametrize("key", ["k" * 5000, "ü" * 128, "k/" * 2000 + "k"])
def test_keys_that_no_folder_can_have_are_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "info").write_text(json.dumps(info_of(key=key)))
    with pytest.raises(VolumeError, match="info has the key '.{80}': keys are folders"):
        open_volume(tmp_path)


def test_an_info_that_is_spoilt_while_it_is_served_is_named(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)))
    info = json.loads((tmp_path / "info").read_text())
    (tmp_path / "info").write_text(json.dumps({**info, "mesh": "nowhere"}))
    with serving(tmp_path) as url:
        (tmp_path / "info").write_text("{")
        answer = ask(url, "/info")
    assert (answer.status, answer.body[:15]) == (500, b"info is not JSO")
