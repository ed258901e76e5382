"""Selection of the stacks on the page: by owner, project and search text, in pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TypeVar
from urllib.parse import urlencode

from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.wire.names import StackId

#: Stacks on a page.
PAGE_SIZE = 24
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class ChoiceQuery(Query):
    """Owner, project, search text and page; render-ws names the first two differently."""

    owner: str | None = None
    project: str | None = None
    render_stack_owner: str | None = None
    render_stack_project: str | None = None
    search: str | None = None
    page: str | None = None


@dataclass(frozen=True)
class StackChoice:
    """Owner, project and search text ("" for any), page from 1 on, and the names of all stacks."""

    owner: str
    project: str
    stack_ids: Sequence[StackId]
    search: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: ChoiceQuery, stack_ids: Sequence[StackId]) -> StackChoice:
        """The choice of a query; a page that does not exist becomes the nearest one."""
        owner, project = query.owner or query.render_stack_owner, query.project or query.render_stack_project
        choice = cls(owner or "", project or "", stack_ids, (query.search or "").strip())
        number = (query.page or "").strip()
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1
        return replace(choice, page=min(max(page, 1), choice.page_count))

    def fits(self, stack_id: StackId) -> bool:
        """Whether a stack is selected: each word of the search is part of one of its names, ignoring case."""
        names = " ".join((stack_id.owner, stack_id.project, stack_id.stack)).casefold()
        return (
            self.owner in ("", stack_id.owner)
            and self.project in ("", stack_id.project)
            and all(word in names for word in self.search.casefold().split())
        )

    @cached_property
    def count(self) -> int:
        """Number of selected stacks, on all pages."""
        return sum(map(self.fits, self.stack_ids))

    @property
    def page_count(self) -> int:
        """Number of pages, at least 1."""
        return max(1, -(-self.count // PAGE_SIZE))

    def on_page(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries (one per selected stack) of the page."""
        return [*entries][(self.page - 1) * PAGE_SIZE : self.page * PAGE_SIZE]


def filter_form(choice: StackChoice) -> str:
    """The form to search and to select owner and project; it works without scripts."""
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
    """Links to the previous and next page with the position of this one; "" if there is only one."""
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
    parameters = {"search": choice.search, "owner": choice.owner, "project": choice.project, "page": page}
    query = urlencode({key: value for key, value in parameters.items() if value})
    return f'<a class="button" rel="{relation}" href="stacks.html?{escape(query)}">{name}</a>'


def _select(name: str, values: Iterable[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{escape(value)}"{mark}>{escape(value or "any")}</option>'
        for value in ["", *sorted({*values, chosen} - {""})]
        for mark in [" selected" if value == chosen else ""]
    )
    return f'<label>{name} <select name="{name}">{options}</select></label>'
