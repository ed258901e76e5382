"""The cache of what is derived from transforms: parsed long ones, meshes, inverse maps."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar

from asap_ingest.render_ws.memory.bounded_cache import BoundedCache
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS

TRANSFORM_CACHE: BoundedCache[Any] = BoundedCache(DEFAULT_LIMITS.transform_cache_bytes)
#: Bytes of an entry besides its arrays and texts.
_ENTRY = 500
_Value = TypeVar("_Value")


def memoised(key: Hashable, make: Callable[[], _Value], key_bytes: int = 0) -> _Value:
    """The cached value of a key, made if there is none; `key_bytes` is the size of texts in the key."""
    # a tuple around the value tells a cached None from a missing one
    cached: tuple[_Value] | None = TRANSFORM_CACHE.get(key)
    if cached is None:
        cached = (make(),)
        TRANSFORM_CACHE.keep(key, cached, _ENTRY + key_bytes + array_bytes(cached[0]))
    return cached[0]


def array_bytes(value: Any) -> int:
    """Bytes of the arrays in an object's attributes, a tuple, or the arguments of a partial function."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, partial):
        value = value.args
    if isinstance(value, tuple):
        return sum(map(array_bytes, value))
    return sum(map(array_bytes, vars(value).values())) if hasattr(value, "__dict__") else 0
