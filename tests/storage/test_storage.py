"""Files are written whole or not at all; what goes wrong names the file."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, StorageError
from tests.disks import mounted, resize


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/a/b.tif", "/a/b.tif"),
        ("file:/a/b.tif", "/a/b.tif"),
        ("file:///a/b%20c.tif", "/a/b c.tif"),
        ("file://localhost/a/b.tif", "/a/b.tif"),
        ("file:///a/%5B#?.tif", "/a/[#?.tif"),
        ("file://[/b.tif", "/b.tif"),
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


@pytest.mark.parametrize("unnamed_files", [True, False])
@pytest.mark.parametrize("folder", ["/", "memory://parts/"])
def test_a_file_is_written_from_its_parts(tmp_path, monkeypatch, folder, unnamed_files):
    if not unnamed_files:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    uri = f"{tmp_path}/a.bin" if folder == "/" else f"{folder}a.bin"
    body = bytes(range(256)) * 1000
    storage.write_bytes(uri, b"head", memoryview(body)[1:], b"", b"tail")
    assert storage.read_bytes(uri) == b"head" + body[1:] + b"tail"


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


def test_parts_of_a_file_are_read(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    uri = (tmp_path / "a.bin").as_uri()
    assert storage.read_parts(uri, lambda file: (file.seek(4), file.read(2))) == (4, b"45")
    for name, problem in (("absent", "no such file"), ("pipe", "is not a regular file"), (".", "directory")):
        if name == "pipe":
            os.mkfifo(tmp_path / name)
        with pytest.raises(StorageError, match=problem):
            storage.read_parts(str(tmp_path / name), lambda file: file.read())


def test_parts_of_a_file_of_another_scheme():
    storage.write_bytes("memory://parts/a.bin", b"0123456789")
    assert storage.read_parts("memory://parts/a.bin", lambda file: (file.seek(4), file.read(2))) == (4, b"45")
    with pytest.raises(MissingFileError):
        storage.read_parts("memory://parts/absent", lambda file: file.read())


def test_folder_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/a.bin: cannot be written"):
        storage.write_bytes(str(tmp_path / "file" / "a.bin"), b"")
    with pytest.raises(StorageError, match="cannot be written"):
        storage.ensure_writable_folder(str(tmp_path / "file" / "folder"))


def test_a_folder_in_the_way_leaves_no_part(tmp_path):
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(StorageError, match=r"a.bin: cannot be written"):
        storage.write_bytes(str(tmp_path / "a.bin"), b"content")
    assert storage.names_in(str(tmp_path)) == {"a.bin"}


def test_a_write_that_a_signal_ends_leaves_no_part(tmp_path, monkeypatch):
    def terminated(*args):
        raise SystemExit

    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(Path, "replace", terminated)
    with pytest.raises(SystemExit):
        storage.write_bytes(str(tmp_path / "a.bin"), b"content")
    assert storage.names_in(str(tmp_path)) == set()


@pytest.mark.parametrize("name", ["n" * 255, "\N{MICRO SIGN}" * 127, "\N{MICROSCOPE}" * 63])
@pytest.mark.parametrize("unnamed_files", [True, False])
def test_names_may_be_as_long_as_the_system_lets_them(tmp_path, monkeypatch, name, unnamed_files):
    if not unnamed_files:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    for content in (b"first", b"second"):
        storage.write_bytes(str(tmp_path / name), content)
    assert (tmp_path / name).read_bytes() == b"second"


@pytest.mark.parametrize("scheme", ["", "memory:/"])
def test_folder_is_removed_with_all_below(tmp_path, scheme):
    folder = f"{scheme}{tmp_path}/folder"
    for name in ("a/b/c", "a/.hidden", "d"):
        storage.write_bytes(storage.join(folder, name), b"x")
    storage.write_bytes(f"{folder}er", b"neighbour")
    storage.remove_folder(f"{folder}/a")
    assert storage.names_in(folder) == {"d"}
    storage.remove_folder(folder)
    storage.remove_folder(folder)
    assert storage.names_in(f"{scheme}{tmp_path}") == {"folderer"}


@pytest.mark.parametrize("scheme", ["", "memory:/"])
def test_files_are_listed_without_folders(tmp_path, scheme):
    for name in ("a.tif", "folder/b.tif"):
        storage.write_bytes(f"{scheme}{tmp_path}/{name}", b"x")
    assert storage.file_names_in(f"{scheme}{tmp_path}") == {"a.tif"}
    assert storage.file_names_in(f"{scheme}{tmp_path}/absent") == set()


def test_what_is_no_regular_file_is_not_listed_as_one(tmp_path):
    (tmp_path / "a.tif").touch()
    (tmp_path / "link.tif").symlink_to("a.tif")
    (tmp_path / "nowhere.tif").symlink_to("absent.tif")
    (tmp_path / "device.tif").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.tif")
    assert storage.file_names_in(str(tmp_path)) == {"a.tif", "link.tif"}


def test_listing_of_no_folder_is_empty(tmp_path):
    (tmp_path / "file").touch()
    for absent in (str(tmp_path / "absent"), str(tmp_path / "file")):
        assert storage.names_in(absent) == set()
        assert storage.names_and_stamps(absent) == {}


def test_names_and_stamps_are_those_of_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "nowhere").symlink_to("absent")
    os.utime(tmp_path / "b", (0, 1234.5))
    found = storage.names_and_stamps(tmp_path.as_uri())
    assert found == {name: (storage.modified_time(str(tmp_path / name)), 0) for name in ("a", "b", "link")}
    assert found["b"] == (1234.5, 0)


@pytest.fixture(params=["tmpfs", "tmpfs without unnamed files"])
def small_disk(tmp_path, monkeypatch, request):
    """A file system of 64 kB."""
    if request.param != "tmpfs":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    with mounted(tmp_path / "disk", "64k") as folder:
        yield folder


def test_full_disk_leaves_the_old_file_and_no_part(small_disk):
    uri = str(small_disk / "a.bin")
    storage.write_bytes(uri, b"old")
    for name in ("a.bin", "new.bin"):
        with pytest.raises(StorageError, match=f"{name}: cannot be written: No space left on device"):
            storage.write_bytes(str(small_disk / name), b"x" * 100_000)
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == {"a.bin": b"old"}
    resize(small_disk, "1m")
    storage.write_bytes(uri, b"x" * 100_000)
    assert storage.read_bytes(uri) == b"x" * 100_000


LIMITED = """
import os, resource, sys
from asap_ingest import storage
from asap_ingest.errors import StorageError
if sys.argv[2] == "False":
    del os.O_TMPFILE
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    storage.write_bytes(sys.argv[1], b"x" * 30_000)
except StorageError as error:
    sys.exit(error.problem)
"""


@pytest.mark.slow
@pytest.mark.parametrize("unnamed_files", [True, False])
@pytest.mark.parametrize("before", [{}, {"a.bin": b"old"}])
def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, unnamed_files, before):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    program = [sys.executable, "-c", LIMITED, str(tmp_path / "a.bin"), str(unnamed_files)]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[0] == "cannot be written: File too large"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unknown_scheme_is_named():
    with pytest.raises(StorageError, match="gopher"):
        storage.read_bytes("gopher://a/b")


def test_any_fsspec_uri():
    uri = "memory://bucket/folder/a.bin"
    storage.write_bytes(uri, b"content")
    assert storage.read_bytes(uri) == b"content"
    assert storage.names_in(storage.parent(uri)) == {"a.bin"}
    assert storage.names_and_stamps(storage.parent(uri)).keys() == {"a.bin"}
    assert storage.modified_time(uri) is not None
    assert storage.is_folder("memory://bucket/folder")
    assert not storage.is_folder("memory://bucket/absent")
    with pytest.raises(MissingFileError):
        storage.read_bytes("memory://bucket/absent")
