"""Requests about sections that share a layer, could share one, or were moved to another."""

from __future__ import annotations

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, json_answer, text_answer
from asap_ingest.render_ws.stacks.data_requests import stored_sections
from asap_ingest.render_ws.stacks.section_merges import (
    mergeable_table,
    mergeable_z_values,
    merged_z_values,
    reordered_sections,
)


def get_reordered_section_data(call: Call) -> Response:
    """Section data of sections that lie at another z than their id says."""
    return json_answer(reordered_sections(stored_sections(call)))


def get_merged_z_values(call: Call) -> Response:
    """The z of layers that hold several sections."""
    return json_answer(merged_z_values(stored_sections(call)))


def get_mergeable_z_values(call: Call) -> Response:
    """The z of layers that differ in their fraction only."""
    return json_answer(mergeable_z_values(stored_sections(call)))


def get_mergeable_data(call: Call) -> Response:
    """Sections of layers that differ in their fraction only: integer part, z, section id, tile count."""
    return text_answer(mergeable_table(stored_sections(call)))
