"""What was derived with some effort, kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheState:
    """What became of the values of a cache so far, and how much room they take now."""

    hits: int
    misses: int
    evictions: int
    bytes: int
    room_bytes: int


class BoundedCache(Generic[Value]):
    """Values by key, `room` bytes of them; those not used for longest are evicted. For many threads.

    A value that is larger than all the room is not kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._values: OrderedDict[Any, tuple[Value, int]] = OrderedDict()
        self._used = 0
        self._hits = self._misses = self._evictions = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, *, again: bool = False) -> Value | None:
        """The value of a key, None if it is not kept. What is looked for `again` is counted already."""
        with self._lock:
            found = self._values.get(key)
            if not again:
                self._hits += found is not None
                self._misses += found is None
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def keep(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value of `size` bytes, in place of what the key had."""
        with self._lock:
            self._used -= self._values.pop(key, (None, 0))[1]
            if size <= self._room:
                self._values[key] = value, size
                self._used += size
            self._evict()

    def resize(self, room: int) -> None:
        """Keep `room` bytes from now on."""
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
        """Counts since the cache was made, and its size."""
        with self._lock:
            return CacheState(self._hits, self._misses, self._evictions, self._used, self._room)
