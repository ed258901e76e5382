"""Which stacks the page lists: all, those of an owner, of a project, with a text in their names; by pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TypeVar
from urllib.parse import urlencode

from asap_ingest.render_ws.http.answers import Query
from asap_ingest.render_ws.wire.names import StackId

#: Stacks on a page.
PAGE_SIZE = 24
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class StackChoice:
    """An owner, a project, a text to search for ("" for any), a page from 1 on, and all names there are."""

    owner: str
    project: str
    stack_ids: Sequence[StackId]
    search: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Query, stack_ids: Sequence[StackId]) -> StackChoice:
        """From `owner`, `project`, `search` and `page` of a query; a page that does not exist is the nearest.

        `renderStackOwner` and `renderStackProject` are read too.
        """

        def value(name: str) -> str:
            return query.text(name) or query.text(f"renderStack{name.capitalize()}") or ""

        number = (query.text("page") or "").strip()
        asked = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1
        choice = cls(value("owner"), value("project"), stack_ids, (query.text("search") or "").strip())
        return replace(choice, page=min(max(asked, 1), choice.page_count))

    def fits(self, stack_id: StackId) -> bool:
        """Whether a stack is chosen: each word of the search is in one of its names, in any case."""
        names = " ".join((stack_id.owner, stack_id.project, stack_id.stack)).casefold()
        return (
            self.owner in ("", stack_id.owner)
            and self.project in ("", stack_id.project)
            and all(word in names for word in self.search.casefold().split())
        )

    @cached_property
    def count(self) -> int:
        """Number of stacks that are chosen, on all pages."""
        return sum(map(self.fits, self.stack_ids))

    @property
    def page_count(self) -> int:
        """Number of pages, at least 1."""
        return max(1, -(-self.count // PAGE_SIZE))

    def on_page(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those entries (one per chosen stack) that are on the page."""
        return [*entries][(self.page - 1) * PAGE_SIZE : self.page * PAGE_SIZE]


def filter_form(choice: StackChoice) -> str:
    """A text to search for, and lists of owners and projects to choose from; it works without scripts."""
    owners = {stack_id.owner for stack_id in choice.stack_ids}
    of_owner = [stack_id for stack_id in choice.stack_ids if choice.owner in ("", stack_id.owner)]
    projects = {stack_id.project for stack_id in of_owner}
    return (
        '<form class="bar" role="search" aria-label="Filter stacks">'
        f'<label>search <input type="search" name="search" value="{escape(choice.search)}"></label>'
        f"{_select('owner', owners, choice.owner)}{_select('project', projects, choice.project)}"
        '<button>Show</button> <a href="stacks.html">all stacks</a></form>'
    )


def page_links(choice: StackChoice) -> str:
    """Links to the pages before and after, and where this one is; "" where there is only one."""
    if choice.page_count == 1:
        return ""
    first = (choice.page - 1) * PAGE_SIZE + 1
    last = min(choice.page * PAGE_SIZE, choice.count)
    return (
        '<nav class="paging" aria-label="Pages of the list">'
        f"{_page_link(choice, choice.page - 1, 'Previous', 'prev')}"
        f"<span>{first:,} to {last:,} of {choice.count:,}, "
        f"page {choice.page:,} of {choice.page_count:,}</span>"
        f"{_page_link(choice, choice.page + 1, 'Next', 'next')}</nav>"
    )


def _page_link(choice: StackChoice, page: int, name: str, relation: str) -> str:
    if not 1 <= page <= choice.page_count:
        return f'<span class="button" aria-disabled="true">{name}</span>'
    asked = {"search": choice.search, "owner": choice.owner, "project": choice.project, "page": page}
    query = urlencode({key: value for key, value in asked.items() if value})
    return f'<a class="button" rel="{relation}" href="stacks.html?{escape(query)}">{name}</a>'


def _select(name: str, values: Iterable[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{escape(value)}"{mark}>{escape(value or "any")}</option>'
        for value in ["", *sorted({*values, chosen} - {""})]
        for mark in [" selected" if value == chosen else ""]
    )
    return f'<label>{name} <select name="{name}">{options}</select></label>'
