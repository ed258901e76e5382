"""Help of a command: usage in a line or two, then its flags in groups, as wide as the terminal."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence

#: Longer lines are hard to read, however wide the terminal is.
_WIDEST = 120
_LEAST_WIDTH = 40


class HelpText(argparse.HelpFormatter):
    """argparse's formatter, which also keeps paragraphs and examples, and states each default once."""

    def __init__(self, prog: str = "") -> None:
        columns = max(_LEAST_WIDTH, min(shutil.get_terminal_size().columns, _WIDEST))
        super().__init__(prog, max_help_position=26 if columns < 100 else 34, width=columns - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = text.strip().split("\n\n")
        return "\n\n".join(
            paragraph
            if paragraph.startswith("  ")  # an example
            else textwrap.indent("\n".join(self._split_lines(paragraph, width - len(indent))), indent)
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

    def value_of(self, action: argparse.Action) -> str:
        """The placeholder for the value of an argument, like `FOLDER`."""
        return self._format_args(action, action.dest)

    def usage(self, ways: Sequence[Sequence[str]]) -> str:
        """`usage:` and the ways to call a command, each given as words; a word with blanks is not broken."""
        wrapper = textwrap.TextWrapper(
            self._width, subsequent_indent=" " * 15, break_long_words=False, break_on_hyphens=False
        )
        lines: list[str] = []
        for words in ways:
            wrapper.initial_indent = "       " if lines else "usage: "
            lines.append(wrapper.fill(" ".join(word.replace(" ", "\N{NO-BREAK SPACE}") for word in words)))
        return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def listing(groups: Mapping[str, Mapping[str, str]], note: str) -> str:
    """Names with descriptions below the headings of their groups, then a note."""
    text = HelpText()
    longest = max(len(name) for entries in groups.values() for name in entries)
    text._max_help_position = longest + 4
    for heading, entries in groups.items():
        text.start_section(heading)
        text.add_arguments(
            argparse.Action([], name, metavar=name, help=what) for name, what in entries.items()
        )
        text.end_section()
    text.add_text(note)
    return text.format_help()
