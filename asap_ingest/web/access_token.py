"""The token that a server may require: where it comes from, and how clients send it."""

from __future__ import annotations

import os
import re
import secrets
from urllib.parse import quote

from asap_ingest.errors import ParameterError

#: Not an option: all users of a machine see command lines, only their owner sees the environment.
VARIABLE = "ASAP_INGEST_TOKEN"
#: Parameter with the token in the address that a server prints.
QUERY_NAME = "token"
#: Name of our servers in the header `WWW-Authenticate` of a 401.
REALM = "asap_ingest"
_RANDOM_BYTES = 32
#: Characters of a bearer token (RFC 6750), and too many of them to guess.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,}=*")


def token_of_environment() -> str | None:
    """The token in the environment; None without one.

    Raises
    ------
    ParameterError
        It is too short, or has characters that cannot be sent; the text does not quote it.
    """
    token = os.environ.get(VARIABLE, "").strip()
    if not token:
        return None
    if not _TOKEN.fullmatch(token):
        raise ParameterError(
            VARIABLE,
            "is not a token: at least 16 characters of A-Z, a-z, 0-9 and -._~+/ are needed, as "
            "`openssl rand -hex 32` makes them",
        )
    return token


def new_token() -> str:
    """A random token."""
    return secrets.token_urlsafe(_RANDOM_BYTES)


def authorization() -> dict[str, str]:
    """Headers that a client sends: none without a token in the environment; ParameterError if it is wrong."""
    token = token_of_environment()
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def is_required(status: int, challenge: str) -> bool:
    """Whether an answer requires the token of one of our servers; `challenge` is its `WWW-Authenticate`.

    Clients that read from any web server send the token only then: other servers must not get it.
    """
    return status == 401 and f'realm="{REALM}"' in challenge


def token_query(token: str | None) -> str:
    """Query of an address that opens a server in a browser; empty without a token."""
    return "" if token is None else f"?{QUERY_NAME}={quote(token, safe='')}"
