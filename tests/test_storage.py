"""Files are written whole or not at all; what goes wrong names the file."""

import os
import threading
from pathlib import Path

import pytest

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, StorageError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/a/b.tif", "/a/b.tif"),
        ("file:/a/b.tif", "/a/b.tif"),
        ("file:///a/b%20c.tif", "/a/b c.tif"),
        ("file://localhost/a/b.tif", "/a/b.tif"),
        ("/a/./c/../b.tif", "/a/b.tif"),
        ("/a/b%20c.tif", "/a/b%20c.tif"),
        ("s3://bucket/b.tif", None),
    ],
)
def test_local_path(name, expected):
    assert storage.local_path(name) == (None if expected is None else Path(expected))


def test_relative_path_is_made_absolute():
    assert storage.local_path("b.tif") == Path.cwd() / "b.tif"


def test_as_uri_is_its_own_inverse():
    uri = storage.as_uri("/a/b c#d%.tif")
    assert uri == "file:///a/b%20c%23d%25.tif"
    assert storage.local_path(uri) == Path("/a/b c#d%.tif")


@pytest.mark.parametrize("unnamed_files", [True, False])
def test_write_makes_folders_and_replaces(tmp_path, monkeypatch, unnamed_files):
    if not unnamed_files:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    uri = (tmp_path / "new" / "folder" / "a.bin").as_uri()
    for content in (b"first", b"second"):
        storage.write_bytes(uri, content)
        assert storage.read_bytes(uri) == content
    assert storage.names_in(storage.parent(uri)) == {"a.bin"}


def test_new_files_have_the_usual_permissions(tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    storage.write_bytes(str(tmp_path / "ours"), b"")
    assert (tmp_path / "ours").stat().st_mode == usual.stat().st_mode


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "a.bin"
    contents = {bytes([n]) * 300_000 for n in range(4)}
    storage.write_bytes(str(path), next(iter(contents)))
    seen, done = [], threading.Event()

    def read():
        while not done.is_set():
            seen.append(path.read_bytes() in contents)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        for content in contents:
            storage.write_bytes(str(path), content)
    done.set()
    reader.join()
    assert seen
    assert all(seen)


def test_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match="absent.tif: no such file"):
        storage.read_bytes(str(tmp_path / "absent.tif"))
    assert storage.modified_time(str(tmp_path / "absent.tif")) is None


def test_folder_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/a.bin: cannot be written"):
        storage.write_bytes(str(tmp_path / "file" / "a.bin"), b"")
    with pytest.raises(StorageError, match="cannot be written"):
        storage.ensure_writable_folder(str(tmp_path / "file" / "folder"))


def test_listing_of_no_folder_is_empty(tmp_path):
    assert storage.names_in(str(tmp_path / "absent")) == set()


def test_unknown_scheme_is_named():
    with pytest.raises(StorageError, match="gopher"):
        storage.read_bytes("gopher://a/b")


def test_any_fsspec_uri():
    uri = "memory://bucket/folder/a.bin"
    storage.write_bytes(uri, b"content")
    assert storage.read_bytes(uri) == b"content"
    assert storage.names_in(storage.parent(uri)) == {"a.bin"}
    assert storage.modified_time(uri) is not None
    with pytest.raises(MissingFileError):
        storage.read_bytes("memory://bucket/absent")
