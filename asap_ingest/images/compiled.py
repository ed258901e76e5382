"""Compile pixel loops with numba, and keep what was compiled where that is possible."""

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


def read_only(sample_type: Any, dimensions: int = 2) -> Any:
    """The type of arrays in rows that a loop does not write to: those that may be written to fit too."""
    return numba.types.Array(sample_type, dimensions, "C", readonly=True)


def compiled(signatures: Sequence[Any] | None = None) -> Callable[[Loop], Loop]:
    """Decorate a loop over arrays: it runs without Python's lock.

    Parameters
    ----------
    signatures : sequence of numba types, optional
        Types to compile for when the module is imported, so that workers that are forked afterwards have
        the code; without, a loop is compiled into those that call it.

    Loops may call one another, across modules too: a change of one has all that call it compiled anew.
    What is compiled is kept beside the module, or in the user's cache; where neither can be written (a
    container without HOME, an installation that is read-only) it is compiled in each process anew.
    """

    njit: Any = numba.njit

    def decorate(loop: Loop) -> Any:
        types = [] if signatures is None else [list(signatures)]
        files = _files_of(loop)
        # a part of the name of what is kept: numba itself looks at the file of the loop alone
        loop.__qualname__ += f"-{crc32(b''.join(path.read_bytes() for path in sorted(files))):08x}"
        try:
            code = njit(*types, nogil=True, cache=True)(loop)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            code = njit(*types, nogil=True)(loop)
            _say(
                "pixel loops are compiled at each start: no folder to keep them in; NUMBA_CACHE_DIR names one"
            )
        code.source_files = files
        return code

    return decorate


def _files_of(loop: Callable[..., Any]) -> set[Path]:
    """The file of a loop, and those of the compiled loops that it calls, directly or not."""
    files = {Path(loop.__code__.co_filename)}
    for name in loop.__code__.co_names:
        files |= getattr(loop.__globals__.get(name), "source_files", set())
    return files


class _Telling(event.Listener):
    """Tells that loops are compiled, before that is done."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("asap_ingest."):
            _say("pixel loops are compiled for this machine, once: some seconds")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Telling())


@cache
def _say(message: str) -> None:
    """Once in a process; a warning, as it explains a slow start where nothing else is logged."""
    logger.warning(message)
