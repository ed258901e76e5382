"""Every executor gives one outcome per item, whatever happens to the item."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asap_ingest.errors import ParameterError, WorkerDiedError
from asap_ingest.parallel import PoolExecutor, SerialExecutor, executor
from tests import jobs

ROOT = Path(__file__).parents[1]
EXECUTORS = [SerialExecutor(), PoolExecutor(2)]


@pytest.mark.parametrize("run_with", EXECUTORS, ids=lambda e: type(e).__name__)
def test_every_item_has_its_value(run_with):
    outcomes = list(run_with.run(jobs.double, range(20)))
    assert {outcome.item: outcome.value for outcome in outcomes} == {n: 2 * n for n in range(20)}


@pytest.mark.parametrize("run_with", EXECUTORS, ids=lambda e: type(e).__name__)
def test_a_job_that_raises_does_not_stop_the_others(run_with):
    outcomes = {outcome.item: outcome for outcome in run_with.run(jobs.fail_on_three, range(6))}
    assert str(outcomes.pop(3).error) == "three is not allowed"
    assert [outcomes[n].value for n in sorted(outcomes)] == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("run_with", EXECUTORS, ids=lambda e: type(e).__name__)
def test_no_items_no_outcomes(run_with):
    assert list(run_with.run(jobs.double, [])) == []


def test_pool_size_is_honoured():
    pids = {outcome.value for outcome in PoolExecutor(3).run(jobs.process_id, range(12))}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_one_worker_means_this_process():
    assert {outcome.value for outcome in executor(1).run(jobs.process_id, [1])} == {os.getpid()}


def test_a_killed_worker_costs_a_retry(tmp_path: Path):
    markers = [str(tmp_path / name) for name in "abc"]
    outcomes = list(PoolExecutor(2).run(jobs.die_once, markers))
    assert sorted(outcome.value for outcome in outcomes) == ["a", "b", "c"]


def test_an_item_that_kills_its_worker_twice_is_a_failure():
    outcomes = {outcome.item: outcome for outcome in PoolExecutor(2).run(jobs.die_always, range(5))}
    assert isinstance(outcomes[2].error, WorkerDiedError)
    assert "exit code -9" in str(outcomes[2].error)
    assert [outcomes[n].value for n in (0, 1, 3, 4)] == [0, 1, 3, 4]


def test_items_are_drawn_as_workers_get_free():
    drawn = []

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    outcomes = PoolExecutor(2).run(jobs.double, items())
    next(outcomes)
    assert len(drawn) <= 4
    outcomes.close()


def test_an_error_keeps_its_data_across_processes():
    outcome = next(PoolExecutor(2).run(jobs.refuse, ["levels"]))
    assert isinstance(outcome.error, ParameterError)
    assert outcome.error.field == "levels"


def test_workers_end_with_their_process(tmp_path: Path):
    program = (
        "from asap_ingest.parallel import PoolExecutor; from tests import jobs; import sys\n"
        "for outcome in PoolExecutor(2).run(jobs.process_id, range(1000)):\n"
        "    print(outcome.value, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        workers = {int(process.stdout.readline()) for _ in range(6)}
        process.kill()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
