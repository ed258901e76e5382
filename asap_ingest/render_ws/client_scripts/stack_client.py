"""StackClient: makes, copies, renames and deletes stacks, and sets their state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from asap_ingest.render_ws.client_scripts.options import (
    STACK_OPTIONS,
    Arguments,
    Option,
    OptionError,
    Syntax,
    Takes,
    one_of,
)
from asap_ingest.render_ws.client_scripts.stack_operations import create, set_state
from asap_ingest.render_ws.client_scripts.web import put_json, send, stack_of
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS, State

logger = logging.getLogger(__name__)


def _version(arguments: Arguments) -> dict[str, Any]:
    names = ("versionNotes", "cycleNumber", "cycleStepNumber", *RESOLUTION_FIELDS, "materializedBoxRootPath")
    return {name: arguments[name] for name in names if arguments[name] is not None}


def _needed(arguments: Arguments, name: str) -> str:
    if arguments[name] is None:
        raise OptionError(f"--{name}", f"must be given for the action {arguments['action']}")
    return str(arguments[name])


def create_stack(arguments: Arguments) -> None:
    """Make the stack, or give it a new version; it is LOADING afterwards, or in the state asked for."""
    stack = stack_of(arguments)
    create(stack, _version(arguments))
    if arguments["stackState"] not in (None, "LOADING"):
        set_state(stack, arguments["stackState"])


def clone_stack(arguments: Arguments) -> None:
    """Copy the stack, or some of its layers."""
    stack, result = stack_of(arguments), _needed(arguments, "cloneResultStack")
    query = [("z", z) for z in arguments["zValues"]]
    query += [("toProject", arguments["cloneResultProject"])] if arguments["cloneResultProject"] else []
    query += [("skipTransforms", "true")] if arguments["skipTransforms"] else []
    put_json(stack.url(f"/cloneTo/{result}?{urlencode(query)}"), _version(arguments))
    logger.info("copied %s to %s", stack, result)


def rename_stack(arguments: Arguments) -> None:
    """Give the stack other names; those not given stay."""
    stack = stack_of(arguments)
    names = {
        "owner": arguments["renamedOwner"] or stack.owner,
        "project": arguments["renamedProject"] or stack.project,
        "stack": arguments["renamedStack"] or stack.name,
    }
    put_json(stack.url("/stackId"), names)
    logger.info("renamed %s to %s", stack, names)


def set_stack_state(arguments: Arguments) -> None:
    """Bring the stack into the state asked for."""
    set_state(stack_of(arguments), _needed(arguments, "stackState"))


def delete_stack(arguments: Arguments) -> None:
    """Delete the stack, or some of its layers."""
    stack = stack_of(arguments)
    urls = [stack.layer_url(z) for z in arguments["zValues"]] or [stack.url()]
    for url in urls:
        send("DELETE", url)
        logger.info("deleted %s", url)


ACTIONS: dict[str, Callable[[Arguments], None]] = {
    "CREATE": create_stack,
    "CLONE": clone_stack,
    "RENAME": rename_stack,
    "SET_STATE": set_stack_state,
    "DELETE": delete_stack,
}
STATES = tuple(map(str, State))
SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        Option("action", ", ".join(ACTIONS), one_of(*ACTIONS), required=True),
        Option("stackState", ", ".join(STATES), one_of(*STATES)),
        Option("versionNotes", "text on the version that is created"),
        Option("cycleNumber", "number of the processing cycle", int),
        Option("cycleStepNumber", "number of the step in the cycle", int),
        *(Option(name, "nanometres per pixel", float) for name in RESOLUTION_FIELDS),
        Option("materializedBoxRootPath", "folder of rendered boxes"),
        Option("cloneResultProject", "project of the copy (default: the same)"),
        Option("cloneResultStack", "name of the copy"),
        Option("renamedOwner", "new owner (default: the same)"),
        Option("renamedProject", "new project (default: the same)"),
        Option("renamedStack", "new name (default: the same)"),
        Option("zValues", "layers to copy or delete (default: all)", float, takes=Takes.VALUES),
        Option("skipTransforms", "copy tiles without the shared transforms", takes=Takes.NOTHING),
    )
)


def run(arguments: Arguments) -> None:
    """Do the action."""
    ACTIONS[arguments["action"]](arguments)
