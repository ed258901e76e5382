"""No request reads a file that the service may not serve, and no answer tells what a file holds."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pytest
from PIL import Image

from tests.render_ws.client import JSON_TYPE, StackClient, collection, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import Answer, send

pytestmark = pytest.mark.slow
OPEN, SECRET = 50, 200
TEXT = "TOPSECRET-4711"


@dataclass(frozen=True)
class Site:
    """A service that may read from `root/inside` only; `root/outside` holds what it must not show."""

    url: str
    root: Path

    @property
    def inside(self) -> Path:
        return self.root / "inside"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def picture(self) -> str:
        return str(self.inside / "open.png")


def save(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((80, 100), value, np.uint8)).save(path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    save(root / "inside" / "open.png", OPEN)
    save(root / "outside" / "secret.png", SECRET)
    save(root / "inside_too" / "secret.png", SECRET)
    (root / "outside" / "secret.txt").write_text(TEXT * 20)
    (root / "inside" / "link.png").symlink_to(root / "outside" / "secret.png")
    (root / "inside" / "folder").symlink_to(root / "outside")
    (root / "inside" / "chain").symlink_to("folder")
    with serving(root, image_roots=[root / "inside"]) as url:
        yield Site(url, root)


#: Ways to write the path of a file outside, given the folder of the site.
FORMS: dict[str, Callable[[Path], str]] = {
    "plain": lambda root: f"{root}/outside/secret.png",
    "passwd": lambda root: "/etc/passwd",
    "text": lambda root: f"{root}/outside/secret.txt",
    "name-begins-alike": lambda root: f"{root}/inside_too/secret.png",
    "up": lambda root: f"{root}/inside/../outside/secret.png",
    "up-from-nowhere": lambda root: f"{root}/inside/none/../../outside/secret.png",
    "up-escaped": lambda root: f"{root}/inside/%2e%2e/outside/secret.png",
    "up-escaped-slash": lambda root: f"file:{root}/inside/..%2foutside%2Fsecret.png",
    "up-escaped-twice": lambda root: f"{root}/inside/%252e%252e/outside/secret.png",
    "up-overlong": lambda root: f"{root}/inside/%c0%ae%c0%ae/outside/secret.png",
    "up-backslash": lambda root: f"{root}/inside/..\\outside\\secret.png",
    "all-escaped": lambda root: (
        "file:" + "".join(f"%{byte:02x}" for byte in f"{root}/outside/secret.png".encode())
    ),
    "all-escaped-without-scheme": lambda root: "".join(f"%{byte:02x}" for byte in b"/etc/passwd"),
    "file": lambda root: f"file:{root}/outside/secret.png",
    "file-two": lambda root: f"file://{root}/outside/secret.png",
    "file-three": lambda root: "file:///etc/passwd",
    "file-four": lambda root: f"file:///{root}/outside/secret.png",
    "file-upper": lambda root: f"FILE:{root}/outside/secret.png",
    "file-mixed": lambda root: f"FiLe://{root}/outside/secret.png",
    "file-localhost": lambda root: f"file://localhost{root}/outside/secret.png",
    "file-host": lambda root: f"file://host.example{root}/outside/secret.png",
    "file-twice": lambda root: f"file:file:{root}/outside/secret.png",
    "file-query": lambda root: f"file:{root}/outside/secret.png?x={root}/inside/open.png",
    "file-fragment": lambda root: f"file:{root}/outside/secret.png#{root}/inside/open.png",
    "jar": lambda root: f"jar:file:{root}/outside/secret.png!/x",
    "double-slash": lambda root: f"//{root}/outside/secret.png",
    "relative": lambda root: "../" * 20 + "etc/passwd",
    "relative-file": lambda root: "file:" + "../" * 20 + "etc/passwd",
    "relative-here": lambda root: "pyproject.toml",
    "home": lambda root: "~/.bashrc",
    "link": lambda root: f"{root}/inside/link.png",
    "link-folder": lambda root: f"{root}/inside/folder/secret.png",
    "link-chain": lambda root: f"{root}/inside/chain/secret.png",
    "nul": lambda root: f"{root}/outside/secret.png\0{root}/inside/open.png",
    "nul-escaped": lambda root: f"{root}/inside/open.png%00/../../outside/secret.png",
    "process-root": lambda root: f"/proc/self/root{root}/outside/secret.png",
    "process-folder": lambda root: "/proc/self/cwd/pyproject.toml",
    "process-environment": lambda root: "/proc/self/environ",
    "device": lambda root: "/dev/stdin",
    "blank": lambda root: f" {root}/outside/secret.png",
    "line-break": lambda root: f"{root}/inside/\n/../../outside/secret.png",
    "web": lambda root: "http://127.0.0.1:9/secret.png",
    "bucket": lambda root: "s3://bucket/secret.png",
}


def shows_secret(answer: Answer) -> bool:
    """Whether an answer holds pixels of the picture outside, or text of a file."""
    if answer.headers.get("content-type", "").startswith("image/"):
        return bool((np.asarray(Image.open(io.BytesIO(answer.body)).convert("RGB")) > OPEN + 10).any())
    return any(text in answer.body for text in (b"root:", TEXT.encode(), b"[build-system]", b"PATH="))


def refused(answer: Answer) -> bool:
    return answer.status == 400 and not shows_secret(answer)


def drawn(site: Site, spec: dict[str, Any], **parameters: Any) -> Answer:
    """The picture of one tile spec, by render parameters."""
    body = {"tileSpecs": [spec], "width": 100, "height": 80, **parameters}
    return send(site.url, "PUT", "/render-ws/v1/owner/o/png-image", JSON_TYPE, orjson.dumps(body))


def spec_with(site: Site, field: str, url: str, loader: str | None = None) -> dict[str, Any]:
    """A tile whose image, mask or channel lies at the URL."""
    kind = field.removeprefix("channel ")
    entry = {"imageUrl": site.picture, f"{kind}Url": url}
    if loader is not None:
        entry |= {f"{kind}LoaderType": loader, f"{kind}SliceNumber": 1}
    levels = {"0": entry}
    if field.startswith("channel"):
        channel = {"name": "c", "minIntensity": 0, "maxIntensity": 255, "mipmapLevels": levels}
        return tile("a", mipmapLevels={}, channels=[channel])
    return tile("a", mipmapLevels=levels)


def test_the_picture_inside_is_drawn(site: Site) -> None:
    for url in (site.picture, f"file:{site.picture}", f"file://{site.picture}", quote(site.picture)):
        answer = drawn(site, spec_with(site, "image", url))
        assert answer.status == 200
        assert not shows_secret(answer)


def test_a_secret_would_be_noticed(site: Site, tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        everything = Site(url, site.root)
        assert shows_secret(drawn(everything, spec_with(site, "image", f"{site.outside}/secret.png")))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("field", ["image", "mask", "channel image", "channel mask"])
def test_render_parameters_reach_no_file_outside(site: Site, field: str, form: str) -> None:
    spec = spec_with(site, field, FORMS[form](site.root))
    assert refused(drawn(site, spec))


# what holds a zero byte is not stored
@pytest.mark.parametrize("form", [form for form in FORMS if form != "nul"])
def test_stored_tiles_reach_no_file_outside(site: Site, form: str) -> None:
    stack = StackClient(site.url, "s", owner="stored", project=f"p{list(FORMS).index(form)}")
    spec = spec_with(site, "image", FORMS[form](site.root))
    if form == "nul":  # no such tile is stored
        stack.create()
        assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(spec)) == 400
        return
    stack.create(spec, state="COMPLETE")
    for path in (
        "/z/1/box/0,0,100,80,1/png-image",
        "/z/1/png-image?scale=1",
        "/tile/a/png-image",
        "/tile/a/source/png-image",
        "/tile/a/withNeighbors/jpeg-image",
    ):
        assert refused(stack.ask("GET", path)), path
    shown = send(site.url, "GET", f"/render-ws/view/overview/stored/{stack.project}/s", {}, None)
    assert shown.status == 200
    assert not shows_secret(shown)


@pytest.mark.parametrize(
    "loader", ["IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE", "IMAGEJ_TIFF_STACK", "DYNAMIC_MASK", "H5_SLICE"]
)
@pytest.mark.parametrize("field", ["image", "mask"])
def test_no_loader_reaches_a_file_outside(site: Site, field: str, loader: str) -> None:
    for url in (f"{site.outside}/secret.png", f"mask://{site.outside}/secret.png", "mask:/etc/passwd"):
        assert refused(drawn(site, spec_with(site, field, url, loader)))


BUILDERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "root": lambda root: {"rootPath": f"{root}/levels"},
    "root-file": lambda root: {"rootPath": f"file:{root}/levels"},
    "root-up": lambda root: {"rootPath": f"{root}/inside/../levels"},
    "root-escaped": lambda root: {"rootPath": f"{root}/inside/%2e%2e/levels"},
    "root-link": lambda root: {"rootPath": f"{root}/inside/levels"},
    "extension": lambda root: {
        "rootPath": f"{root}/inside",
        "extension": f"png/../../../../{root}/levels/x.png",
    },
    "pattern": lambda root: {"imageMipmapPatternString": r"(.*/)inside(/open\.png)"},
    "pattern-up": lambda root: {"imageMipmapPatternString": r"(.*/)inside/op(en\.png)"},
}


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("stored", [True, False], ids=["stack", "parameters"])
def test_path_builders_reach_no_file_outside(site: Site, name: str, stored: bool) -> None:
    for path in (f"levels/1{site.picture}.png", "levels/x.png", "1/open.png", "1en.png"):
        save(site.root / path, SECRET)
    link = site.inside / "levels"
    if not link.exists():
        link.symlink_to(site.root / "levels")
    builder = {
        "rootPath": str(site.inside),
        "numberOfLevels": 3,
        "extension": "png",
        **BUILDERS[name](site.root),
    }
    spec = spec_with(site, "image", site.picture)
    if stored:
        stack = StackClient(site.url, "s", owner="builders", project=f"p{list(BUILDERS).index(name)}")
        stack.create(spec)
        assert stack.status("PUT", "/mipmapPathBuilder", builder) == 200
        answer = stack.ask("GET", "/z/1/box/0,0,100,80,0.5/png-image")
    else:
        answer = drawn(site, spec, scale=0.5, mipmapPathBuilder=builder)
    assert answer.status in (200, 400)
    assert not shows_secret(answer)


@pytest.mark.parametrize("field", ["tileSpecUrl", "parametersUrl", "in", "out"])
def test_fields_that_name_files_are_neither_read_nor_written(site: Site, field: str) -> None:
    spec = spec_with(site, "image", site.picture)
    plain = drawn(site, spec)
    before = sorted(site.root.rglob("*"))
    with socket.create_server(("127.0.0.1", 0)) as nobody_calls:
        nobody_calls.settimeout(0.2)
        port = nobody_calls.getsockname()[1]
        for url in (
            f"{site.outside}/secret.txt",
            f"file:{site.outside}/secret.txt",
            f"{site.outside}/written.png",
            f"http://127.0.0.1:{port}/x",
        ):
            assert drawn(site, spec, **{field: url}).body == plain.body
        with pytest.raises(TimeoutError):
            nobody_calls.accept()
    assert sorted(site.root.rglob("*")) == before


def test_the_service_fetches_nothing_from_elsewhere(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody_calls:
        nobody_calls.settimeout(0.2)
        port = nobody_calls.getsockname()[1]
        for scheme in ("http", "https", "ftp", "s3", "gopher"):
            for field in ("image", "mask"):
                assert refused(drawn(site, spec_with(site, field, f"{scheme}://127.0.0.1:{port}/x.png")))
        with pytest.raises(TimeoutError):
            nobody_calls.accept()


@pytest.mark.parametrize("root", ["outside", "inside/../outside", "inside/folder", "inside/%2e%2e/outside"])
def test_boxes_drawn_in_advance_lie_inside(site: Site, root: str) -> None:
    save(site.outside / "100x80" / "0" / "1.0" / "0" / "0.png", SECRET)
    stack = StackClient(site.url, "s", owner="boxes", project=f"p{abs(hash(root))}")
    stack.create(spec_with(site, "image", site.picture), state="COMPLETE")
    text = {"Content-Type": "text/plain"}
    path = f"{site.root}/{root}".encode()
    assert stack.ask("PUT", "/materializedBoxRootPath", path, **text).status == 200
    answer = stack.ask("GET", "/largeDataTileSource/100/80/0/1.0/0/0.png")
    assert answer.status in (200, 400)
    assert not shows_secret(answer)


def test_a_box_file_that_links_outside_is_not_sent(site: Site) -> None:
    folder = site.inside / "boxes" / "100x80" / "0" / "1.0" / "0"
    folder.mkdir(parents=True)
    (folder / "0.png").symlink_to(site.outside / "secret.png")
    stack = StackClient(site.url, "linked", owner="boxes").create(
        spec_with(site, "image", site.picture), state="COMPLETE"
    )
    path = f"{site.inside}/boxes".encode()
    assert stack.ask("PUT", "/materializedBoxRootPath", path, **{"Content-Type": "text/plain"}).status == 200
    assert refused(stack.ask("GET", "/largeDataTileSource/100/80/0/1.0/0/0.png"))


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..;x/app.py",
        "....//app.py",
        "page_files.py",
        "__init__.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "..%5c..%5capp.py",
        "stacks.html%00.py",
        ".",
        "..",
    ],
)
@pytest.mark.parametrize("folder", ["view", "view/neuroglancer", "view/neuroglancer/v/page"])
def test_pages_are_only_those_that_there_are(site: Site, folder: str, name: str) -> None:
    answer = send(site.url, "GET", f"/render-ws/{folder}/{name}", {}, None)
    assert answer.status in (302, 400, 404) or answer.headers["content-type"].startswith("text/html")
    assert not shows_secret(answer)
    assert b"import " not in answer.body
    assert b"def " not in answer.body


@pytest.mark.parametrize(
    "start", ["", "P5\n", "P5 12 ", "BM", "GIF89a", "II*\0", "MM\0*", "\x89PNG\r\n\x1a\n"]
)
@pytest.mark.parametrize("field", ["image", "mask"])
def test_an_error_never_quotes_a_file(tmp_path: Path, site: Site, start: str, field: str) -> None:
    path = tmp_path / "letter.png"
    path.write_bytes(start.encode("latin-1") + (TEXT * 20).encode())
    with serving(tmp_path) as url:
        answer = drawn(Site(url, site.root), spec_with(site, field, str(path)))
    assert answer.status == 400
    assert b"letter.png" in answer.body
    for length in range(4, len(TEXT) + 1):
        assert TEXT[:length].encode() not in answer.body


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin", "/", "/proc/self/mem"]
)
def test_special_files_are_refused_at_once_also_without_roots(tmp_path: Path, site: Site, path: str) -> None:
    with serving(tmp_path) as url:
        assert refused(drawn(Site(url, site.root), spec_with(site, "image", path)))
