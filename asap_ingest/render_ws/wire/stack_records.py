"""Stack metadata: record, version, statistics, and their JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from asap_ingest.render_ws.wire.dates import date, format_date
from asap_ingest.render_ws.wire.json_types import (
    Fields,
    Row,
    double,
    dump,
    integer,
    object_reader,
    text,
)
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.tile_specs import read_path_builder


class State(StrEnum):
    """State of a stack; tiles can be stored only while it is LOADING."""

    LOADING = "LOADING"
    COMPLETE = "COMPLETE"
    READ_ONLY = "READ_ONLY"
    OFFLINE = "OFFLINE"


RESOLUTION_FIELDS = ("stackResolutionX", "stackResolutionY", "stackResolutionZ")
VERSION_FIELDS: Fields = (
    ("createTimestamp", date),
    ("versionNotes", text),
    ("cycleNumber", integer),
    ("cycleStepNumber", integer),
    *((name, double) for name in RESOLUTION_FIELDS),
    ("materializedBoxRootPath", text),
    ("mipmapPathBuilder", read_path_builder),
    ("alignmentQuality", double),
    ("defaultChannel", text),
)
read_version = object_reader(VERSION_FIELDS)


@dataclass(frozen=True)
class StackRecord:
    """One stack.

    Attributes
    ----------
    key : int
        Number of the stack in the database; 0 before it is stored.
    modified : int
        Time of the last change of version or state, epoch milliseconds.
    stats : dict or None
        Statistics of the last COMPLETE, None while LOADING.
    sections : list of dict or None
        Section data as of the last COMPLETE, None if there never was one.
    """

    key: int
    stack_id: StackId
    state: State
    modified: int
    version_number: int
    version: dict[str, Any]
    stats: dict[str, Any] | None = None
    sections: list[dict[str, Any]] | None = None

    def to_json(self) -> dict[str, Any]:
        """Stack metadata as render-ws answers it."""
        metadata = {
            "stackId": self.stack_id.to_json(),
            "state": str(self.state),
            "lastModifiedTimestamp": format_date(self.modified),
            "currentVersionNumber": self.version_number,
            "currentVersion": self.version,
        }
        return metadata if self.stats is None else {**metadata, "stats": self.stats}

    @classmethod
    def from_row(cls, row: Row) -> StackRecord:
        """The record of a row of the database; section data may be left out."""
        stats, sections = row["stats"], row["sections"]
        return cls(
            row["key"],
            StackId(row["owner"], row["project"], row["stack"]),
            State(row["state"]),
            row["modified"],
            row["version_number"],
            orjson.loads(row["version"]),
            None if stats is None else orjson.loads(stats),
            None if sections is None else orjson.loads(sections),
        )

    def to_row(self) -> dict[str, Any]:
        """The columns of its row in the database, without the key."""
        return {
            **self.stack_id.to_json(),
            "state": str(self.state),
            "modified": self.modified,
            "version_number": self.version_number,
            "version": dump(self.version),
            "stats": None if self.stats is None else dump(self.stats),
            "sections": None if self.sections is None else dump(self.sections),
        }

    def changed(self, **changes: Any) -> StackRecord:
        """A copy with changes and the same time stamp."""
        return replace(self, **changes)

    def touched(self, **changes: Any) -> StackRecord:
        """A copy with changes and a new time stamp, later than the one before."""
        return replace(self, modified=max(int(time.time() * 1000), self.modified + 1), **changes)


def in_listing_order(records: Iterable[StackRecord]) -> list[StackRecord]:
    """Sort by project, then latest cycle, step and change first; stacks without cycle last."""

    def order(record: StackRecord) -> tuple[str, str, float, float, int, int]:
        cycle = record.version.get("cycleNumber", float("-inf"))
        step = record.version.get("cycleStepNumber", float("-inf"))
        names = record.stack_id
        return names.owner, names.project, -cycle, -step, -record.modified, -record.key

    return sorted(records, key=order)
