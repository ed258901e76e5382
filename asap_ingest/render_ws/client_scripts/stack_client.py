"""StackClient: creates, copies, renames and deletes stacks, and sets their state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from asap_ingest.render_ws.client_scripts.client_json import send
from asap_ingest.render_ws.client_scripts.client_options import OptionError, flag, option, required, values
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions
from asap_ingest.render_ws.wire.stack_records import State

STATES = tuple(map(str, State))

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VersionOptions:
    """The fields of a stack version."""

    version_notes: str | None = option("versionNotes", "text on the version that is created")
    cycle_number: int | None = option("cycleNumber", "number of the processing cycle", int)
    cycle_step_number: int | None = option("cycleStepNumber", "number of the step in the cycle", int)
    resolution_x: float | None = option("stackResolutionX", "nanometres per pixel", float)
    resolution_y: float | None = option("stackResolutionY", "nanometres per pixel", float)
    resolution_z: float | None = option("stackResolutionZ", "nanometres per pixel", float)
    materialized_boxes: str | None = option("materializedBoxRootPath", "folder of rendered boxes")

    @property
    def version(self) -> dict[str, Any]:
        """JSON of the version: the fields that are given."""
        given = {entry.metadata["flag"]: getattr(self, entry.name) for entry in fields(VersionOptions)}
        return {flag.removeprefix("--"): value for flag, value in given.items() if value is not None}


def create_stack(options: Options) -> None:
    """Create the stack, or give it a new version; it is LOADING afterwards, or in the given state."""
    options.source.create(options.version)
    if options.stack_state not in (None, "LOADING"):
        set_stack_state(options)


def clone_stack(options: Options) -> None:
    """Copy the stack, or some of its layers."""
    if options.clone_stack is None:
        raise OptionError("--cloneResultStack must be given for the action CLONE")
    query: list[tuple[str, object]] = [("z", z) for z in options.z_values]
    query += [("toProject", options.clone_project)] if options.clone_project else []
    query += [("skipTransforms", "true")] if options.skip_transforms else []
    url = options.source.url(f"/cloneTo/{quote(options.clone_stack, safe='')}?{urlencode(query)}")
    send("PUT", url, orjson.dumps(options.version))
    logger.info("copied %s to %s", options.source, options.clone_stack)


def rename_stack(options: Options) -> None:
    """Give the stack other names; those not given stay."""
    new = options.other_stack(options.renamed_owner, options.renamed_project, options.renamed_stack)
    names = {"owner": new.owner, "project": new.project, "stack": new.name}
    send("PUT", options.source.url("/stackId"), orjson.dumps(names))
    logger.info("renamed %s to %s", options.source, new)


def set_stack_state(options: Options) -> None:
    """Bring the stack into the given state."""
    if options.stack_state is None:
        raise OptionError("--stackState must be given for the action SET_STATE")
    options.source.set_state(options.stack_state)


def delete_stack(options: Options) -> None:
    """Delete the stack, or some of its layers."""
    for url in [options.source.layer_url(z) for z in options.z_values] or [options.source.url()]:
        send("DELETE", url)
        logger.info("deleted %s", url)


ACTIONS: dict[str, Callable[[Options], None]] = {
    "CREATE": create_stack,
    "CLONE": clone_stack,
    "RENAME": rename_stack,
    "SET_STATE": set_stack_state,
    "DELETE": delete_stack,
}


@dataclass(frozen=True, kw_only=True)
class Options(VersionOptions, StackOptions):
    """Options of StackClient."""

    action: str = required("action", ", ".join(ACTIONS), str.upper, choices=[*ACTIONS])
    stack_state: str | None = option("stackState", ", ".join(STATES), str.upper, choices=STATES)
    clone_project: str | None = option("cloneResultProject", "project of the copy (default: the same)")
    clone_stack: str | None = option("cloneResultStack", "name of the copy")
    renamed_owner: str | None = option("renamedOwner", "new owner (default: the same)")
    renamed_project: str | None = option("renamedProject", "new project (default: the same)")
    renamed_stack: str | None = option("renamedStack", "new name (default: the same)")
    z_values: tuple[float, ...] = values("zValues", "layers to copy or delete (default: all)", float)
    skip_transforms: bool = flag("skipTransforms", "copy tiles without the shared transforms")


def run(options: Options) -> None:
    """Do the action."""
    ACTIONS[options.action](options)
