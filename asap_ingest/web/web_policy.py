"""Which web pages may use a service, decided from the headers `Host` and `Origin` of a request.

Browsers send requests of any page to any address that they can reach, this machine's included, and only then
check whether the page may read the answer. `Origin` names the server of the page; other programs send none.
`Host` is the name that the browser resolved: a page may have its own name resolve to here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers

from asap_ingest.errors import ParameterError

LOCAL_NAME = "localhost"
PUBLIC_VIEWER = "https://neuroglancer-demo.appspot.com"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
#: Origin of sandboxed pages and pages from files.
NO_ORIGIN = "null"
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SERVER = r"(?P<name>\[[^\[\]/@\s]+\]|[^\[\]:/?#@\\\s]+?)\.?(?::(?P<port>[0-9]*))?"
_HOST = re.compile(_SERVER)
_ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://{_SERVER}/?")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_MOST_QUOTED = 100


@dataclass(frozen=True)
class Access:
    """What a request may do.

    Attributes
    ----------
    refusal : str or None
        Why it gets 403.
    reader : str or None
        `Origin` as the request has it, if its pages may read the answer; else None.
    may_write : bool
        Whether it may change something.
    is_cross_origin : bool
        Whether a page that is not of the service sent it.
    """

    refusal: str | None
    reader: str | None
    may_write: bool
    is_cross_origin: bool


@dataclass(frozen=True)
class WebPolicy:
    """Who may do what.

    Attributes
    ----------
    host_names : frozenset of str
        Names of the service beside IP addresses and `localhost`, as `host_names` gives them.
    allow_origins : frozenset of str
        Origins whose pages may read and write, as `listed_origins` gives them.
    public_viewer : bool
        Whether Neuroglancer's public demo may read.
    any_page : bool
        Whether every page may read and write under any `Host`, as with render-ws.
    """

    host_names: frozenset[str] = frozenset()
    allow_origins: frozenset[str] = frozenset()
    public_viewer: bool = True
    any_page: bool = False

    def access(self, method: str, scheme: str, headers: Headers) -> Access:
        """What a request may do; `scheme` is that by which it came, `http` or `https`."""
        origin = _origin(headers)
        page = None if origin is None else _normalised(origin)
        # programs other than browsers, and pages of the service itself
        is_own = origin is None or (
            page is not None and page == _normalised(f"{scheme}://{headers.get('host', '')}")
        )
        may_write = self.any_page or is_own or page in self.allow_origins
        may_read = may_write or (page is not None and self._is_viewer(page))
        refusal = self.host_refusal(headers)
        if refusal is None and method not in SAFE_METHODS and not may_write:
            refusal = _how_to_let_write(origin or NO_ORIGIN)
        return Access(refusal, headers.get("origin") if may_read else None, may_write, not is_own)

    def _is_viewer(self, origin: str) -> bool:
        """Whether pages of a normalised origin may read: on the browser's machine, or Neuroglancer's demo."""
        return _is_loopback(origin) or (self.public_viewer and origin == PUBLIC_VIEWER)

    def host_refusal(self, headers: Headers) -> str | None:
        """Why the `Host` of a request is refused; None if it is not.

        A request without `Host` passes: HTTP/1.0 has none, and no browser omits it.
        """
        if self.any_page:
            return None
        unknown = next((host for host in headers.getlist("host") if not self._has_name(host)), None)
        if unknown is None:
            return None
        return f"{unknown[:_MOST_QUOTED]!r} is not a name of this service: add it with --host_names if it is"

    def _has_name(self, host: str) -> bool:
        name = _name_in(host)
        return name is not None and (name == LOCAL_NAME or name in self.host_names or _is_address(name))


DEFAULT_POLICY = WebPolicy()


def machine_names() -> frozenset[str]:
    """Host name of this machine: the whole name, and its first part."""
    name = socket.gethostname().lower().removesuffix(".")
    return frozenset(filter(None, (name, name.partition(".")[0])))


def host_names(texts: Iterable[str]) -> frozenset[str]:
    """Valid values of `host_names`, in lower case, with the names of this machine.

    Raises
    ------
    ParameterError
        For an invalid name, such as one with a scheme or a port.
    """
    named = [text.lower() for text in texts]
    for name in named:
        if not _NAME.fullmatch(name):
            raise ParameterError("host_names", f"{name!r} is not a host name: like render.lab, without port")
    return machine_names() | {name.removesuffix(".") for name in named}


def listed_origins(texts: Iterable[str]) -> frozenset[str]:
    """Normalised origins; ParameterError for an invalid one."""
    return frozenset(map(_listed_origin, texts))


def _listed_origin(text: str) -> str:
    origin = _normalised(text)
    if origin is None:
        problem = f"{text!r} is not an origin: like http://viewer.lab:8000, without path"
        raise ParameterError("allow_origins", problem)
    return origin


def _how_to_let_write(origin: str) -> str:
    if _normalised(origin) is None:
        hint = "have a server send the page, and name that with --allow_origins"
    else:
        hint = "add it with --allow_origins if they should"
    return f"pages of the origin {origin[:_MOST_QUOTED]!r} may not change anything here: {hint}"


def _origin(headers: Headers) -> str | None:
    """`Origin`; `null` if a browser omits it but marks the page as foreign by `Sec-Fetch-Site`."""
    if "origin" in headers:
        return headers["origin"]
    return NO_ORIGIN if headers.get("sec-fetch-site") in ("cross-site", "same-site") else None


def _normalised(origin: str) -> str | None:
    """An origin in lower case, without the default port; None for an invalid one."""
    match = _ORIGIN.fullmatch(origin.lower())
    if match is None or "*" in match["name"]:
        return None
    port = match["port"]
    shown = "" if port in (None, "", _DEFAULT_PORTS.get(match["scheme"])) else f":{port}"
    return f"{match['scheme']}://{match['name']}{shown}"


def _is_loopback(origin: str) -> bool:
    """Whether a normalised origin is a web server on the machine of the browser."""
    scheme, _, host = origin.partition("://")
    name = _name_in(host) or ""
    is_local = name == LOCAL_NAME or (_is_address(name) and ipaddress.ip_address(name).is_loopback)
    return scheme in _DEFAULT_PORTS and is_local


def _name_in(host: str) -> str | None:
    """The name in `name`, `name:port`, `[address]:port`, without brackets and final dot; None if invalid."""
    match = _HOST.fullmatch(host.lower())
    return match["name"].strip("[]") if match else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
