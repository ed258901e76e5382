"""Help of a command: how it is called in a line or two, then its flags in groups, as wide as the terminal."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Longer lines are hard to read, however wide the terminal is.
_WIDEST = 120
_LEAST_WIDTH = 40


class HelpText(argparse.HelpFormatter):
    """argparse's formatter with paragraphs, metavars by type, and each default once."""

    def __init__(self, prog: str) -> None:
        columns = max(_LEAST_WIDTH, min(shutil.get_terminal_size().columns, _WIDEST))
        super().__init__(prog, max_help_position=26 if columns < 100 else 34, width=columns - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(
            paragraph
            if paragraph.startswith("  ")  # an example
            else textwrap.fill(
                " ".join(paragraph.split()),
                width,
                initial_indent=indent,
                subsequent_indent=indent,
                break_on_hyphens=False,
            )
            for paragraph in paragraphs
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False, break_long_words=False)

    def _get_help_string(self, action: argparse.Action) -> str:
        words = action.help or ""
        has_default = action.default not in (None, False, argparse.SUPPRESS) and action.default != []
        if not has_default or action.nargs == 0 or "(default" in words or not action.option_strings:
            return words
        return f"{words} (default: %(default)s)".lstrip()

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        if action.choices is not None:
            return "|".join(map(str, action.choices))
        if action.type is Path:
            return "PATH"
        return "TEXT" if action.type in (None, str, str.upper) else "N"

    def _metavar_formatter(self, action: argparse.Action, default_metavar: str) -> Any:
        name = default_metavar if action.metavar is None else action.metavar
        if isinstance(name, tuple):
            return lambda size: name
        return lambda size: (name,) * size


def listing(groups: Mapping[str, Mapping[str, str]]) -> str:
    """Names with descriptions below the headings of their groups, as wide as the terminal."""
    text = HelpText("")
    longest = max(len(name) for entries in groups.values() for name in entries)
    text._max_help_position = longest + 4
    for heading, entries in groups.items():
        text.start_section(heading)
        text.add_arguments(
            argparse.Action([], name, metavar=name, help=what) for name, what in entries.items()
        )
        text.end_section()
    return text.format_help()


def paragraph(words: str) -> str:
    """A text, as wide as the terminal."""
    text = HelpText("")
    text.add_text(words)
    return text.format_help()


def usage_text(prog: str, required: Sequence[argparse.Action], formatter: HelpText, files: bool) -> str:
    """`usage: x --required VALUE ... [--field value ...]`, and the form with an input JSON."""
    needed = [
        formatter._format_args(action, formatter._get_default_metavar_for_positional(action))
        if not action.option_strings
        else f"{action.option_strings[0]} "
        + formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        for action in required
    ]
    lines = [[prog, *needed, "[--field value ...]"]]
    if files:
        lines.append([prog, "--input_json FILE", "[--field value ...]"])
    wrapper = textwrap.TextWrapper(
        formatter._width, subsequent_indent=" " * 15, break_long_words=False, break_on_hyphens=False
    )
    usages = []
    for start, words in zip(("usage: ", "       "), lines, strict=False):
        wrapper.initial_indent = start
        # a flag and its value stay on one line
        usages.append(wrapper.fill(" ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)))
    return "\n".join(usages).replace("\N{NO-BREAK SPACE}", " ")
