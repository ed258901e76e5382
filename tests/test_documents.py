"""What the documents name exists: links, modules and folders, and what CONTRIBUTING sends its readers to."""

import importlib
import re
from pathlib import Path

import pytest

from asap_ingest.commands.command_table import COMMANDS

ROOT = Path(__file__).parents[1]
FOLDERS = ("asap_ingest", "tests", "integration_tests", "benchmarks", "docs")
#: The changelog also names what was there before.
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
PATHS = {
    f"/{path.relative_to(ROOT)}{'/' if path.is_dir() else ''}"
    for folder in FOLDERS
    for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
    if "__pycache__" not in path.parts
}
#: Pages that are generated when the site is built.
GENERATED = {f"reference/{name}.md" for name in (*COMMANDS, "commands", "python")}
#: A file of the reader's own.
READERS_FILES = {"cluster.py"}


def code_spans(document):
    """Texts between backticks outside of blocks."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.S)
    return re.findall(r"`([^`\n]+)`", text)


def is_there(name):
    """Whether a dotted name is a module, or a member of one."""
    module, _, member = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), member)
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_and_folders_that_are_named_exist(document):
    spans = code_spans(document)
    paths = {span for span in spans if re.fullmatch(r"[\w-][\w./-]*(\.py|/)", span)} - READERS_FILES
    assert {name for name in paths if not any(path.endswith(f"/{name}") for path in PATHS)} == set()
    names = {name for span in spans for name in re.findall(r"\basap_ingest(?:\.\w+)+", span)}
    assert {name for name in names if not is_there(name)} == set()


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CHANGELOG.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert {
        link for link in links if link not in GENERATED and not (document.parent / link).exists()
    } == set()


def test_what_contributing_sends_readers_to_exists():
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    names = {span for span in code_spans(ROOT / "CONTRIBUTING.md") if re.fullmatch(r"[A-Za-z]\w{3,}", span)}
    assert {name for name in names if not re.search(rf"\b{name}\b", text)} == set()


def test_each_walk_has_at_most_six_moves():
    walks = re.split(r"\n## ", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    moves = {walk.splitlines()[0]: len(re.findall(r"^\d\. ", walk, re.M)) for walk in walks}
    assert [name for name, count in moves.items() if count] == [
        "Add a request",
        "Add a chunk format",
        "Add an importer for a microscope",
        "Add a column to the report",
    ]
    assert max(moves.values()) == 6
