"""All benchmarks: `make bench`, or `python -m benchmarks [--runs 5]`. Writes benchmarks/RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

from benchmarks import apply, blocks, levels, sections, service, step, volumes

RESULTS = Path(__file__).parent / "RESULTS.md"
EXPLANATION = Path(__file__).parent / "explanation.md"


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    machine = (
        f"{processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    counted = f"Medians of {runs} runs after one that does not count."
    head = f"# Results\n\nWritten by `make bench`. {machine}. {counted}\n"
    measured = (
        levels.report(runs),
        step.report(runs),
        apply.report(),
        sections.report(),
        service.report(runs),
        volumes.report(min(runs, 3)),
        blocks.report(runs),
    )
    parts = [head, *measured, EXPLANATION.read_text()]
    text = "\n".join(parts)
    RESULTS.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
