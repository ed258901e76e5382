"""Imports follow one table of edges between folders, which has no circle; every file name occurs once."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import asap_ingest

PACKAGE = Path(asap_ingest.__file__).parent
#: Folder -> folders it may import from. Every module may import `asap_ingest.errors` and `secrets`.
EDGES = {
    "storage": "",
    "images": "",
    "neuroglancer_client": "",
    "execution": "storage",
    "web": "",
    "render": "storage web",
    "temca": "execution render storage",
    "tile_tables": "images storage",
    "simulation": "execution images storage",
    "mipmaps": "execution images render storage",
    "report": "execution images mipmaps render storage temca",
    "sections": "execution images mipmaps render report storage temca",
    "volumes": "images",
    "volumes.sources": "execution images render volumes",
    "volumes.writing": "execution images storage volumes",
    "volumes.serving": "neuroglancer_client volumes web",
    "volumes.checking": "execution storage volumes web",
    "arrays": "render volumes volumes.checking volumes.sources",
    "render_ws": "",
    "render_ws.wire": "",
    "render_ws.memory": "render_ws.wire",
    "render_ws.transforms": "render_ws.memory render_ws.wire",
    "render_ws.store": "render_ws.transforms render_ws.wire",
    "render_ws.drawing": "images render_ws.memory render_ws.store render_ws.transforms render_ws.wire",
    "render_ws.http": "execution render_ws.drawing render_ws.memory render_ws.store render_ws.transforms"
    " render_ws.wire web",
    "render_ws.stacks": "render_ws.drawing render_ws.http render_ws.store render_ws.transforms"
    " render_ws.wire",
    "render_ws.matches": "render_ws.http render_ws.store render_ws.wire",
    "render_ws.tiles": "render_ws.drawing render_ws.http render_ws.memory render_ws.stacks render_ws.store"
    " render_ws.transforms render_ws.wire",
    "render_ws.pictures": "render_ws.drawing render_ws.http render_ws.stacks render_ws.store render_ws.tiles"
    " render_ws.wire",
    "render_ws.coordinates": "render_ws.http render_ws.pictures render_ws.store render_ws.tiles"
    " render_ws.transforms render_ws.wire",
    "render_ws.pages": "neuroglancer_client render_ws.http render_ws.stacks render_ws.store"
    " render_ws.transforms render_ws.wire",
    "render_ws.client_scripts": "images render_ws.drawing render_ws.store render_ws.transforms"
    " render_ws.wire storage web",
    "render_ws.app": "render_ws.coordinates render_ws.http render_ws.matches render_ws.pages"
    " render_ws.pictures render_ws.stacks render_ws.tiles web",
    "lab": "neuroglancer_client render_ws.app render_ws.http render_ws.pages render_ws.wire volumes.serving"
    " web",
    "commands": "execution images mipmaps render render_ws sections storage tile_tables volumes"
    " volumes.sources volumes.writing web",
    # the root holds the commands, which put the parts together
    "": "arrays commands execution images lab mipmaps neuroglancer_client render render_ws render_ws.app"
    " render_ws.http render_ws.memory render_ws.store report sections simulation storage temca tile_tables"
    " volumes volumes.checking volumes.serving volumes.sources volumes.writing web",
}
EVERYWHERE = ("asap_ingest", "asap_ingest.errors", "asap_ingest.secrets")
COMMAND_FOLDERS = ("", "commands", "render_ws.client_scripts")
COMMAND_LIBRARIES = ("argschema", "argparse", "marshmallow")
SQL_FOLDER = "render_ws.store"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def folder_of(module):
    """The folder of a module of this package, `volumes.serving` for example; the app is one of its own."""
    inner = module.removeprefix("asap_ingest").removeprefix(".")
    return inner if MODULES[module].name == "__init__.py" or inner in EDGES else inner.rpartition(".")[0]


def imported(path):
    """Names of modules: for `from package import module` that of the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & MODULES.keys() or {node.module}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_table(module):
    folder = folder_of(module)
    for name in imported(MODULES[module]):
        library = name.split(".")[0]
        if library in COMMAND_LIBRARIES:
            assert folder in COMMAND_FOLDERS, f"{name} belongs to the commands"
        if library == "sqlite3":
            assert folder == SQL_FOLDER
        if name in MODULES and name not in EVERYWHERE:
            assert folder_of(name) in (folder, *EDGES[folder].split()), f"{module} imports {name}"


def test_the_table_has_no_circle_and_no_edge_that_nobody_uses():
    table = {folder: set(edges.split()) for folder, edges in EDGES.items()}
    TopologicalSorter(table).prepare()
    used = {folder: set() for folder in EDGES}
    for module, path in MODULES.items():
        targets = (folder_of(name) for name in imported(path) if name in MODULES and name not in EVERYWHERE)
        used[folder_of(module)].update(target for target in targets if target != folder_of(module))
    assert used == table


def test_a_file_name_occurs_once():
    names = Counter(path.name for path in MODULES.values() if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []
