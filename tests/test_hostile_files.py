"""Files that never end, lead in circles or claim too much: each is one line at once, over all steps."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from asap_ingest import check_precomputed, merge_reports
from asap_ingest.images import formats
from asap_ingest.images.downsample import mean_levels
from tests.acquisitions import random_tiles, write_acquisition
from tests.examples import long
from tests.images.tiff_files import gray_tags, tiff_of
from tests.memory_groups import killed_above, refused_above
from tests.steps import APPLY, INGEST, MIPMAPS, TILESPECS, command

pytestmark = pytest.mark.timeout(60)

VOLUME = "precomputed_tif"
Make = Callable[[Path], object]


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Programs that run in this process set a handler, and a kind of log lines, for theirs."""
    handler, record = signal.getsignal(signal.SIGTERM), logging.getLogRecordFactory()
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.setLogRecordFactory(record)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, Any]]:
    """Runs a step in this process: exit code, standard error, output or None."""

    def run_here(step: str, parameters: dict[str, Any], *arguments: str) -> tuple[int, str, Any]:
        line = command(step, parameters, tmp_path, *arguments)[3:]
        capsys.readouterr()
        code = import_module(f"asap_ingest.{step}").main(line)
        output = tmp_path / f"{step}.out.json"
        return code, capsys.readouterr().err, json.loads(output.read_text()) if output.exists() else None

    return run_here


def refused(ran: tuple[int, str, Any], *words: str) -> None:
    """Exit code 2, one line, no output."""
    code, error, output = ran
    assert (code, output, len(error.splitlines())) == (2, None, 1), error
    for word in words:
        assert word in error


# --- JSON ------------------------------------------------------------------------------------------


def nested(levels: int) -> str:
    """An object in an object in an object."""
    return '{"storage_options": ' * levels + "{}" + "}" * levels


NOT_REGULAR, TOO_DEEP = "is not a regular file", "it is nested more than 100 levels deep"
#: How a JSON file is made -> what is said of it.
JSON_FILES: dict[str, tuple[Make, str]] = {
    "pipe": (os.mkfifo, NOT_REGULAR),
    "device": (lambda path: path.symlink_to("/dev/zero"), NOT_REGULAR),
    "endless nesting": (lambda path: path.write_text("[" * 500_000), TOO_DEEP),
    "deep nesting": (lambda path: path.write_text(nested(400)), TOO_DEEP),
}


@pytest.fixture(params=JSON_FILES)
def json_file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A file, and what is said of it."""
    make, words = JSON_FILES[request.param]
    path = tmp_path / "odd.json"
    make(path)
    return str(path), words


@pytest.mark.parametrize("step", [TILESPECS, INGEST])
def test_metafiles(json_file: tuple[str, str], run: Any, closed_port: int, step: str, tmp_path: Path) -> None:
    file, words = json_file
    render = {"host": "127.0.0.1", "port": closed_port, "owner": "o", "project": "p", "client_scripts": "/"}
    more = {} if step == TILESPECS else {"output_dir": str(tmp_path), "method": "block_reduce"}
    given = {"render": render, "metafile": file, "stack": "raw", "z_index": 1}
    refused(run(step, given | more), file, words)


@pytest.mark.parametrize("step", [TILESPECS, MIPMAPS, APPLY, INGEST, VOLUME, "export_to_precomputed"])
def test_input_json(
    json_file: tuple[str, str], step: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file, words = json_file
    arguments = ["--input_json", file, "--output_json", str(tmp_path / "out.json")]
    refused(
        (import_module(f"asap_ingest.{step}").main(arguments), capsys.readouterr().err, None), file, words
    )


def test_outputs_of_earlier_runs(
    json_file: tuple[str, str], run: Any, render: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    file, words = json_file
    folder = str(Path(file).parent)
    given = {"render": render, "input_stack": "raw", "output_dir": folder, "method": "PIL"}
    refused(run(MIPMAPS, given | {"retry_failed": file}), file, words)
    merged = merge_reports.main(["--inputs", file, "--output_json", f"{folder}/merged.json"])
    refused((merged, capsys.readouterr().err, None), file, words)


@pytest.mark.parametrize("field", ["--storage_options", "--source"])
def test_values_on_the_command_line(run: Any, tmp_path: Path, field: str) -> None:
    value = '["a",' * 100_000 if field == "--source" else "[" * 100_000
    code, error, output = run(VOLUME, {"dest": str(tmp_path / "v")}, f"{field}={value}")
    assert (code, output, "Traceback" in error) == (2, None, False)


def test_descriptions_of_volumes(json_file: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    file, words = json_file
    volume = Path(file).parent / "volume"
    volume.mkdir()
    Path(file).rename(volume / "info")
    assert check_precomputed.main([str(volume)]) in (1, 2)
    said = "".join(capsys.readouterr())
    assert "Traceback" not in said
    assert words == NOT_REGULAR or words in said


# --- images ----------------------------------------------------------------------------------------


def pages(count: int) -> bytearray:
    """A TIFF of gray pages of 8 x 8, and where the head of each is."""
    file = bytearray(tiff_of(gray_tags(8, 8), [bytes(64)]))
    (first,) = struct.unpack_from("<I", file, 4)
    head = bytes(file[first:-4])
    for _ in range(1, count):
        struct.pack_into("<I", file, len(file) - 4, len(file))
        file += head + bytes(4)
    return file


def circle(count: int) -> bytes:
    """Pages of which the last names the first as the next."""
    file = pages(count)
    file[-4:] = file[4:8]
    return bytes(file)


def described(text: str) -> bytes:
    """One page with an image description."""
    content = text.encode() + b"\0"
    return tiff_of(gray_tags(8, 8) | {270: (2, [bytes([byte]) for byte in content])}, [bytes(64)])


def ome(size_z: int, inside: str = '<TiffData IFD="0" PlaneCount="1"/>') -> bytes:
    """One page that OME-XML says more of."""
    return described(
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="8" SizeY="8" SizeZ="{size_z}" '
        f'SizeC="1" SizeT="1">{inside}</Pixels></Image></OME>'
    )


def naming(name: str) -> Make:
    """An OME-TIFF whose second plane is in another file, which is a pipe."""
    planes = '<TiffData IFD="0" PlaneCount="1"/><TiffData IFD="0" FirstZ="1" PlaneCount="1">'
    inside = f'{planes}<UUID FileName="{name}">urn:uuid:1</UUID></TiffData>'

    def make(path: Path) -> None:
        path.write_bytes(ome(2, inside))
        os.mkfifo(path.parent / name)

    return make


def million_planes(path: Path) -> None:
    path.write_bytes(pages(1_000_000))


CIRCLE = "is cut short or damaged: of its pages only"
MANY = "planes; the limit is 100,000"
IMAGES: dict[str, tuple[Make, str]] = {
    "pipe": (os.mkfifo, "is not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "page that follows itself": (
        lambda path: path.write_bytes(circle(1)),
        CIRCLE,
    ),
    "circle of pages": (lambda path: path.write_bytes(circle(3)), CIRCLE),
    "a million pages": (million_planes, MANY),
    "OME with a million planes": (lambda path: path.write_bytes(ome(10**6)), MANY),
    "OME with 10**15 planes": (lambda path: path.write_bytes(ome(10**15)), MANY),
    "OME that counts planes": (
        lambda path: path.write_bytes(ome(1, '<TiffData IFD="0" PlaneCount="4000000000"/>')),
        MANY,
    ),
    "ImageJ with 10**12 planes": (
        lambda path: path.write_bytes(described(f"ImageJ=1.53\nimages={10**12}\nslices={10**12}\n")),
        "it counts 1000000000000 images and holds 1",
    ),
    "shape with a billion planes": (
        lambda path: path.write_bytes(described(json.dumps({"shape": [10**9, 8, 8]}))),
        MANY,
    ),
    "OME that names a pipe": (naming("pipe.tif"), "pipe.tif, which is not a regular file"),
    "OME that names a pipe elsewhere": (naming("../elsewhere.tif"), "which is not in its folder"),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_planes_of_volumes(run: Any, tmp_path: Path, kind: str) -> None:
    make, words = IMAGES[kind]
    (tmp_path / "images").mkdir()
    make(tmp_path / "images" / "odd.tif")
    dest = tmp_path / "volume"
    given = {"source": str(tmp_path / "images" / "odd.tif"), "dest": str(dest), "voxel_size": [4, 4, 40]}
    refused(run(VOLUME, given), "odd.tif", words)
    assert not dest.exists()


@pytest.fixture
def acquisition(render: dict[str, Any], tmp_path: Path, run: Any) -> dict[str, Any]:
    """Parameters of a stack of three tiles."""
    metafile = write_acquisition(tmp_path / "images", random_tiles(3, (8, 8)))
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    assert run(TILESPECS, given)[0] == 0
    return {"render": render, "input_stack": "raw", "levels": 2, "pool_size": 1}


def failures(output: Any) -> list[tuple[str, str]]:
    """(tile, reason) of each."""
    return [(failure["tileId"], failure["reason"]) for failure in output["report"]["failures"]]


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("pool_size", [1, *long(2)])
def test_images_of_tiles(
    acquisition: dict[str, Any], run: Any, tmp_path: Path, kind: str, pool_size: int
) -> None:
    image = tmp_path / "images" / "tile_01.tif"
    image.unlink()
    IMAGES[kind][0](image)
    given = acquisition | {"output_dir": str(tmp_path / "mipmaps"), "method": "block_reduce"}
    code, error, output = run(MIPMAPS, given | {"pool_size": pool_size, "report_dir": str(tmp_path)})
    assert (code, "Traceback" in error) == (1, False)
    assert failures(output) == [("tile_01.1.0", NOT_REGULAR)]
    assert output["report"]["files_written"] == 4


@pytest.mark.parametrize("kind", ["page that follows itself", "circle of pages", "OME with 10**15 planes"])
def test_a_tile_is_the_first_page_whatever_else_its_file_claims(
    acquisition: dict[str, Any], run: Any, tmp_path: Path, kind: str
) -> None:
    IMAGES[kind][0](tmp_path / "images" / "tile_01.tif")
    given = acquisition | {"output_dir": str(tmp_path / "mipmaps"), "method": "block_reduce"}
    code, error, output = run(MIPMAPS, given)
    assert (code, error, failures(output)) == (0, "", [])


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize("verify", [False, True])
def test_levels(acquisition: dict[str, Any], run: Any, tmp_path: Path, kind: str, verify: bool) -> None:
    root = tmp_path / "mipmaps"
    made = acquisition | {"output_dir": str(root), "method": "block_reduce"}
    assert run(MIPMAPS, made)[0] == 0
    level = next((root / "1").rglob("tile_01.tif*"))
    level.unlink()
    IMAGES[kind][0](level)
    applied = acquisition | {"mipmap_dir": str(root), "output_stack": "done", "verify": verify}
    code, error, output = run(APPLY, applied)
    assert (code, "Traceback" in error) == (1, False)
    ((tile_id, reason),) = failures(output)
    assert tile_id == "tile_01.1.0"
    assert reason == "no such file; run generate_mipmaps first" or reason.startswith(NOT_REGULAR)
    # what lies there is replaced, and not written through
    code, error, output = run(MIPMAPS, made | {"force_redo": False, "verify": verify})
    assert (code, error, output["report"]["files_written"]) == (0, "", 1)
    expected = next(iter(mean_levels(tifffile.imread(tmp_path / "images" / "tile_01.tif"), 1)))
    np.testing.assert_array_equal(formats.decode(level.read_bytes()), expected)


# --- memory ----------------------------------------------------------------------------------------


def huge_image(path: Path, side: int) -> None:
    """A TIFF of a few hundred kB that decodes to `side` ** 2 bytes: all of its strips are the same bytes."""
    import zlib

    rows = 500
    strips = side // rows
    packed = zlib.compress(bytes(rows * side), 9)
    tags = gray_tags(side, side) | {259: (3, [8]), 278: (4, [rows])}
    one = 8  # behind the head of the file
    path.write_bytes(tiff_of(tags, [packed], offsets=[one] * strips, counts=[len(packed)] * strips))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("limited", ["killed", "refused"])
def test_a_tile_that_takes_too_much_memory_fails_alone_with_that_reason(
    acquisition: dict[str, Any], tmp_path: Path, limited: str
) -> None:
    huge_image(tmp_path / "images" / "tile_01.tif", 60_000)
    given = acquisition | {"output_dir": str(tmp_path / "mipmaps"), "method": "block_reduce", "pool_size": 2}
    line = command(MIPMAPS, given, tmp_path)
    if limited == "killed":
        with killed_above(800 * 2**20) as before:
            ran = subprocess.run([*before, *line], capture_output=True, text=True, timeout=150, check=False)
    else:
        before = refused_above(3 * 2**30)
        ran = subprocess.run([*before, *line], capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    output = json.loads((tmp_path / f"{MIPMAPS}.out.json").read_text())
    ((tile_id, reason),) = failures(output)
    assert tile_id == "tile_01.1.0"
    assert re.search("memory", reason)
    assert output["report"]["files_written"] == 4
