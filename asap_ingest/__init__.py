"""asap_ingest: volume electron microscopy from the microscope to the viewer.

From Python: `open_stack`, `open_volume` and `steps`; they are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asap_ingest import steps
    from asap_ingest.arrays.stack_reader import open_stack
    from asap_ingest.arrays.volume_reader import open_volume

__version__ = "0.2.0"
__all__ = ["__version__", "open_stack", "open_volume", "steps"]

#: Module of each function that is offered here.
_FUNCTIONS = {
    "open_stack": "asap_ingest.arrays.stack_reader",
    "open_volume": "asap_ingest.arrays.volume_reader",
}


def __getattr__(name: str) -> Any:
    if name == "steps":
        return import_module("asap_ingest.steps")
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
