"""Folders that a volume's metadata name, files compressed by other writers, and several volumes at once."""

from __future__ import annotations

import gzip
import json
import logging
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import imagecodecs
import numpy as np
import pytest
import tensorstore
import tifffile

from asap_ingest.errors import VolumeError
from asap_ingest.serve_precomputed import addresses
from asap_ingest.volumes.serving import stored_files
from asap_ingest.volumes.serving.viewer_link import viewer_state
from asap_ingest.volumes.serving.volume_list import find_volumes, open_volume
from tests.permissions import folder_of_a_plain_user
from tests.volumes.serving import ask, serving
from tests.volumes.volumes import make_volume, random_array

CHUNK = "1_1_1/0-16_0-16_0-9"
SHAPE = (9, 20, 37)


def change_info(folder: Path, **more: Any) -> None:
    info = json.loads((folder / "info").read_bytes())
    (folder / "info").write_text(json.dumps(info | more))


def write(folder: Path, content: dict[str, bytes]) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


BESIDE = {
    "meshes/info": b'{"@type": "neuroglancer_legacy_mesh"}',
    "meshes/5:0": b'{"fragments": ["5:0:0-64_0-64_0-9"]}',
    "meshes/5:0:0-64_0-64_0-9": b"vertices",
    "meshes/names/info": b"names of meshes",
    "skeletons_mip_1/info": b'{"@type": "neuroglancer_skeletons"}',
    "skeletons_mip_1/5": b"skeleton",
    "skeletons_mip_1/1f.shard": b"shard of skeletons",
    "properties/info": b"{}",
}


def test_every_folder_that_info_names_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_volume(tmp_path, random_array(SHAPE, "uint64"), kind="segmentation")
    change_info(tmp_path, mesh="meshes", skeletons="skeletons_mip_1", segment_properties="properties")
    write(tmp_path, BESIDE)
    write(tmp_path, {"meshes/.secret": b"secret", "other/5": b"secret"})
    (tmp_path / "meshes" / "out").symlink_to("/etc/passwd")
    with serving(tmp_path) as url, caplog.at_level(logging.WARNING, logger="asap_ingest"):
        for name, content in BESIDE.items():
            assert ask(url, f"/{name}").body == content
            assert ask(url, f"/{quote(name)}").body == content
        assert ask(url, "/skeletons_mip_1/1f.shard", Range="bytes=6-7").body == b"of"
        for name in (
            f"meshes/{'5' * 300}",
            "meshes/.secret",
            "other/5",
            "meshes/../other/5",
            "meshes/out",
            "meshes/",
            "meshes",
            "5:0",
        ):
            assert ask(url, f"/{name}").status == 404
        assert "meshes/out leads out of the volume to /etc/passwd" in caplog.text
        assert json.loads(ask(url, "/info").body)["mesh"] == "meshes"


@pytest.mark.parametrize("path", ["../meshes", "/etc", "gs://bucket/meshes", "a/../..", ".hidden", "", 5])
def test_folders_elsewhere_are_not_served(
    tmp_path: Path, path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    make_volume(tmp_path / "volume", random_array(SHAPE, "uint64"), kind="segmentation")
    change_info(tmp_path / "volume", mesh=path)
    write(tmp_path, {"meshes/5:0": b"secret"})
    assert not open_volume(tmp_path / "volume").side_folders
    assert "which is not below the volume's folder" in caplog.text


def test_what_is_not_there_is_not_told(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array(SHAPE, "uint64"), kind="segmentation")
    change_info(tmp_path, skeletons="skeletons")
    with serving(tmp_path) as url:
        before = ask(url, "/info")
        assert "skeletons" not in json.loads(before.body)
        write(tmp_path, {"skeletons/info": b"{}"})
        after = ask(url, "/info", If_None_Match=before.headers["etag"])
        assert after.status == 200
        assert json.loads(after.body)["skeletons"] == "skeletons"


def test_shards_of_one_scale_and_chunks_of_another(tmp_path: Path) -> None:
    """As tensorstore writes a volume: the finest scale sharded, a coarser one not."""
    array = random_array((20, 40, 60))
    fine, coarse = array, array[::2, ::2, ::2]
    sharding = {
        **{"@type": "neuroglancer_uint64_sharded_v1", "preshift_bits": 1, "minishard_bits": 1},
        **{"shard_bits": 3, "hash": "identity", "data_encoding": "gzip"},
    }
    for number, (scale, more) in enumerate(((fine, {"sharding": sharding}), (coarse, {}))):
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{tmp_path}/",
            "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
            "scale_metadata": {
                **{"size": scale.shape[::-1], "resolution": [4 * 2**number] * 3, "encoding": "raw"},
                **{"chunk_size": [16, 16, 16], "key": f"s{number}"},
                **more,
            },
            "create": True,
        }
        tensorstore.open(spec).result().write(scale.transpose(2, 1, 0)[..., None]).result()
    with serving(tmp_path) as url:
        for number, expected in enumerate((fine, coarse)):
            spec = {"driver": "neuroglancer_precomputed", "kvstore": f"{url}/", "scale_index": number}
            found = tensorstore.open(spec, open=True).result().read().result()
            np.testing.assert_array_equal(np.asarray(found)[..., 0].transpose(2, 1, 0), expected)


def brotli(content: bytes) -> bytes:
    return bytes(imagecodecs.brotli_encode(content))


def zstd(content: bytes) -> bytes:
    return bytes(imagecodecs.zstd_encode(content))


@pytest.mark.parametrize(
    ("suffix", "encoding", "pack"),
    [(".gz", "gzip", gzip.compress), (".br", "br", brotli), (".zstd", "zstd", zstd)],
)
@pytest.mark.parametrize("data_type", ["uint8", "uint16"])
def test_files_that_lie_compressed(
    tmp_path: Path, suffix: str, encoding: str, pack: Any, data_type: str
) -> None:
    make_volume(tmp_path, random_array(SHAPE, data_type))
    path = tmp_path / CHUNK
    content = path.read_bytes()
    packed = pack(content)
    path.unlink()
    path.with_name(path.name + suffix).write_bytes(packed)
    with serving(tmp_path) as url:
        as_it_lies = ask(url, f"/{CHUNK}", Accept_Encoding="br, gzip, zstd")
        assert as_it_lies.headers["content-encoding"] == encoding
        assert as_it_lies.body == packed
        for other in ("", "identity", f"{encoding};q=0", "deflate"):
            plain = ask(url, f"/{CHUNK}", Accept_Encoding=other)
            assert "content-encoding" not in plain.headers
            assert plain.body == content
        tags = {plain.headers["etag"], as_it_lies.headers["etag"]}
        assert len(tags) == 2
        for tag in tags:
            assert ask(url, f"/{CHUNK}", Accept_Encoding="br, gzip, zstd", If_None_Match=tag).status == 304
        assert ask(url, f"/{CHUNK}", Range="bytes=5-9", Accept_Encoding=encoding).body == content[5:10]
        assert ask(url, f"/{CHUNK}{suffix}").status == 404
        head = ask(url, f"/{CHUNK}", "HEAD", Accept_Encoding=encoding)
        assert head.headers["content-length"] == str(len(packed))
        # the plain file goes first where both lie there
        path.write_bytes(content[::-1])
        assert ask(url, f"/{CHUNK}", Accept_Encoding=encoding).body == content[::-1]


@pytest.mark.parametrize("suffix", [".gz", ".br", ".zstd"])
def test_a_compressed_file_that_is_damaged_is_named(tmp_path: Path, suffix: str) -> None:
    make_volume(tmp_path, random_array(SHAPE))
    (tmp_path / CHUNK).unlink()
    (tmp_path / f"{CHUNK}{suffix}").write_bytes(b"neither")
    with serving(tmp_path) as url:
        answer = ask(url, f"/{CHUNK}")
    assert answer.status == 500
    assert f"{CHUNK}{suffix}" in answer.body.decode()


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".br", brotli), (".zstd", zstd)])
def test_a_small_file_that_holds_a_large_one_is_not_decompressed(
    tmp_path: Path, suffix: str, pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files, "MOST_INFLATED_BYTES", 5_000_000)
    make_volume(tmp_path, random_array(SHAPE))
    change_info(tmp_path, mesh="mesh")
    (tmp_path / CHUNK).unlink()
    write(tmp_path, {f"{CHUNK}{suffix}": pack(bytes(2305)), f"mesh/1{suffix}": pack(bytes(5_000_001))})
    with serving(tmp_path) as url:
        chunk, mesh = ask(url, f"/{CHUNK}"), ask(url, "/mesh/1")
        assert (chunk.status, mesh.status) == (500, 500)
        assert "to at most 2,304 bytes" in chunk.body.decode()
        assert "to at most 5,000,000 bytes" in mesh.body.decode()
        write(tmp_path, {f"{CHUNK}{suffix}": pack(bytes(2304)), f"mesh/1{suffix}": pack(bytes(5_000_000))})
        assert ask(url, f"/{CHUNK}").body == bytes(2304)
        assert ask(url, "/mesh/1").body == bytes(5_000_000)


def test_a_tiff_that_holds_a_large_chunk_is_not_decompressed(tmp_path: Path) -> None:
    make_volume(tmp_path, random_array(SHAPE), "tiff")
    large = np.zeros((9, 1000, 1000), np.uint8)
    tifffile.imwrite(tmp_path / f"{CHUNK}.tiff", large, compression="deflate", photometric="minisblack")
    with serving(tmp_path) as url:
        answer = ask(url, f"/{CHUNK}")
    assert answer.status == 500
    assert "has 9,000,000 bytes of samples; at most 2,304 are expected" in answer.body.decode()


def test_a_whole_volume_of_compressed_files(tmp_path: Path) -> None:
    array = random_array(SHAPE, "uint16")
    make_volume(tmp_path, array)
    for path in list(tmp_path.rglob("*_*-*")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    with serving(tmp_path) as url:
        spec = {"driver": "neuroglancer_precomputed", "kvstore": f"{url}/"}
        found = tensorstore.open(spec, open=True).result().read().result()
        np.testing.assert_array_equal(np.asarray(found)[..., 0].transpose(2, 1, 0), array)
    (layer,) = viewer_state([open_volume(tmp_path)], "http://x")["layers"]
    assert layer["shaderControls"]["normalized"]["range"][1] > 40_000


NAMES = ["a [b]: 1", "50% of #3", "ünï", "a+b&c=d", "deep/er/em"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_volumes(tmp_path: Path, name: str) -> None:
    array = random_array(SHAPE)
    make_volume(tmp_path / "all" / name, array, "tiff")
    write(tmp_path, {"secret": b"secret", "all/secret": b"secret", "all/.hidden/info": b"{}"})
    with serving(tmp_path / "all") as url:
        (volume,) = find_volumes(tmp_path / "all").values()
        source = viewer_state([volume], url)["layers"][0]["source"]
        at = source.removeprefix("precomputed://").removeprefix(url)
        assert unquote(at) == f"/{name}"
        assert ask(url, f"{at}/info").status == 200
        assert ask(url, f"{at}/{CHUNK}").body == array[:9, :16, :16].tobytes()
        assert ask(url, at).status == 302
        for wrong in ("/secret", "/info", f"{at}/../secret", f"{at}/../../secret", "/.hidden/info"):
            assert ask(url, wrong).status == 404
        page = ask(url, "/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<code>precomputed://{url}{at}</code>" in page.body.decode()


def test_markup_in_a_name_stays_text(tmp_path: Path) -> None:
    for name in ("<b>a", 'x"onclick="y'):
        make_volume(tmp_path / name, random_array(SHAPE))
    with serving(tmp_path) as url:
        page = ask(url, "/")
    assert b"<b>" not in page.body
    assert b'x"onclick' not in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_volumes_that_cannot_be_served_do_not_hide_their_neighbours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_volume(tmp_path / "all" / "good", random_array(SHAPE))
    make_volume(tmp_path / "elsewhere", random_array(SHAPE))
    write(tmp_path / "all", {"bad/info": b"{}"})
    (tmp_path / "all" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "all" / "again").symlink_to("good")
    assert set(find_volumes(tmp_path / "all")) == {"good", "again"}
    assert "bad: info does not describe a volume" in caplog.text
    assert f"link: leads out of {tmp_path}/all to {tmp_path}/elsewhere" in caplog.text
    with pytest.raises(VolumeError, match="holds no volume"):
        find_volumes(tmp_path / "all", "tiff")


def test_what_may_not_be_read_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_volume(tmp_path / "good", random_array(SHAPE))
    find_volumes(tmp_path)
    with folder_of_a_plain_user() as top:
        for name in ("good", "half", "locked"):
            make_volume(top / name, random_array(SHAPE))
        (top / "half" / "1_1_1").chmod(0)
        (top / "locked").chmod(0o600)
        assert set(find_volumes(top)) == {"good"}
        assert f"half: {top}/half/1_1_1 cannot be read: Permission denied: not served" in caplog.text
        assert f"locked: {top}/locked/info cannot be read: Permission denied: not served" in caplog.text
        with pytest.raises(VolumeError, match="locked/info cannot be read"):
            find_volumes(top / "locked")
        (top / "locked").chmod(0o700)


@pytest.mark.parametrize(
    ("prefix", "known"),
    [
        *(("/data", "/data"), ("/data/em-1/", "/data/em-1"), ("", ""), ("/", ""), ("data", "")),
        *(("//evil.example", ""), ("/a//b", ""), ("/../x", ""), ('/"><script>', ""), ("/a b", "")),
        *(("http://evil.example", ""), ("/a\\b", ""), ("/.", ""), ("/a#b", "")),
    ],
)
def test_behind_a_proxy_addresses_have_its_prefix(tmp_path: Path, prefix: str, known: str) -> None:
    for name in ("em", "labels"):
        make_volume(tmp_path / name, random_array(SHAPE))
    with serving(tmp_path) as url:
        page = ask(url, "/", X_Forwarded_Prefix=prefix).body.decode()
        assert f"<code>precomputed://{url}{known}/em</code>" in page
        assert f'href="{url}{known}/neuroglancer/v/volume/index.html#!' in page
        location = ask(url, "/em", X_Forwarded_Prefix=prefix).headers["location"]
        state = json.loads(unquote(location.partition("#!")[2]))
        assert state["layers"][0]["source"] == f"precomputed://{url}{known}/em"


def write_zarr2(folder: Path, array: np.ndarray, separator: str = "/", **attributes: Any) -> None:
    """OME-Zarr 0.4 as tensorstore writes its arrays, and its metadata by hand."""
    datasets = []
    for number, scale in enumerate((array, array[:, ::2, ::2])):
        path = f"{number}"
        spec = {
            "driver": "zarr",
            "kvstore": f"file://{folder}/{path}/",
            "metadata": {
                **{"shape": scale.shape, "chunks": [8, 16, 16], "dtype": array.dtype.str},
                **{"dimension_separator": separator, "compressor": {"id": "zlib", "level": 1}},
            },
            "create": True,
        }
        tensorstore.open(spec).result().write(scale).result()
        scales = [{"type": "scale", "scale": [0.04, 0.004 * 2**number, 0.004 * 2**number]}]
        datasets.append({"path": path, "coordinateTransformations": scales})
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    multiscales = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    write(
        folder,
        {
            ".zgroup": b'{"zarr_format": 2}',
            ".zattrs": json.dumps({"multiscales": multiscales, **attributes}).encode(),
        },
    )


@pytest.mark.parametrize("separator", ["/", "."])
def test_zarr_2_is_served_by_its_own_names(tmp_path: Path, separator: str) -> None:
    array = random_array(SHAPE, "uint16")
    write_zarr2(tmp_path, array, separator)
    write(tmp_path, {"0/secret": b"secret", "0/.secret": b"secret", "1.secret": b"secret"})
    with serving(tmp_path, "zarr") as url:
        spec = {"driver": "zarr", "kvstore": f"{url}/0/"}
        found = tensorstore.open(spec, open=True).result().read().result()
        np.testing.assert_array_equal(found, array)
        for name in (".zattrs", ".zgroup", "0/.zarray", "1/.zarray"):
            assert ask(url, f"/{name}").status == 200
        for name in ("0/secret", "0/.secret", "1.secret", "0/00/1/2", "2/.zarray", "0/..", "0"):
            assert ask(url, f"/{name}").status == 404
    state = viewer_state([open_volume(tmp_path)], "http://x")
    assert state["dimensions"]["x"] == [pytest.approx(4e-9), "m"]
    assert state["dimensions"]["z"] == [pytest.approx(40e-9), "m"]
    (layer,) = state["layers"]
    assert layer["source"] == "zarr2://http://x"
    # not by its sample type: a camera gives 16 bit too
    assert layer["type"] == "image"
    assert layer["shaderControls"]["normalized"]["range"][1] > 60_000


def test_labels_within_an_image_open_with_it(tmp_path: Path) -> None:
    write_zarr2(tmp_path / "em.zarr", random_array(SHAPE))
    cells = (random_array(SHAPE, "uint32") % 7).astype("uint32")
    write_zarr2(tmp_path / "em.zarr" / "labels" / "cells", cells, **{"image-label": {"version": "0.4"}})
    write(tmp_path / "em.zarr" / "labels", {".zattrs": b'{"labels": ["cells", "../../x"]}'})
    volumes = find_volumes(tmp_path)
    assert {name: volume.kind for name, volume in volumes.items()} == {
        "em.zarr": "image",
        "em.zarr/labels/cells": "segmentation",
    }
    with serving(tmp_path) as url:
        assert ask(url, "/em.zarr/labels/.zattrs").status == 200
        assert ask(url, "/em.zarr/labels/cells/0/.zarray").status == 200
        assert ask(url, "/em.zarr/labels/cells/0/0/0/0").status == 200
        page = ask(url, "/").body.decode()
        assert "Open together: em.zarr, em.zarr/labels/cells" in page
    alone = find_volumes(tmp_path / "em.zarr")
    assert set(alone) == {"", "labels/cells"}
    with serving(tmp_path / "em.zarr") as url:
        assert ask(url, "/labels/cells/.zattrs").status == 200
        assert "Open together: em.zarr, labels/cells" in ask(url, "/").body.decode()


def test_images_of_a_series_lie_in_a_group_that_is_no_image(tmp_path: Path) -> None:
    """As bioformats2raw writes it."""
    series = tmp_path / "scan.zarr"
    for number in range(2):
        write_zarr2(series / str(number), random_array(SHAPE))
    write(series, {".zgroup": b'{"zarr_format": 2}', ".zattrs": b'{"bioformats2raw.layout": 3}'})
    assert set(find_volumes(series)) == {"0", "1"}
    assert set(find_volumes(tmp_path)) == {"scan.zarr/0", "scan.zarr/1"}


@pytest.mark.parametrize(("kind", "shown"), [("image", "image"), ("segmentation", "segmentation")])
@pytest.mark.parametrize("chunk_format", ["raw", "zarr"])
def test_the_kind_is_what_the_metadata_say(tmp_path: Path, chunk_format: str, kind: str, shown: str) -> None:
    make_volume(tmp_path, random_array(SHAPE, "uint32"), chunk_format, kind=kind)
    (layer,) = viewer_state([open_volume(tmp_path)], "http://x")["layers"]
    assert layer["type"] == shown
    assert ("shaderControls" in layer) == (kind == "image")


@pytest.mark.parametrize("chunk_format", ["raw", "tiff", "zarr", "sharded"])
def test_scales_may_be_called_otherwise(tmp_path: Path, chunk_format: str) -> None:
    array = random_array(SHAPE) // 8 + 60
    make_volume(tmp_path, array, chunk_format, levels=2)
    renamed = dict(zip(open_volume(tmp_path).scales, ("fine", "4_4_40"), strict=True))
    text = (tmp_path / ("zarr.json" if chunk_format == "zarr" else "info")).read_text()
    for old, new in renamed.items():
        shutil.move(tmp_path / old, tmp_path / new)
        text = text.replace(f'"{old}"', f'"{new}"')
    (tmp_path / ("zarr.json" if chunk_format == "zarr" else "info")).write_text(text)
    volume = open_volume(tmp_path)
    assert volume.scales == ("fine", "4_4_40")
    (layer,) = viewer_state([volume], "http://x")["layers"]
    low, high = layer["shaderControls"]["normalized"]["range"]
    assert 60 <= low < high <= 91


def test_other_units_axes_and_none(tmp_path: Path) -> None:
    write_zarr2(tmp_path, random_array(SHAPE))
    said = json.loads((tmp_path / ".zattrs").read_bytes())
    for axis in said["multiscales"][0]["axes"]:
        del axis["unit"]
    (tmp_path / ".zattrs").write_text(json.dumps(said))
    dimensions = viewer_state([open_volume(tmp_path)], "http://x")["dimensions"]
    assert dimensions == {"x": [0.004, ""], "y": [0.004, ""], "z": [0.04, ""]}
    # a single array is placed nowhere
    assert "dimensions" not in viewer_state([open_volume(tmp_path / "0")], "http://x")


def test_the_first_tools_command_line_runs_as_written(tmp_path: Path) -> None:
    """Bound to all addresses, in a folder below the home directory, with voxels of unknown size."""
    volume = tmp_path / "volume"
    make_volume(volume, random_array(SHAPE), "tiff")
    text = (volume / "info").read_text()
    info = json.loads(text)
    info["scales"][0]["resolution"] = [1.0, 1.0, 1.0]
    (volume / "info").write_text(json.dumps(info))
    command = [sys.executable, "-m", "asap_ingest.serve_precomputed", "--port", "0", "--bind", "0.0.0.0"]
    command += ["--directory", "~/volume", "--format", "tiff"]
    environment = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline().strip() for _ in range(6)]
        finally:
            process.terminate()
    port = lines[0].removeprefix("http://localhost:")
    assert port.isdecimal()
    assert lines[1] == f"precomputed://http://localhost:{port}"
    assert lines[2].startswith(f"http://localhost:{port}/neuroglancer/")
    assert "1 x 1 x 1 nm" in lines[3]
    assert "--voxel_size" in lines[3]
    assert lines[4].endswith(f"asap_ingest.check_precomputed {volume}")
    assert lines[5] == f"from other machines: http://{socket.gethostname()}:{port}"
    assert process.returncode == 0


# libraries that cloud-volume uses warn of their own code
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::SyntaxWarning")
@pytest.mark.parametrize(("compress", "suffix"), [("gzip", ".gz"), ("br", ".br")])
def test_cloud_volume_reads_what_it_wrote(tmp_path: Path, compress: str, suffix: str) -> None:
    import cloudvolume

    array = random_array((20, 40, 60), "uint32")
    info = cloudvolume.CloudVolume.create_new_info(
        **{"num_channels": 1, "layer_type": "segmentation", "data_type": "uint32", "encoding": "raw"},
        **{"resolution": [4, 4, 40], "voxel_offset": [16, 0, -8], "volume_size": array.shape[::-1]},
        **{"chunk_size": [16, 16, 16], "mesh": "mesh"},
    )
    written = cloudvolume.CloudVolume(f"file://{tmp_path}", info=info, compress=compress, progress=False)
    written.commit_info()
    written[:] = array.transpose(2, 1, 0)
    (tmp_path / "mesh").mkdir()
    assert list(tmp_path.rglob(f"*_*-*{suffix}"))
    with serving(tmp_path) as url:
        read = cloudvolume.CloudVolume(f"precomputed://{url}", progress=False, cache=False)
        np.testing.assert_array_equal(np.asarray(read[:])[..., 0].transpose(2, 1, 0), array)


def test_large_raw_chunks_come_in_pieces_and_whole(tmp_path: Path) -> None:
    array = np.arange(128 * 200 * 200, dtype=np.uint32).reshape(128, 200, 200) // 1000
    make_volume(tmp_path, array, levels=1, chunk_size=(200, 200, 128))
    with serving(tmp_path) as url:
        name = "/1_1_1/0-200_0-200_0-128"
        assert ask(url, name).body == array.tobytes()
        assert ask(url, name, Range="bytes=-8").body == array.tobytes()[-8:]
        with (tmp_path / name[1:]).open("ab") as file:
            file.write(b"more")
        assert ask(url, name).status == 500


def test_a_folder_of_volumes_prints_their_sources(tmp_path: Path) -> None:
    for name in ("b 1", "a"):
        make_volume(tmp_path / name, random_array(SHAPE), "raw")
    volumes = list(find_volumes(tmp_path).values())
    assert addresses(volumes, "http://x:1") == [
        "precomputed://http://x:1/a",
        "precomputed://http://x:1/b%201",
    ]


@pytest.mark.parametrize("resolution", [[0, 4, 4], [-1, 4, 4], [4, 4]])
def test_voxels_without_extent_are_refused(tmp_path: Path, resolution: list[float]) -> None:
    make_volume(tmp_path, random_array(SHAPE), levels=1)
    info = json.loads((tmp_path / "info").read_bytes())
    info["scales"][0]["resolution"] = resolution
    (tmp_path / "info").write_text(json.dumps(info))
    with pytest.raises(VolumeError):
        open_volume(tmp_path)
