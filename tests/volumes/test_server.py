"""A volume over HTTP: what tensorstore reads, and what browsers ask for."""

from __future__ import annotations

import gzip
import io
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import tensorstore
import tifffile
from starlette.responses import Response

from asap_ingest import neuroglancer_client
from asap_ingest.serve_precomputed import main
from asap_ingest.volumes.serving import byte_answers, volume_app
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.stored_files import PIECE_BYTES
from asap_ingest.volumes.serving.viewer_link import viewer_state
from asap_ingest.volumes.serving.volume_list import open_volume
from asap_ingest.web.web_policy import WebPolicy
from tests.volumes.serving import ask, read_scale, serving
from tests.volumes.volumes import make_volume, random_array

FORMATS = ("raw", "tiff", "zarr")
CHUNK = "/1_1_1/0-16_0-16_0-9"
ARRAYS = {
    "odd extents": random_array((9, 20, 37)),
    "one plane": random_array((1, 33, 18)),
    "one column": random_array((35, 17, 1)),
    "one voxel": random_array((1, 1, 1)),
    "16 bit": random_array((5, 17, 33), "uint16"),
    "segments": random_array((5, 17, 33), "uint32"),
    "float": random_array((5, 17, 33), "float32"),
}


@pytest.mark.parametrize("chunk_format", FORMATS)
@pytest.mark.parametrize("which", ARRAYS)
def test_tensorstore_reads_the_same_voxels(tmp_path: Path, chunk_format: str, which: str) -> None:
    array = ARRAYS[which]
    kind = "segmentation" if which == "segments" else "image"
    make_volume(tmp_path, array, chunk_format, kind=kind)
    with serving(tmp_path, chunk_format) as url:
        found = read_scale(url, 0, chunk_format)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        if array.size > 1:
            coarser = read_scale(url, 1, chunk_format)
            assert coarser.shape == tuple(-(-length // 2) for length in array.shape)


@pytest.mark.parametrize("chunk_format", ["raw", "tiff"])
def test_a_volume_may_begin_below_zero(tmp_path: Path, chunk_format: str) -> None:
    array = random_array((9, 20, 37))
    make_volume(tmp_path, array, chunk_format, offset=(-32, 64, -6))
    with serving(tmp_path) as url:
        np.testing.assert_array_equal(read_scale(url, 0, chunk_format), array)


def write_shards(folder: Path, array: np.ndarray) -> None:
    """A sharded volume as tensorstore writes it."""
    sharding = {
        "@type": "neuroglancer_uint64_sharded_v1",
        **{"preshift_bits": 1, "minishard_bits": 1, "shard_bits": 5, "hash": "identity"},
        **{"minishard_index_encoding": "gzip", "data_encoding": "gzip"},
    }
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": f"file://{folder}/",
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": {
            "size": array.shape[::-1],
            "resolution": [4, 4, 40],
            "encoding": "raw",
            "chunk_size": [16, 16, 16],
            "key": "fine",
            "sharding": sharding,
        },
        "create": True,
    }
    tensorstore.open(spec).result().write(array.transpose(2, 1, 0)[..., None]).result()


def test_shards_are_read_in_ranges(tmp_path: Path) -> None:
    array = random_array((40, 70, 90))
    write_shards(tmp_path, array)
    assert open_volume(tmp_path).chunk_format == "sharded"
    with serving(tmp_path, "sharded") as url:
        np.testing.assert_array_equal(read_scale(url, 0, "sharded"), array)


@pytest.fixture(scope="module")
def tiff_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiff")
    make_volume(folder, random_array((9, 20, 37)), "tiff")
    return folder


@pytest.fixture(scope="module")
def url(tiff_folder: Path) -> Iterator[str]:
    with serving(tiff_folder) as url:
        yield url


def first_chunk() -> bytes:
    return random_array((9, 20, 37))[:9, :16, :16].tobytes()


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", CHUNK, 200),
        ("HEAD", CHUNK, 200),
        ("GET", "/", 302),
        ("GET", "/nothing", 404),
        ("HEAD", "/nothing", 404),
        ("GET", "/neuroglancer/v/volume/nothing.js", 404),
        ("OPTIONS", "/nothing", 204),
        ("POST", CHUNK, 405),
        ("PUT", "/", 405),
        ("DELETE", "/neuroglancer/v/volume/index.html", 405),
    ],
)
def test_pages_of_any_origin_may_read_every_answer(url: str, method: str, target: str, status: int) -> None:
    answer = ask(url, target, method, Origin="https://neuroglancer-demo.appspot.com")
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"content-range", "content-length", "etag"} <= set(exposed)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    if method == "HEAD":
        assert answer.body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("target", [CHUNK, "/", "/neuroglancer/v/volume/index.html"])
def test_other_names_for_the_server_are_refused(url: str, method: str, target: str) -> None:
    answer = ask(url, target, method, Host="rebound.example:9000")
    assert answer.status == 403
    assert answer.headers["x-content-type-options"] == "nosniff"
    if method != "HEAD":
        assert b"'rebound.example:9000'" in answer.body
        assert b"--host_names" in answer.body


def test_a_name_that_was_given_is_answered(tiff_folder: Path) -> None:
    with serving(tiff_folder, policy=WebPolicy(frozenset({"volumes.lab"}))) as url:
        assert ask(url, CHUNK, Host="Volumes.lab:9000").status == 200


def test_browsers_may_ask_beforehand_also_for_a_private_network(url: str) -> None:
    asked = {"Origin": "https://x.example", "Access_Control_Request_Method": "GET"}
    answer = ask(url, CHUNK, "OPTIONS", **asked, Access_Control_Request_Headers="range,if-none-match")
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "range,if-none-match"
    assert "access-control-allow-private-network" not in answer.headers
    answer = ask(url, CHUNK, "OPTIONS", **asked, Access_Control_Request_Private_Network="true")
    assert answer.headers["access-control-allow-private-network"] == "true"


def test_head_says_what_get_would_send(url: str) -> None:
    got, head = ask(url, CHUNK), ask(url, CHUNK, "HEAD")
    assert got.body == first_chunk()
    for name in ("content-length", "etag", "content-type", "cache-control"):
        assert head.headers[name] == got.headers[name]
    assert got.headers["content-length"] == str(16 * 16 * 9)


@pytest.mark.parametrize(
    ("header", "part", "told"),
    [
        ("bytes=0-0", slice(0, 1), "0-0"),
        ("bytes=5-9", slice(5, 10), "5-9"),
        ("bytes=2300-", slice(2300, None), "2300-2303"),
        ("bytes=-4", slice(2300, None), "2300-2303"),
        ("bytes=-9999", slice(None), "0-2303"),
        ("bytes=2000-99999", slice(2000, None), "2000-2303"),
        (f"bytes=2000-{'9' * 5000}", slice(2000, None), "2000-2303"),
        (f"bytes=-{'9' * 5000}", slice(None), "0-2303"),
    ],
)
def test_parts_of_a_chunk(url: str, header: str, part: slice, told: str) -> None:
    answer = ask(url, CHUNK, Range=header, Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (206, first_chunk()[part])
    assert answer.headers["content-range"] == f"bytes {told}/2304"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "content-encoding" not in answer.headers
    assert ask(url, CHUNK, "HEAD", Range=header).headers["content-range"] == f"bytes {told}/2304"


@pytest.mark.parametrize("header", ["bytes=2304-", "bytes=9999-99999", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_parts_that_are_not_there(url: str, header: str) -> None:
    answer = ask(url, CHUNK, Range=header, Origin="https://viewer.example")
    assert answer.status == 416
    assert answer.headers["content-range"] == "bytes */2304"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("header", ["bytes=9-5", "bytes=-", "bytes=0-1,5-6", "lines=0-1", "bytes=a-b", "0-1"])
def test_ranges_that_mean_nothing_give_the_whole(url: str, header: str) -> None:
    answer = ask(url, CHUNK, Range=header)
    assert (answer.status, answer.body) == (200, first_chunk())


def test_a_part_of_an_older_file_is_not_continued(url: str) -> None:
    tag = ask(url, CHUNK).headers["etag"]
    assert ask(url, CHUNK, Range="bytes=1-", If_Range=tag).status == 206
    assert ask(url, CHUNK, Range="bytes=1-", If_Range='"older"').status == 200


def test_a_file_is_sent_again_only_when_it_has_changed(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)), "tiff")
    with serving(tmp_path) as url:
        tag = ask(url, CHUNK).headers["etag"]
        assert not tag.startswith("W/")
        for named in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            answer = ask(url, CHUNK, If_None_Match=named, Origin="https://viewer.example")
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == tag
            assert answer.headers["access-control-allow-origin"] == "*"
        assert ask(url, CHUNK, If_None_Match='"other"').status == 200
        changed = random_array((9, 20, 37), seed=1)
        for path in tmp_path.iterdir():
            if path.is_file():
                path.unlink()
        for path in tmp_path.rglob("*.tiff"):
            path.unlink()
        make_again(tmp_path, changed)
        answer = ask(url, CHUNK, If_None_Match=tag)
        assert (answer.status, answer.body) == (200, changed[:9, :16, :16].tobytes())
        assert answer.headers["etag"] != tag


def make_again(folder: Path, array: np.ndarray) -> None:
    for path in folder.iterdir():
        path.rmdir()
    make_volume(folder, array, "tiff")


def test_what_shrinks_is_compressed_when_asked(tmp_path: Path) -> None:
    array = np.zeros((9, 20, 37), np.uint32)
    array[:, 5:12] = 70_001
    make_volume(tmp_path, array, "raw", kind="segmentation")
    chunk = array[:9, :16, :16].tobytes()
    with serving(tmp_path) as url:
        for asked in ("gzip", "br, GZIP;q=0.5", "*", "deflate, gzip; q=1"):
            answer = ask(url, CHUNK, Accept_Encoding=asked)
            assert answer.headers["content-encoding"] == "gzip"
            assert "accept-encoding" in answer.headers["vary"]
            assert int(answer.headers["content-length"]) == len(answer.body) < len(chunk) / 10
            assert gzip.decompress(answer.body) == chunk
        for asked in ("gzip;q=0", "*;q=0", "gzip;q=x", "br", "", "*, gzip;q=0", "identity"):
            answer = ask(url, CHUNK, Accept_Encoding=asked)
            assert "content-encoding" not in answer.headers
            assert answer.body == chunk
        plain, packed = ask(url, CHUNK), ask(url, CHUNK, Accept_Encoding="gzip")
        assert plain.headers["etag"] != packed.headers["etag"]
        again = ask(url, CHUNK, Accept_Encoding="gzip", If_None_Match=packed.headers["etag"])
        assert (again.status, again.headers["etag"]) == (304, packed.headers["etag"])
        head = ask(url, CHUNK, "HEAD", Accept_Encoding="gzip")
        assert head.headers["content-length"] == packed.headers["content-length"]


def test_noise_and_compressed_chunks_go_as_they_are(tmp_path: Path, url: str) -> None:
    assert "content-encoding" not in ask(url, CHUNK, Accept_Encoding="gzip").headers
    make_volume(tmp_path, np.zeros((40, 40, 40), np.uint8), "zarr", chunk_size=(40, 40, 40))
    with serving(tmp_path) as zarr_url:
        assert "content-encoding" not in ask(zarr_url, "/1_1_1/c/0/0/0", Accept_Encoding="gzip").headers
        assert ask(zarr_url, "/zarr.json", Accept_Encoding="gzip").status == 200


def test_files_that_are_large_come_in_pieces(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(PIECE_BYTES * 2 + 12345)
    info = {
        "@type": "neuroglancer_multiscale_volume",
        **{"type": "image", "data_type": "uint8", "num_channels": 1},
    }
    scale = {"key": "s", "size": [len(content), 1, 1], "resolution": [4, 4, 4], "encoding": "jpeg"}
    (tmp_path / "info").write_text(json.dumps(info | {"scales": [scale | {"chunk_sizes": [scale["size"]]}]}))
    (tmp_path / "s").mkdir()
    name = f"s/0-{len(content)}_0-1_0-1"
    (tmp_path / name).write_bytes(content)
    with serving(tmp_path) as url:
        before = open_files()
        assert ask(url, f"/{name}").body == content
        assert ask(url, f"/{name}", "HEAD").headers["content-length"] == str(len(content))
        assert ask(url, f"/{name}", Range="bytes=7-").body == content[7:]
        assert ask(url, f"/{name}", Range="bytes=-9").body == content[-9:]
        # who leaves in the middle leaves no file open
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.recv(10)
        assert ask(url, "/info").status == 200
        deadline = threading.Event()
        for _ in range(100):
            if open_files() <= before:
                break
            deadline.wait(0.05)
        assert open_files() <= before


def open_files() -> int:
    """Open regular files of a volume in this process."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += "/s/0-" in str(link.readlink())
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def damaged_deflate(shape_zyx: tuple[int, int, int]) -> bytes:
    """A TIFF with compressed pages, the first of which cannot be decompressed."""
    file = io.BytesIO()
    tifffile.imwrite(file, random_array(shape_zyx), compression="zlib", photometric="minisblack")
    content = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        start = tiff.pages.first.dataoffsets[0] + 2
    content[start : start + 10] = b"\xff" * 10
    return bytes(content)


def unequal_pages() -> bytes:
    """A TIFF whose two pages differ in height."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as tiff:
        for height in (16, 15):
            tiff.write(random_array((1, height, 16))[0], photometric="minisblack")
    return file.getvalue()


@pytest.mark.parametrize("damage", ["no TIFF", "cut", "shape", "type", "empty", "codec", "pages"])
def test_a_damaged_chunk_is_an_error_that_names_it(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)), "tiff")
    path = tmp_path / f"{CHUNK[1:]}.tiff"
    whole = path.read_bytes()
    other = tmp_path.with_name(f"{tmp_path.name}_other")
    make_volume(other, random_array((9, 16, 16), "uint16"), "tiff", levels=1)
    sixteen_bit = (other / "1_1_1" / "0-16_0-16_0-9.tiff").read_bytes()
    content = {
        "no TIFF": b"no TIFF" * 100,
        "cut": whole[: len(whole) // 2],
        "shape": (tmp_path / "1_1_1" / "16-32_16-20_0-9.tiff").read_bytes(),
        "type": sixteen_bit,
        "empty": b"",
        "codec": damaged_deflate((9, 16, 16)),
        "pages": unequal_pages(),
    }[damage]
    path.write_bytes(content)
    with serving(tmp_path) as url, caplog.at_level(logging.ERROR, logger="asap_ingest"):
        for _ in range(3):
            answer = ask(url, CHUNK, Origin="https://viewer.example")
            assert answer.status == 500
            assert f"{CHUNK[1:]}.tiff" in answer.body.decode()
            assert answer.headers["access-control-allow-origin"] == "*"
        reports = [record for record in caplog.records if record.name.startswith("asap_ingest")]
        assert len(reports) == 1
        # mended, it is served
        path.write_bytes(whole)
        assert ask(url, CHUNK).body == first_chunk()


def test_a_raw_chunk_of_the_wrong_size_is_damaged(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)))
    path = tmp_path / CHUNK[1:]
    path.write_bytes(path.read_bytes()[:-1])
    with serving(tmp_path) as url:
        answer = ask(url, CHUNK)
    assert answer.status == 500
    assert "2,303 bytes; 2,304" in answer.body.decode()


@pytest.mark.parametrize("chunk_format", FORMATS)
def test_absent_chunks_are_not_found(tmp_path: Path, chunk_format: str) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)), chunk_format)
    name = "1_1_1/c/0/0/0" if chunk_format == "zarr" else CHUNK[1:]
    (tmp_path / (f"{name}.tiff" if chunk_format == "tiff" else name)).unlink()
    with serving(tmp_path) as url:
        assert ask(url, f"/{name}").status == 404
        # readers take it for the fill value
        found = read_scale(url, 0, chunk_format)
    assert not found[:9, :16, :16].any()
    np.testing.assert_array_equal(found[:, :, 16:], random_array((9, 20, 37))[:, :, 16:])


def test_requests_are_answered_at_once(tmp_path: Path) -> None:
    array = random_array((64, 64, 64))
    make_volume(tmp_path, array, "tiff")
    names = [path.relative_to(tmp_path).with_suffix("") for path in tmp_path.rglob("1_1_1/*.tiff")]
    with serving(tmp_path) as url, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda name: ask(url, f"/{name}"), names * 4))
    assert len(answers) == 256
    for name, answer in zip(names * 4, answers, strict=True):
        (x0, x1), (y0, y1), (z0, z1) = (map(int, part.split("-")) for part in name.name.split("_"))
        assert answer.body == array[z0:z1, y0:y1, x0:x1].tobytes()


def test_a_chunk_that_takes_long_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)), "tiff")
    begun, go_on = threading.Event(), threading.Event()
    whole_answer = byte_answers.answer

    def slow_answer(volume: ServedVolume, path: str, *asked: Any) -> Response:
        if path == CHUNK[1:]:
            begun.set()
            assert go_on.wait(20)
        return whole_answer(volume, path, *asked)

    monkeypatch.setattr(volume_app, "answer", slow_answer)
    with serving(tmp_path) as url, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, url, CHUNK)
        assert begun.wait(20)
        assert ask(url, "/1_1_1/16-32_0-16_0-9").status == 200
        go_on.set()
        assert waiting.result().body == first_chunk()


def test_the_link_shows_the_middle_of_the_volume(tmp_path: Path) -> None:
    array = (random_array((33, 20, 37), "uint16") // 100).astype("uint16")
    states = {}
    for chunk_format in FORMATS:
        make_volume(tmp_path / chunk_format, array, chunk_format, offset=(-32, 64, 6))
        volume = open_volume(tmp_path / chunk_format)
        states[chunk_format] = viewer_state([volume], "http://x:1")
    for chunk_format, state in states.items():
        assert state["dimensions"] == {
            axis: [pytest.approx(length), "m"]
            for axis, length in zip("xyz", (4e-9, 4e-9, 40e-9), strict=True)
        }
        # positions of OME-Zarr are those of the middles of voxels
        is_zarr = chunk_format == "zarr"
        assert state["position"] == ([-14.0, 74.0, 22.0] if is_zarr else [-13.5, 74.5, 22.5])
        scheme = "zarr3" if is_zarr else "precomputed"
        assert state["layers"][0]["source"] == f"{scheme}://http://x:1"
        low, high = state["layers"][0]["shaderControls"]["normalized"]["range"]
        assert array.min() <= low < high <= array.max()
    assert states["raw"]["layers"][0]["shaderControls"] == states["tiff"]["layers"][0]["shaderControls"]


def test_segments_and_single_planes_are_shown_as_such(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((1, 20, 37), "uint32"), "raw", kind="segmentation")
    volume = open_volume(tmp_path)
    state = viewer_state([volume], "http://x:1")
    assert state["layers"][0]["type"] == "segmentation"
    assert "shaderControls" not in state["layers"][0]
    assert state["layout"] == "xy"


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, which does not outlive the test."""
    program = [sys.executable, "-m", "asap_ingest.serve_precomputed"]
    command = [*program, "--port", "0", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_addresses_answers_and_ends_cleanly(tiff_folder: Path, number: int) -> None:
    with started(tiff_folder) as process:
        assert process.stdout is not None
        url, source, viewer = (process.stdout.readline().strip() for _ in range(3))
        assert source == f"precomputed://{url}"
        assert ask(url, CHUNK).body == first_chunk()
        address, _, state = viewer.partition("#!")
        assert json.loads(unquote(state))["layers"][0]["source"] == source
        page = ask(url, address.removeprefix(url))
        assert page.status == 200
        client = address.removeprefix(url).removesuffix("index.html")
        for part in page.body.decode().split('src="')[1:]:
            assert ask(url, client + part.partition('"')[0]).status == 200
        assert ask(url, "/").headers["location"].startswith(f"{url}{address.removeprefix(url)}#!")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_without_the_client_there_is_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_volume(tmp_path, random_array((9, 20, 37)))
    monkeypatch.setattr("asap_ingest.volumes.serving.volume_app.client_folder", lambda: None)
    monkeypatch.setattr(neuroglancer_client, "client_folder", lambda: None)
    with serving(tmp_path) as url:
        assert ask(url, "/").body == f"precomputed://{url}\n".encode()
        answer = ask(url, "/neuroglancer/v/volume/index.html")
        assert (answer.status, answer.body.decode()) == (404, neuroglancer_client.MISSING)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["--port", "0", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_what_cannot_be_served_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiff_folder: Path
) -> None:
    assert "no such folder" in refused(capsys, "--directory", str(tmp_path / "nowhere"))
    assert "holds no volume" in refused(capsys, "--directory", str(tmp_path))
    tiff = str(tiff_folder)
    assert "format tiff, not raw" in refused(capsys, "--directory", tiff, "--format", "raw")
    assert "format tiff, not zarr" in refused(capsys, "--directory", tiff, "--format", "zarr")
    (tmp_path / ".zgroup").write_text("{}")
    assert ".zattrs is of a group without multiscales" in refused(capsys, "--directory", str(tmp_path))
    assert "70000" in refused(capsys, "--directory", tiff, "--port", "70000")
    assert "is not a host name" in refused(capsys, "--directory", tiff, "--host_names", "a:80")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused(capsys, "--directory", tiff, "--port", port)
    assert "invalid choice: 'jpeg'" in refused(capsys, "--directory", tiff, "--format", "jpeg")
