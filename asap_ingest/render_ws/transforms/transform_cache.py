"""What is derived of transforms, kept for all requests of a process: long transforms, meshes, tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from asap_ingest.render_ws.memory.bounded_cache import BoundedCache
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS

TRANSFORM_CACHE: BoundedCache[Any] = BoundedCache(DEFAULT_LIMITS.transform_cache_bytes)
#: Bytes of an entry beside its arrays and texts.
_ENTRY = 500
_Value = TypeVar("_Value")


def kept(key: Hashable, make: Callable[[], _Value], key_bytes: int = 0) -> _Value:
    """The value of a key, made at first and when it was evicted.

    Parameters
    ----------
    key_bytes : int
        Of texts in the key.
    """
    # in a tuple: None may be what was made
    found: tuple[_Value] | None = TRANSFORM_CACHE.get(key)
    if found is None:
        found = (make(),)
        TRANSFORM_CACHE.keep(key, found, _ENTRY + key_bytes + array_bytes(found[0]))
    return found[0]


def array_bytes(value: Any) -> int:
    """Bytes of the arrays in an object or tuple, and in what these hold."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, tuple):
        return sum(map(array_bytes, value))
    return sum(map(array_bytes, vars(value).values())) if hasattr(value, "__dict__") else 0
