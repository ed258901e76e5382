"""JSON files: read with a limit on their depth, written without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.errors import StorageError
from asap_ingest.secrets import without_secrets

#: Lists and objects inside one another; documented files have less than ten.
DEEPEST_NESTING = 100


def read_object(uri: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises
    ------
    MissingFileError, StorageError
        Also for what is not JSON, or another JSON value.
    """
    try:
        content = parse_json(storage.read_bytes(uri))
    except ValueError as error:
        raise StorageError(uri, f"is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise StorageError(uri, f"holds a {type(content).__name__}; it must hold an object")
    return content


def write_object(uri: str, content: Mapping[str, Any]) -> None:
    """Write an object as indented JSON, without the secrets in it."""
    storage.write_bytes(uri, orjson.dumps(without_secrets(content), option=orjson.OPT_INDENT_2) + b"\n")


def parse_json(content: bytes | str) -> Any:
    """The value of a document, with NaN and infinities as JavaScript spells them.

    Raises
    ------
    ValueError
        It is not JSON, not UTF-8 (or 16, 32), or nested deeper than `DEEPEST_NESTING`.
    """
    too_deep = f"it is nested more than {DEEPEST_NESTING} levels deep"
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError(too_deep) from None
    values = [document]
    for _ in range(DEEPEST_NESTING + 1):
        containers = [value for value in values if isinstance(value, dict | list)]
        values = [inner for container in containers for inner in _inside(container)]
        if not values:
            return document
    raise ValueError(too_deep)


def _inside(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container
