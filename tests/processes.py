"""Facts about other processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def _facts(process_id: int) -> list[str] | None:
    """Fields of /proc/ID/stat from the state on; None if there is no such process."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(process_id: int) -> list[int]:
    """Ids of the child processes."""
    everyone = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    facts = {other: _facts(other) for other in everyone}
    return [other for other, found in facts.items() if found is not None and int(found[1]) == process_id]


def gone(process_id: int) -> bool:
    """Whether a process has ended; a zombie, which nobody has waited for yet, counts as ended."""
    facts = _facts(process_id)
    return facts is None or facts[0] == "Z"


def processor_seconds(process_id: int) -> float:
    """Processor time of a process so far."""
    facts = _facts(process_id)
    assert facts is not None, f"there is no process {process_id}"
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")
