"""tensorstore is optional: the extra `volumes` installs it."""

from __future__ import annotations

from importlib.util import find_spec

from asap_ingest.errors import ParameterError


def require_tensorstore(field: str, purpose: str) -> None:
    """Raise a ParameterError about a field if tensorstore, which a purpose needs, is not installed."""
    if find_spec("tensorstore") is None:
        raise ParameterError(field, f"{purpose} needs tensorstore: pip install 'asap_ingest[volumes]'")
