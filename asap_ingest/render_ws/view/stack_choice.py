"""Which stacks the page lists: all, those of an owner, of a project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from asap_ingest.render_ws.http.answers import Query
from asap_ingest.render_ws.names import StackId


@dataclass(frozen=True)
class StackChoice:
    """An owner and a project, "" for any, and the names of all stacks there are."""

    owner: str
    project: str
    stack_ids: Sequence[StackId]

    @classmethod
    def read(cls, query: Query, stack_ids: Sequence[StackId]) -> StackChoice:
        """From `owner` and `project` of a query, or `renderStackOwner` and `renderStackProject`."""

        def value(name: str) -> str:
            return query.text(name) or query.text(f"renderStack{name.capitalize()}") or ""

        return cls(value("owner"), value("project"), stack_ids)

    def fits(self, stack_id: StackId) -> bool:
        """Whether a stack is chosen."""
        return self.owner in ("", stack_id.owner) and self.project in ("", stack_id.project)


def filter_form(choice: StackChoice) -> str:
    """Lists of owners and of projects to choose from; it works without scripts."""
    owners = {stack_id.owner for stack_id in choice.stack_ids}
    of_owner = [stack_id for stack_id in choice.stack_ids if choice.owner in ("", stack_id.owner)]
    projects = {stack_id.project for stack_id in of_owner}
    return (
        '<form class="bar" role="search" aria-label="Filter stacks">'
        f"{_select('owner', owners, choice.owner)}{_select('project', projects, choice.project)}"
        '<button>Show</button> <a href="stacks.html">all stacks</a></form>'
    )


def _select(name: str, values: Iterable[str], chosen: str) -> str:
    options = "".join(
        f'<option value="{escape(value)}"{mark}>{escape(value or "any")}</option>'
        for value in ["", *sorted({*values, chosen} - {""})]
        for mark in [" selected" if value == chosen else ""]
    )
    return f'<label>{name} <select name="{name}">{options}</select></label>'
