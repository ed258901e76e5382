"""The command: volumes at URLs, exit codes, the list of faults; and what it shares with the writer."""

import gzip
import http.server
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from asap_ingest.check_precomputed import main
from tests.volumes.checking import FORMATS, faults_of, noise_volume
from tests.volumes.others import by_zarr_python
from tests.volumes.serving import serving
from tests.volumes.volumes import make_volume, random_array


@pytest.fixture
def volume(tmp_path):
    return noise_volume(tmp_path / "volume")


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Static files with ranges, as web servers that are not made for tests have them."""

    def log_message(self, *arguments):
        """Say nothing."""

    def do_GET(self):
        path = self.translate_path(self.path)
        header = self.headers.get("Range")
        if header is None:
            super().do_GET()
            return
        begin, end = header.removeprefix("bytes=").split("-")
        try:
            with Path(path).open("rb") as file:
                file.seek(int(begin))
                content = file.read(int(end) - int(begin) + 1)
        except FileNotFoundError:
            self.send_error(404)
            return
        self.send_response(206)
        last, size = int(begin) + len(content) - 1, Path(path).stat().st_size
        self.send_header("Content-Range", f"bytes {begin}-{last}/{size}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class WholeFileHandler(http.server.SimpleHTTPRequestHandler):
    """`python -m http.server`: it answers with the whole file whatever the range."""

    def log_message(self, *arguments):
        """Say nothing."""


class EncodedHandler(WholeFileHandler):
    """Files with .gz at the end are sent for names without it, as object stores do."""

    def translate_path(self, path):
        path = super().translate_path(path)
        return path if Path(path).exists() else f"{path}.gz"

    def end_headers(self):
        path = Path(self.translate_path(self.path))
        if path.suffix == ".gz" and path.exists():
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()


@contextmanager
def served_by(handler_class, folder):
    """The URL of a folder."""
    handler = partial(handler_class, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            # a thread that goes on after a failed test would keep the run from ending
            server.shutdown()
            thread.join()


@pytest.fixture(params=[RangeHandler, WholeFileHandler])
def served(request, tmp_path):
    """(folder, its URL, whether the server knows ranges)."""
    with served_by(request.param, tmp_path) as url:
        yield tmp_path, url, request.param is RangeHandler


@pytest.mark.slow
@pytest.mark.parametrize("chunk_format", FORMATS)
def test_volume_at_a_url(served, chunk_format):
    folder, url, has_ranges = served
    noise_volume(folder / "v", chunk_format)
    if chunk_format == "sharded" and not has_ranges:
        assert faults_of(f"{url}/v")[0].endswith("Requested byte range [0, 16) was ignored by server")
        return
    assert faults_of(f"precomputed://{url}/v") == []
    assert faults_of(f"{url}/v/", "chunks") == []
    victim = next(path for path in sorted((folder / "v/2_2_2").rglob("*")) if path.name[0] in "0123456789"
                  and path.is_file())  # fmt: skip
    victim.unlink()
    (fault,) = faults_of(f"{url}/v")
    assert fault == f"{str(victim.relative_to(folder / 'v')).removesuffix('.tiff')}: missing"


def compressed_volume(folder):
    for path in noise_volume(folder).glob("*_*/*"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("handler", [WholeFileHandler, EncodedHandler])
def test_compressed_chunks_at_a_url(tmp_path, handler):
    compressed_volume(tmp_path / "v")
    with served_by(handler, tmp_path) as url:
        assert faults_of(f"{url}/v") == []
        assert faults_of(f"{url}/v", "chunks") == []
        (tmp_path / "v/4_4_4/0-8_0-6_0-4.gz").unlink()
        (tmp_path / "v/2_2_2/0-8_0-8_0-7.gz").write_bytes(b"no gzip")
        damaged, missing = faults_of(f"{url}/v")
        assert missing == "4_4_4/0-8_0-6_0-4: missing"
        assert damaged.startswith("2_2_2/0-8_0-8_0-7")
        assert "cannot be decompressed" in damaged


@pytest.mark.slow
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_of_others_at_a_url(served, zarr_format):
    folder, url, _ = served
    by_zarr_python(folder / "v", zarr_format, random_array((13, 21, 37)))
    assert faults_of(f"{url}/v") == []
    (folder / "v/1" / {2: ".zarray", 3: "zarr.json"}[zarr_format]).unlink()
    (fault,) = faults_of(f"{url}/v")
    assert fault.endswith(": missing")


def test_exit_codes_and_the_list_in_json(volume, tmp_path, capsys):
    report = tmp_path / "faults.json"
    assert main([str(volume), "--json", str(report)]) == 0
    assert json.loads(report.read_text())["faults"] == []
    assert "no faults (3 scales, " in capsys.readouterr().out
    (volume / "4_4_4/0-8_0-6_0-4").unlink()
    assert main([str(volume), "--no_voxels", "--json", str(report)]) == 1
    assert json.loads(report.read_text())["faults"] == [{"place": "4_4_4/0-8_0-6_0-4", "problem": "missing"}]
    out = capsys.readouterr().out
    assert "4_4_4/0-8_0-6_0-4: missing\n" in out
    assert "1 faults" not in out
    assert main([str(volume), "--levels_only"]) == 0


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["s3://bucket/volume"], [], ["--unknown"], ["http://127.0.0.1:9/volume"]]
)
def test_what_is_no_volume(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("asap_ingest.check_precomputed: error: ")
    assert error.count("\n") == 1


def test_folder_without_a_volume(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is not a volume: it has none of info, zarr.json, .zgroup" in capsys.readouterr().err


def test_zarr_and_shards_need_the_extra(tmp_path, capsys, monkeypatch):
    noise_volume(tmp_path / "zarr", "zarr")
    noise_volume(tmp_path / "sharded", "sharded")
    noise_volume(tmp_path / "raw", "raw")
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    for name, what in (("zarr", "zarr"), ("sharded", "shards")):
        assert main([str(tmp_path / name)]) == 2
        problem = f"reading {what} needs tensorstore: pip install 'asap_ingest[volumes]'"
        assert problem in capsys.readouterr().err
    assert main([str(tmp_path / "raw")]) == 0


@pytest.mark.slow
def test_shares_no_code_with_the_writer():
    program = (
        "import sys, pkgutil, importlib, asap_ingest.check_precomputed\n"
        "import asap_ingest.volumes.checking as package\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "shared = (package.__name__, 'asap_ingest.volumes.axes', 'asap_ingest.volumes.tensorstore_extra')\n"
        "others = [name for name in sys.modules if not name.startswith(shared)]\n"
        "print([name for name in others if name.startswith(('asap_ingest.volumes.', 'asap_ingest.images', "
        "'tensorstore'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("chunk_format", FORMATS)
def test_volume_that_our_server_shows(tmp_path, chunk_format):
    folder = noise_volume(tmp_path / "v", chunk_format, dtype="uint16")
    with serving(folder) as url:
        assert faults_of(url) == []
        assert faults_of(url, "chunks") == []


PEAK_MEMORY = """
import sys
from pathlib import Path
from asap_ingest.check_precomputed import main
assert main(sys.argv[1:]) == 0
status = Path("/proc/self/status").read_text()
print(next(line for line in status.splitlines() if line.startswith("VmHWM")))
"""


def peak_memory_mb(volume):
    command = [sys.executable, "-c", PEAK_MEMORY, str(volume)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-2]) / 1000


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak memory on Linux")
@pytest.mark.parametrize("chunk_format", ["raw", "sharded"])
def test_memory_does_not_grow_with_the_volume(tmp_path, chunk_format):
    for name, shape in (("small", (32, 64, 64)), ("large", (64, 512, 1024))):
        make_volume(tmp_path / name, random_array(shape), chunk_format, chunk_size=(32, 32, 32), levels=4)
    # the large one has 32 MB of samples in its finest scale alone
    assert peak_memory_mb(tmp_path / "large") < peak_memory_mb(tmp_path / "small") + 8
