"""Cores and memory: real affinity, made cgroups of both versions, and a real one where it can be made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asap_ingest.execution.machine_resources import usable_cores, usable_memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def cgroups(tmp_path):
    """Writes files of cgroups, and what a process says of its own; gives both paths."""

    def made(memberships, files):
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        (tmp_path / "self").write_text(memberships)
        return tmp_path / "self", tmp_path / "cgroup"

    return made


@pytest.mark.parametrize(
    ("memberships", "files", "cores", "memory"),
    [
        ("0::/job\n", {}, CORES, MACHINE),
        ("0::/job\n", {"job/cpu.max": "100000 100000\n", "job/memory.max": "1000000\n"}, 1, 1000000),
        ("0::/job/step\n", {"job/cpu.max": "50000 100000\n", "job/step/cpu.max": "max 100000\n"}, 1, MACHINE),
        ("0::/job/step\n", {"job/memory.max": "5000\n", "job/step/memory.max": "max\n"}, CORES, 5000),
        ("0::/../outside\n", {"cpu.max": "100000 100000\n", "memory.max": "7000\n"}, 1, 7000),
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, CORES, MACHINE),
        (
            "3:cpu,cpuacct:/job\n5:memory:/job\n",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "100000\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
                "memory/job/memory.limit_in_bytes": "6000\n",
            },
            1,
            6000,
        ),
        (
            "3:cpu,cpuacct:/\n5:memory:/\n",
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            CORES,
            MACHINE,
        ),
        ("0::/job\n", {"job/cpu.max": "damaged\n", "job/memory.max": "\n"}, CORES, MACHINE),
        ("", {}, CORES, MACHINE),
    ],
)
def test_limits_of_groups(cgroups, memberships, files, cores, memory):
    paths = cgroups(memberships, files)
    assert usable_cores(*paths) == min(cores, CORES)
    assert usable_memory(*paths) == memory


def test_a_quota_is_rounded_up(cgroups):
    paths = cgroups("0::/\n", {"cpu.max": f"{CORES * 100000 - 50000} 100000\n"})
    assert usable_cores(*paths) == CORES


PROGRAM = """
from asap_ingest.execution.machine_resources import usable_cores, usable_memory
print(usable_cores(), usable_memory())
"""


def told_by_a_process(before=lambda: None):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [int(word) for word in ran.stdout.split()]


def test_a_process_that_may_run_on_one_core():
    one = min(os.sched_getaffinity(0))
    assert told_by_a_process(lambda: os.sched_setaffinity(0, {one}))[0] == 1


def test_a_real_group():
    root = Path("/sys/fs/cgroup")
    is_2 = (root / "cgroup.controllers").exists()
    folder = (root if is_2 else root / "memory") / "asap_ingest_test"
    limit = folder / ("memory.max" if is_2 else "memory.limit_in_bytes")
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        if not limit.exists():
            pytest.skip("cgroups that are made here have no limit of memory")
        limit.write_text("536870912")
        found = told_by_a_process(lambda: (folder / "cgroup.procs").write_text(str(os.getpid())))
        assert found[1] == 536870912
    finally:
        folder.rmdir()
