"""Hook of the documentation site: reference pages made from the code, and pages that lie outside `docs/`."""

from __future__ import annotations

import re
from argparse import SUPPRESS
from collections.abc import Iterator
from html import escape
from importlib import import_module
from pathlib import Path
from posixpath import relpath
from typing import Any

from mkdocs.structure.files import File

import asap_ingest
from asap_ingest.commands.command_help import HelpText
from asap_ingest.commands.command_table import GROUPS, parser_of

ROOT = Path(__file__).resolve().parents[1]
#: File of the repository -> the page that shows it.
INCLUDED = {
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "speed.md",
    "benchmarks/LOAD.md": "load.md",
    "integration_tests/README.md": "integration_tests.md",
}
_LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Add a page for each command to the navigation, below the list of commands."""
    reference = next(section["Reference"] for section in config.nav if "Reference" in section)
    for entry in reference:
        if "Commands" in entry:
            pages = [{"All commands": entry["Commands"]}]
            entry["Commands"] = pages + [{command: f"reference/{command}.md"} for command, _ in _commands()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not written by hand in `docs/`."""
    pages = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in INCLUDED.items()}
    pages["reference/commands.md"] = command_list()
    pages |= {f"reference/{command}.md": command_page(command, what) for command, what in _commands()}
    pages["reference/python.md"] = python_page()
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links between files of the repository into links between pages."""
    sources = {shown: source for source, shown in INCLUDED.items()}
    source = ROOT / sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def to_page(link: re.Match[str]) -> str:
        target = (source.parent / link[1]).resolve().relative_to(ROOT).as_posix()
        shown = INCLUDED.get(target, target.removeprefix("docs/"))
        start = page.file.src_uri.rpartition("/")[0] or "."
        return f"]({relpath(shown, start)}{link[2] or ''})"

    return _LINK.sub(to_page, markdown)


def _commands() -> Iterator[tuple[str, str]]:
    for commands in GROUPS.values():
        yield from commands.items()


def command_list() -> str:
    """All commands by group, each with a link to its page."""
    lines = ["# Commands", "", "`asap-ingest COMMAND --help` shows the same in a terminal."]
    for heading, commands in GROUPS.items():
        lines += ["", f"## {heading[0].upper()}{heading[1:]}", "", "| command | |", "|---|---|"]
        lines += [f"| [`{name}`]({name}.md) | {_cell(what)} |" for name, what in commands.items()]
    return "\n".join(lines) + "\n"


def command_page(command: str, what: str) -> str:
    """Parameters of a command in groups, and the fields of its output JSON."""
    parser = parser_of(command)
    lines = [f"# {command}", "", f"*{what}*", "", _prose(parser.description or "")]
    for heading, group in parser.groups.items():
        rows = [_parameter_row(action) for action in group._group_actions if action.help != SUPPRESS]
        if rows:
            lines += ["", f"## {heading[0].upper()}{heading[1:]}", ""]
            lines += ["| parameter | value | meaning |", "|---|---|---|", *rows]
    return "\n".join([*lines, "", *output_section(command)])


def output_section(command: str) -> Iterator[str]:
    """The fields of the output JSON, where the command is a step."""
    step = getattr(import_module(f"asap_ingest.{command}").main, "__self__", None)
    schema = getattr(step, "default_output_schema", None)
    if schema is None:
        return
    yield from ("## Output JSON", "", "| field | meaning |", "|---|---|")
    for name, field in schema().fields.items():
        yield f"| {_code(name)} | {_cell(field.metadata.get('description', ''))} |"


def python_page() -> str:
    """The public functions and `asap_ingest.steps`, each with its docstring, where the code has them now."""
    lines = ["# From Python", "", "[How to use it](../from_python.md)"]
    for name in asap_ingest.__all__:
        member = getattr(asap_ingest, name)
        if callable(member):
            module = import_module(member.__module__)
            kinds = [kind for kind in vars(module).values() if _is_public_class(kind, module.__name__)]
            for documented in (member, *kinds):
                lines += ["", f"::: {module.__name__}.{documented.__name__}"]
    return "\n".join([*lines, "", "::: asap_ingest.steps", ""])


def _is_public_class(member: Any, module: str) -> bool:
    return isinstance(member, type) and member.__module__ == module and not member.__name__.startswith("_")


def _parameter_row(action: Any) -> str:
    text = HelpText()
    name = action.option_strings[-1] if action.option_strings else action.metavar or action.dest
    value = ""
    if action.nargs != 0 and action.option_strings:
        value = text.value_of(action)
    meaning = text._expand_help(action) if action.help else ""
    return f"| {_code(name)} | {_code(value)} | {_cell(meaning)} |"


def _code(text: str) -> str:
    return f"<code>{escape(text).replace('|', '&#124;')}</code>" if text else ""


def _cell(words: str) -> str:
    """Words in a table; text between backticks is code, everything else means itself."""
    parts = " ".join(words.split()).split("`")
    plain = {"|": "&#124;", "*": "&#42;", "_": "&#95;", "[": "&#91;"}
    return "".join(
        _code(part) if number % 2 else escape(part).translate(str.maketrans(plain))
        for number, part in enumerate(parts)
    )


def _prose(text: str) -> str:
    """A docstring as paragraphs; indented ones stay examples."""
    paragraphs = text.strip().split("\n\n")
    return "\n\n".join(
        paragraph if paragraph.startswith("    ") else " ".join(paragraph.split()) for paragraph in paragraphs
    )
