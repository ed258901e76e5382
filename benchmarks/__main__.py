"""The benchmarks: `make bench`, or `python -m benchmarks [NAME ...] [--runs 5]`.

Without names all are run, and benchmarks/RESULTS.md is written.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
EXPLANATION = Path(__file__).parent / "explanation.md"
#: Modules with a function `report(runs)`, in the order of the results.
BENCHMARKS = ("levels", "step", "apply", "sections", "service", "volumes", "blocks")
#: Fewer runs of those that take minutes; `sections` makes one, whatever is given.
MOST_RUNS = {"apply": 3, "service": 3, "volumes": 3}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--runs", type=int, default=5, help="of each measurement; long ones take fewer")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    machine = (
        f"{processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    counted = (
        f"Medians of {given.runs} runs (at most 3 of apply, service and volumes) after one that does not "
        "count; ingest_sections: one run."
    )
    parts = [f"# Results\n\nWritten by `make bench`. {machine}. {counted}\n"]
    for name in given.names or BENCHMARKS:
        runs = min(given.runs, MOST_RUNS.get(name, given.runs))
        parts.append(import_module(f"benchmarks.{name}").report(runs))
    if not given.names:
        parts.append(EXPLANATION.read_text())
        RESULTS.write_text("\n".join(parts))
    sys.stdout.write("\n".join(parts))


if __name__ == "__main__":
    main()
