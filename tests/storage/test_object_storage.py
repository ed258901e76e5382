"""S3 for real: a moto server on loopback, and connections that break."""

# ruff: noqa: F401, F811 - fixtures are imported

import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, StorageError
from asap_ingest.execution import executor
from tests.s3 import (
    CUT_ANSWER,
    CUT_DOWNLOAD,
    CUT_UPLOAD,
    bucket,
    credentials,
    credentials_checked,
    inside,
    line,
    store,
)

pytestmark = pytest.mark.slow
FEW_RETRIES = {"config_kwargs": {"retries": {"max_attempts": 1, "mode": "standard"}}}


@pytest.mark.parametrize(
    "key", ["a.bin", "folder/with space/a.bin", "folder/a#b?c%20d.bin", "\N{MICROSCOPE}.tif"]
)
def test_any_key_is_written_read_and_listed(store, bucket, inside, key):
    uri = f"{bucket}/{key}"
    for content in (b"first", b"second"):
        storage.write_bytes(uri, content)
        assert storage.read_bytes(uri) == content
    assert store.objects(bucket) == {key: b"second"}
    assert storage.names_in(storage.parent(uri)) == {key.rpartition("/")[2]}
    assert abs(storage.modified_time(uri) - time.time()) < 60


def test_what_is_not_there(bucket, inside):
    uri = f"{bucket}/folder/absent.tif"
    with pytest.raises(MissingFileError, match=r"absent.tif: no such file"):
        storage.read_bytes(uri)
    assert storage.modified_time(uri) is None
    assert storage.names_in(f"{bucket}/folder") == set()
    assert storage.names_and_stamps(f"{bucket}/folder") == {}
    assert not storage.is_folder(f"{bucket}/folder")


def test_a_folder_is_what_keys_have_in_common(store, bucket, inside):
    for key in ("sections/", "sections/1/a.tif", "sections/b.tif", "sections2/c.tif"):
        store.put(f"{bucket}/{key}", b"")
    assert storage.names_in(bucket) == {"sections", "sections2"}
    assert storage.names_in(f"{bucket}/sections") == storage.names_in(f"{bucket}/sections/") == {"1", "b.tif"}
    assert set(storage.names_and_stamps(f"{bucket}/sections")) == {"b.tif"}
    assert storage.names_in(f"{bucket}/sections/b.tif") == set()
    assert [storage.is_folder(f"{bucket}/{key}") for key in ("sections", "sections/b.tif")] == [True, False]


def test_listing_sees_what_others_wrote(store, bucket, inside):
    assert storage.names_in(f"{bucket}/folder") == set()
    for key in ("a", "b"):
        store.put(f"{bucket}/folder/{key}", b"")
        assert key in storage.names_in(f"{bucket}/folder")
        assert key in storage.names_and_stamps(f"{bucket}/folder")


@pytest.mark.long
def test_requests_are_few(store, bucket, line):
    for number in range(1100):
        store.put(f"{bucket}/many/{number}.tif", b"")
    line.requests.clear()
    assert len(storage.names_and_stamps(f"{bucket}/many")) == 1100
    assert len(line.requests) == 2
    for operation, request in (
        (lambda uri: storage.write_bytes(uri, b"content"), "PUT"),
        (storage.read_bytes, "GET"),
        (storage.modified_time, "HEAD"),
    ):
        line.requests.clear()
        operation(f"{bucket}/a.bin")
        assert [made.partition(" ")[0] for made in line.requests] == [request]


def test_large_content_goes_up_in_one_request(store, bucket, line):
    content = bytes(101 << 20)  # s3fs sends parts from 100 MiB
    storage.write_bytes(f"{bucket}/large", content)
    assert len(line.requests) == 1
    assert storage.read_bytes(f"{bucket}/large") == content


@pytest.mark.parametrize("fault", [500, 503, 429, CUT_UPLOAD, CUT_ANSWER])
def test_a_passing_fault_of_writing(store, bucket, line, fault):
    line.faults = [fault]
    storage.write_bytes(f"{bucket}/a.bin", b"content" * 10_000)
    assert store.objects(bucket) == {"a.bin": b"content" * 10_000}
    assert len(line.requests) == 2


@pytest.mark.parametrize("fault", [500, 503, 429, CUT_DOWNLOAD, CUT_ANSWER])
def test_a_passing_fault_of_reading(store, bucket, line, fault):
    store.put(f"{bucket}/a.bin", b"content" * 100_000)
    line.faults = [fault]
    assert storage.read_bytes(f"{bucket}/a.bin") == b"content" * 100_000
    assert len(line.requests) == 2


@pytest.mark.parametrize("before", [{}, {"a.bin": b"old"}])
def test_a_failed_upload_leaves_no_object(store, bucket, line, before):
    for key, content in before.items():
        store.put(f"{bucket}/{key}", content)
    line.faults = [CUT_UPLOAD] * 50
    with (
        storage.options(line.options | FEW_RETRIES),
        pytest.raises(StorageError, match=r"a.bin: cannot be written: .*[Cc]onnect"),
    ):
        storage.write_bytes(f"{bucket}/a.bin", b"content" * 100_000)
    assert store.objects(bucket) == before
    assert store.unfinished_uploads(bucket) == []
    line.faults = []
    storage.write_bytes(f"{bucket}/a.bin", b"new")
    assert store.objects(bucket) == {"a.bin": b"new"}


def test_a_download_that_is_always_cut_is_no_image(store, bucket, line):
    store.put(f"{bucket}/a.bin", b"content" * 100_000)
    line.faults = [CUT_DOWNLOAD] * 50
    with pytest.raises(StorageError, match=r"a.bin: ClientPayloadError: Response payload is not completed"):
        storage.read_bytes(f"{bucket}/a.bin")


@pytest.mark.parametrize(
    "operation",
    [
        storage.read_bytes,
        lambda uri: storage.write_bytes(uri, b""),
        storage.modified_time,
        storage.names_in,
        storage.is_folder,
        storage.ensure_writable_folder,
    ],
)
def test_a_missing_bucket_is_named(inside, operation):
    with pytest.raises(StorageError, match=r"^s3://absent-bucket/a: .*no such bucket") as caught:
        operation("s3://absent-bucket/a")
    assert not isinstance(caught.value, MissingFileError)


def test_writable_folder_leaves_no_trace(store, bucket, inside):
    storage.ensure_writable_folder(f"{bucket}/folder/")
    assert store.objects(bucket) == {}


def test_who_may_not_remove_can_work(store, bucket, line, caplog):
    line.faults = [None, 403]
    storage.ensure_writable_folder(f"{bucket}/folder")
    assert "cannot be removed: access denied" in caplog.text


def test_refused_credentials(store, bucket):
    with (
        credentials_checked(store),
        storage.options(store.options),
        pytest.raises(StorageError, match="credentials were refused .* check AWS_ACCESS_KEY_ID"),
    ):
        storage.read_bytes(f"{bucket}/a.bin")


def test_denied_access(bucket, line):
    line.faults = [403]
    with pytest.raises(StorageError, match="access denied"):
        storage.ensure_writable_folder(bucket)


def test_no_credentials(store, bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    # options of its own: the file systems of other tests have found their credentials
    with (
        storage.options(store.options | {"default_fill_cache": False}),
        pytest.raises(StorageError, match="no complete credentials were found .* set AWS_ACCESS_KEY_ID"),
    ):
        storage.read_bytes(f"{bucket}/a.bin")


def test_nothing_answers(credentials, closed_port):
    with (
        storage.options({"endpoint_url": f"http://127.0.0.1:{closed_port}"} | FEW_RETRIES),
        pytest.raises(StorageError, match="s3://bucket: .* does not answer .* check endpoint_url"),
    ):
        storage.ensure_writable_folder("s3://bucket")


def test_an_option_that_is_none(credentials):
    with (
        storage.options({"endpont_url": "http://127.0.0.1:9"}),
        pytest.raises(StorageError, match="storage_options do not fit this scheme .*endpont_url"),
    ):
        storage.read_bytes("s3://bucket/a.bin")


def test_options_nest_and_belong_to_a_scheme(store, bucket):
    nowhere = {"endpoint_url": "http://127.0.0.1:9"}
    with storage.options(nowhere | FEW_RETRIES):
        with storage.options({"s3": store.options}):
            storage.write_bytes("memory://folder/a.bin", b"not S3")
            storage.write_bytes(f"{bucket}/a.bin", b"S3")
        with storage.options(nowhere | {"s3": store.options}):
            assert storage.read_bytes(f"{bucket}/a.bin") == b"S3"
        with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
            storage.read_bytes(f"{bucket}/a.bin")


def test_options_of_threads_are_apart(store, bucket):
    entered, done = threading.Event(), threading.Event()

    def other():
        with storage.options({"endpoint_url": "http://127.0.0.1:9"}):
            entered.set()
            done.wait()

    thread = threading.Thread(target=other)
    with storage.options(store.options):
        thread.start()
        entered.wait()
        storage.write_bytes(f"{bucket}/a.bin", b"content")
        done.set()
        thread.join()
        assert storage.read_bytes(f"{bucket}/a.bin") == b"content"


class ServesAtTheSecondAttempt(SimpleHTTPRequestHandler):
    refused: ClassVar[set[str]] = set()

    def do_GET(self):
        if self.path in self.refused:
            super().do_GET()
        else:
            self.refused.add(self.path)
            self.send_error(503)


def test_sources_over_http(store, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"content")
    handler = partial(ServesAtTheSecondAttempt, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, storage.options({"s3": store.options}):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = f"http://127.0.0.1:{server.server_address[1]}"
        assert storage.read_bytes(f"{folder}/a.bin") == b"content"
        assert storage.modified_time(f"{folder}/a.bin") == 0, "HTTP tells no times: old"
        with pytest.raises(MissingFileError):
            storage.read_bytes(f"{folder}/absent")
        assert storage.modified_time(f"{folder}/absent") is None
        server.shutdown()


def copy_object(job):
    options, source, target = job
    with storage.options(options):
        storage.write_bytes(target, storage.read_bytes(source))


def test_worker_processes(store, bucket, inside):
    storage.write_bytes(f"{bucket}/source", b"content")  # this process has fsspec's thread by now
    jobs = [(store.options, f"{bucket}/source", f"{bucket}/{number}") for number in range(20)]
    outcomes = list(executor(3).run(copy_object, jobs))
    assert [outcome.error for outcome in outcomes] == [None] * 20
    assert storage.names_in(bucket) == {"source", *map(str, range(20))}


WITHOUT_S3FS = """
import sys
sys.modules["s3fs"] = None
from asap_ingest import storage
from asap_ingest.errors import StorageError
try:
    storage.read_bytes("s3://bucket/a")
except StorageError as error:
    sys.exit(error.problem)
"""


def test_missing_library_is_named():
    ran = subprocess.run([sys.executable, "-c", WITHOUT_S3FS], capture_output=True, text=True, check=False)
    assert ran.stderr.strip().endswith("not installed: pip install 'asap_ingest[s3]'")
