"""Compile pixel loops with numba, and cache the machine code where possible."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numba
from numba.core import event

Loop = TypeVar("Loop", bound=Callable[..., Any])

logger = logging.getLogger(__name__)


def read_only(sample_type: Any) -> Any:
    """The type of C-contiguous arrays of two axes that a loop only reads; writable ones match it too."""
    return numba.types.Array(sample_type, 2, "C", readonly=True)


def compiled(signatures: Sequence[Any] | None = None) -> Callable[[Loop], Loop]:
    """Decorate a loop over arrays; it runs without the GIL.

    Loops may call one another, across modules too: after a change of one, its callers are compiled again.
    Machine code is cached beside the module, or in the user's cache; where neither is writable (a container
    without HOME, a read-only installation) each process compiles again.

    Parameters
    ----------
    signatures : sequence of numba types, optional
        Types to compile for when the module is imported, so that workers forked later have the code; without
        them, a loop is compiled when another loop that calls it is.
    """

    njit: Any = numba.njit

    def decorate(loop: Loop) -> Any:
        types = [] if signatures is None else [list(signatures)]
        files = _files_of(loop)
        # the name is a part of the cache key; numba itself notices only changes in the file of the loop
        loop.__qualname__ += f"-{crc32(b''.join(path.read_bytes() for path in sorted(files))):08x}"
        try:
            code = njit(*types, nogil=True, cache=True)(loop)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            code = njit(*types, nogil=True)(loop)
            _warn_once(
                "pixel loops are compiled at each start: no folder to keep them in; NUMBA_CACHE_DIR names one"
            )
        code.source_files = files
        return code

    return decorate


def _files_of(loop: Callable[..., Any]) -> set[Path]:
    """The file of a loop, and those of all compiled loops that it calls, directly or through others."""
    files = {Path(loop.__code__.co_filename)}
    for name in loop.__code__.co_names:
        files |= getattr(loop.__globals__.get(name), "source_files", set())
    return files


class _Listener(event.Listener):
    """Logs that loops are compiled, before they are."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("asap_ingest."):
            _warn_once("pixel loops are compiled for this machine, once: some seconds")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Listener())


@cache
def _warn_once(message: str) -> None:
    """Log once in a process; as a warning, because it explains a slow start and only warnings are shown."""
    logger.warning(message)
