"""Imports go one way: commands -> subjects -> effects -> arrays -> errors. Subjects stay apart."""

import ast
from pathlib import Path

import pytest

import asap_ingest

PACKAGE = Path(asap_ingest.__file__).parent
SUBJECTS = (
    *("temca", "tile_tables", "stacks", "mipmaps", "precomputed", "render_ws", "section_report"),
    "volume_check",
)
EFFECTS = ("storage", "parallel", "progress", "render_session", "shards", "neuroglancer_client", "web_policy")
EFFECTS += ("token_gate",)
LAYERS = (("secrets",), ("errors",), ("access_token", "images"), EFFECTS, SUBJECTS)
COMMAND_LIBRARIES = ("argschema", "argparse", "marshmallow")
SQL_PACKAGE = PACKAGE / "render_ws" / "store"


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def part_of(module):
    """The first name below the package: `mipmaps` for asap_ingest.mipmaps.build."""
    return module.split(".")[1] if "." in module else ""


def layer_of(part):
    return next((number for number, parts in enumerate(LAYERS) if part in parts), len(LAYERS))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    relative = path.relative_to(PACKAGE)
    part = relative.parts[0].removesuffix(".py")
    for name in imported(path):
        if name.startswith("asap_ingest.") and part_of(name) not in (part, "__version__"):
            assert layer_of(part_of(name)) < layer_of(part) or layer_of(part) == len(LAYERS), name
        if layer_of(part) < len(LAYERS):
            assert name.split(".")[0] not in COMMAND_LIBRARIES, f"{name} belongs to the commands"
        if name.split(".")[0] == "sqlite3":
            assert path.parent == SQL_PACKAGE
