"""A cache with a limited size in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheState:
    """Hits, misses and evictions of a cache so far, and its size."""

    hits: int
    misses: int
    evictions: int
    bytes: int
    room_bytes: int


class BoundedCache(Generic[Value]):
    """Values by key, of at most `room` bytes together; the least recently used are evicted. Thread-safe.

    A value that is larger than that is not stored.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._values: OrderedDict[Any, tuple[Value, int]] = OrderedDict()
        self._used = 0
        self._hits = self._misses = self._evictions = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, *, again: bool = False) -> Value | None:
        """The value of a key, None if it is not cached; if looked up `again`, it counts as no hit or miss."""
        with self._lock:
            entry = self._values.get(key)
            if not again:
                self._hits += entry is not None
                self._misses += entry is None
            if entry is None:
                return None
            self._values.move_to_end(key)
            return entry[0]

    def keep(self, key: Hashable, value: Value, size: int) -> None:
        """Store a value of `size` bytes, in place of the previous one."""
        with self._lock:
            self._used -= self._values.pop(key, (None, 0))[1]
            if size <= self._room:
                self._values[key] = value, size
                self._used += size
            self._evict()

    def resize(self, room: int) -> None:
        """Change the size of the cache."""
        with self._lock:
            self._room = room
            self._evict()

    def _evict(self) -> None:
        while self._used > self._room:
            self._used -= self._values.popitem(last=False)[1][1]
            self._evictions += 1

    def clear(self) -> None:
        """Evict all."""
        with self._lock:
            self._values.clear()
            self._used = 0

    @property
    def state(self) -> CacheState:
        """Counts since the cache was created, and its size."""
        with self._lock:
            return CacheState(self._hits, self._misses, self._evictions, self._used, self._room)
