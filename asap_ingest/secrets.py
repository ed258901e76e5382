"""Mask secrets in messages, outputs and logs: passwords and keys, recognised by name or within URIs."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Mapping
from typing import Any

MASK = "***"

#: Matches names that mean a secret, once in lower case and without `_` and `-`: sastoken, accountkey, passwd.
_SECRET_NAME = re.compile(
    r".*(passw(or)?d|passphrase|secret|token|credential|connectionstring|authorization|cookie|signature).*"
    r"|.*(key|auth|pwd|username|login)|pass|sas|user|clientkwargs"
)
# a password may hold an @ of its own: all up to the last one before the path
_USER_INFO = re.compile(r"(?<=://)[^/?#\s\"<>]+@")
#: Query parameters that give access to everybody who has the address: of S3, Google Cloud, Azure.
_SIGNED = re.compile(r"([?&](?:[\w-]*(?:signature|token|credential|secret|password)|sig)=)[^&\s\"'<>]+", re.I)


def is_secret_name(name: str) -> bool:
    return _SECRET_NAME.fullmatch(re.sub("[^a-z0-9]", "", name.lower())) is not None


def without_secret_names(value: Any) -> Any:
    """A JSON value without the entries whose names are those of secrets, at every depth."""
    if isinstance(value, Mapping):
        kept = (name for name in value if not is_secret_name(str(name)))
        return {name: without_secret_names(value[name]) for name in kept}
    return [without_secret_names(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def masked(text: str) -> str:
    """The text without users, passwords, tokens and signatures of the URIs in it, also of relative ones."""
    # two fast checks are enough for most texts
    without_user = _USER_INFO.sub(f"{MASK}@", text) if "://" in text else text
    return _SIGNED.sub(rf"\g<1>{MASK}", without_user) if "?" in text or "://" in text else without_user


def with_masked_texts(value: Any) -> Any:
    """A JSON value with its texts, and names, masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {with_masked_texts(name): with_masked_texts(entry) for name, entry in value.items()}
    return [with_masked_texts(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def is_masked(uri: str) -> bool:
    """Whether a URI was read from an output, where its user info is masked."""
    return f"://{MASK}@" in uri


class MaskedRecord(logging.LogRecord):
    """A log record, with its traceback, masked for all libraries."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.args, tuple):
            # uvicorn's formatter of requests uses these, not the message
            self.args = tuple(masked(arg) if isinstance(arg, str) else arg for arg in self.args)
        if self.exc_info:
            # formatters use this text if it is set
            self.exc_text = masked("".join(traceback.format_exception(*self.exc_info))).rstrip("\n")

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        return masked(super().getMessage())


def without_secrets(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as they may be written to a file: without secrets in `storage_options` and in URIs."""
    kept = {name: with_masked_texts(value) for name, value in parameters.items()}
    if "storage_options" in kept:
        kept["storage_options"] = without_secret_names(kept["storage_options"])
    return kept
