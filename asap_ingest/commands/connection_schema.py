"""The connection to a render service, as parameters."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from argschema.schemas import DefaultSchema
from marshmallow import ValidationError, pre_load

from asap_ingest.commands.fields import RENDER_NAME, NotRead, Text, WholeNumber, from_to, optional, required
from asap_ingest.render_ws import CLIENT_SCRIPTS

#: Environment variables for missing connection parameters; the first that is set is used.
RENDER_ENVIRONMENT = {
    "host": ("DEFAULT_RENDER_HOST", "RENDER_HOST"),
    "port": ("DEFAULT_RENDER_PORT", "RENDER_PORT"),
    "owner": ("DEFAULT_RENDER_OWNER", "RENDER_OWNER"),
    "project": ("DEFAULT_RENDER_PROJECT", "RENDER_PROJECT"),
    "client_scripts": ("DEFAULT_RENDER_CLIENT_SCRIPTS", "RENDER_CLIENT_SCRIPTS"),
    "memGB": ("RENDER_CLIENT_HEAP",),
}


def of_environment(name: str) -> str | None:
    """The value of a connection parameter in the environment; None if it is not set."""
    return next((os.environ[each] for each in RENDER_ENVIRONMENT[name] if each in os.environ), None)


class RenderParameters(DefaultSchema):
    """Connection to the render service."""

    host = required(Text, "render host", note="A name, an IP address, or an address like http://em1:8080")
    port = required(
        WholeNumber,
        "render post integer",
        validate=from_to(1, 65535),
        note="The port that it listens on, like 8080",
    )
    owner = required(Text, "render default owner", validate=RENDER_NAME)
    project = required(Text, "render default project", validate=RENDER_NAME)
    client_scripts = required(
        Text, "path to render client scripts", note="Today it is not needed, and never run"
    )
    memGB = optional(  # noqa: N815
        Text,
        "string describing java heap memory (default 5G)",
        default="5G",
        note="Today it is not used, as no Java is started",
    )

    validate_client = optional(NotRead, "accepted from older input; client scripts are never run")
    session = optional(NotRead, "accepted from older input; the session is made here")

    @pre_load
    def fill_from_environment(self, data: Any, **kwargs: Any) -> Any:
        _split_address(data)
        for name in RENDER_ENVIRONMENT:
            if (value := of_environment(name)) is not None:
                data.setdefault(name, value)
        _split_address(data)
        data.setdefault("client_scripts", str(CLIENT_SCRIPTS))  # documented as required, and never run
        return data


#: Scheme, name (IPv6 in brackets), port and path of what may stand as a host.
_ADDRESS = re.compile(r"(?:(https?)://)?(\[[^\]]+\]|[^:/\s]+)(?::(\d+))?(/.*)?")


def with_address_split(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by path, with the port taken out of `render.host`, so that another port can replace it."""
    names = [name for name in ("host", "port") if f"render.{name}" in parameters]
    address = {name: parameters[f"render.{name}"] for name in names}
    with suppress(ValidationError):  # reported when the schema is loaded
        _split_address(address)
    return {**parameters, **{f"render.{name}": value for name, value in address.items()}}


def _split_address(data: dict[str, Any]) -> None:
    """Take the port out of a host that is an address, like `http://em1:8080`.

    Raises
    ------
    ValidationError
        The address has a path, or its port is not the one given as `port`.
    """
    host = data.get("host")
    match = _ADDRESS.fullmatch(host.strip()) if isinstance(host, str) else None
    if match is None:
        return
    scheme, name, port, path = match.groups()
    if path and path.strip("/") not in ("", "render-ws", "render-ws/v1"):
        raise ValidationError(f"must be a host, like em1, not an address with the path {path}", "host")
    if port is not None:
        if str(data.get("port", port)) != port:
            raise ValidationError(f"names port {port}, and port says {data['port']!r}", "host")
        data["port"] = int(port)
    data["host"] = f"https://{name}" if scheme == "https" else name
