"""Every executor gives one outcome per item, whatever happens to the item."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asap_ingest.errors import OutOfMemoryError, ParameterError, WorkerDiedError
from asap_ingest.execution import PoolExecutor, SerialExecutor, executor
from asap_ingest.execution.dask_cluster import DaskExecutor, local_scheduler
from asap_ingest.execution.worker_jobs import main_module_not_run_again
from tests import jobs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dask_scheduler():
    with local_scheduler(2) as address:
        yield address


def made(name, request):
    if name == "dask":
        return DaskExecutor(request.getfixturevalue("dask_scheduler"), 2)
    return {"serial": SerialExecutor(), "pool": PoolExecutor(2)}[name]


@pytest.fixture(params=["serial", "pool", "dask"])
def run_with(request):
    return made(request.param, request)


@pytest.fixture(params=["pool", "dask"])
def run_with_workers(request):
    return made(request.param, request)


def test_every_item_has_its_value(run_with):
    outcomes = list(run_with.run(jobs.double, range(20)))
    assert {outcome.item: outcome.value for outcome in outcomes} == {n: 2 * n for n in range(20)}
    assert len(outcomes) == 20


def test_items_may_be_equal(run_with):
    assert [outcome.value for outcome in run_with.run(jobs.double, [3, 3, 3])] == [6, 6, 6]


def test_a_job_that_raises_does_not_stop_the_others(run_with):
    outcomes = {outcome.item: outcome for outcome in run_with.run(jobs.fail_on_three, range(6))}
    assert str(outcomes.pop(3).error) == "three is not allowed"
    assert [outcomes[n].value for n in sorted(outcomes)] == [0, 1, 2, 4, 5]


def test_no_items_no_outcomes(run_with):
    assert list(run_with.run(jobs.double, [])) == []


def test_an_error_keeps_its_data(run_with):
    outcome = next(run_with.run(jobs.refuse, ["levels"]))
    assert isinstance(outcome.error, ParameterError)
    assert outcome.error.field == "levels"


def test_an_error_that_cannot_be_sent_arrives_as_its_text(run_with_workers):
    outcomes = list(run_with_workers.run(jobs.fail_unsendably, [1, 2]))
    assert sorted(str(outcome.error) for outcome in outcomes) == [
        "UnsendableError: 1 of ten",
        "UnsendableError: 2 of ten",
    ]


def test_a_value_that_cannot_be_sent_is_an_error(run_with_workers):
    (outcome,) = run_with_workers.run(jobs.unsendable_value, [1])
    assert "the job's value cannot be sent" in str(outcome.error)


def test_an_item_that_a_worker_cannot_read_is_a_failure(run_with_workers):
    (outcome,) = run_with_workers.run(jobs.double, [jobs.UnreadableItem()])
    assert "invalid literal for int() with base 10: 'three'" in str(outcome.error)


def test_an_error_of_the_items_ends_the_run(run_with):
    def items():
        yield 1
        raise LookupError("no more tiles")

    with pytest.raises(LookupError, match="no more tiles"):
        list(run_with.run(jobs.double, items()))


def test_items_are_drawn_as_workers_get_free(run_with):
    drawn = []

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    outcomes = run_with.run(jobs.double, items())
    for taken in range(1, 11):
        next(outcomes)
        assert len(drawn) <= taken + 4  # two workers: two items each
    outcomes.close()


class Growing:
    """Items of which each outcome below ten leads to two further ones."""

    def __init__(self):
        self.waiting = [1]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.waiting:
            raise StopIteration
        return self.waiting.pop()


def test_outcomes_may_lead_to_further_items(run_with):
    items, values = Growing(), []
    for outcome in run_with.run(jobs.double, items):
        values.append(outcome.value)
        if outcome.value < 10:
            items.waiting += [outcome.value, outcome.value + 1]
    assert sorted(values) == [2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_a_pools_failure_names_the_exit_code_and_what_it_means():
    (outcome,) = PoolExecutor(2).run(jobs.die_always, [2])
    assert "(exit code -9): it was killed, as systems do when memory runs out" in str(outcome.error)


def test_an_item_that_needs_too_much_memory_is_a_failure_that_says_so(run_with):
    outcomes = {outcome.item: outcome for outcome in run_with.run(jobs.take_too_much_memory, range(4))}
    error = outcomes.pop(2).error
    assert isinstance(error, OutOfMemoryError)
    assert str(error).startswith("needs more memory than there is (Unable to allocate 1.00 EiB")
    assert "lower pool_size" in str(error)
    assert [outcomes[n].value for n in sorted(outcomes)] == [0, 1, 3]


def test_libraries_have_one_thread_in_workers(run_with_workers, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert {outcome.value for outcome in run_with_workers.run(jobs.library_threads, range(4))} == {(1, "1")}


@pytest.mark.parametrize("scheduler", [None, "local"])
def test_pool_size_is_honoured(scheduler):
    pids = {outcome.value for outcome in executor(3, scheduler).run(jobs.process_id, range(12))}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_one_worker_means_this_process():
    assert {outcome.value for outcome in executor(1).run(jobs.process_id, [1])} == {os.getpid()}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", ["2", "2, 'local'"])
def test_workers_end_with_their_process(arguments):
    program = (
        "from asap_ingest.execution import executor; from tests import jobs\n"
        f"for outcome in executor({arguments}).run(jobs.process_id, range(1000)):\n"
        "    print(outcome.value, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        workers = {int(process.stdout.readline()) for _ in range(6)}
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


#: A script without `if __name__ == "__main__":`, that ends only if the one worker is started again.
SCRIPT = """
import sys
from pathlib import Path
from asap_ingest.execution import PoolExecutor, executor
from tests import jobs

folder = Path(sys.argv[1])
with (folder / "runs").open("a") as runs:
    runs.write("run\\n")
workers = PoolExecutor(1) if sys.argv[2] == "pool" else executor(1, sys.argv[2])
print([outcome.value for outcome in workers.run(jobs.die_once, [str(folder / "marker")])])
"""


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", ["pool", "local"])
def test_no_worker_runs_the_script_again(tmp_path, workers):
    (tmp_path / "script.py").write_text(SCRIPT)
    program = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), workers]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.communicate(timeout=40)[0] == "['marker']\n"
        finally:
            process.kill()
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_pool_takes_functions_of_a_script_with_their_globals(tmp_path):
    (tmp_path / "script.py").write_text(
        "import math; from asap_ingest.execution import PoolExecutor\n"
        "def root(number):\n"
        "    return math.sqrt(number)\n"
        "print([outcome.result() for outcome in PoolExecutor(1).run(root, [4])])\n"
    )
    program = [sys.executable, str(tmp_path / "script.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(program, capture_output=True, text=True, check=True, env=environment, timeout=60)
    assert ran.stdout == "[2.0]\n"


def test_the_main_module_is_as_before_however_blocks_overlap():
    main = sys.modules["__main__"]
    before = main.__spec__
    first, second = main_module_not_run_again(), main_module_not_run_again()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert main.__spec__.name == "__main__"
    second.__exit__(None, None, None)
    assert main.__spec__ is before


def test_workers_have_the_environment_of_their_start(monkeypatch):
    monkeypatch.setenv("ASAP_INGEST_TEST", "first")
    assert {outcome.value for outcome in PoolExecutor(2).run(jobs.environment, ["ASAP_INGEST_TEST"])} == {
        "first"
    }
    monkeypatch.setenv("ASAP_INGEST_TEST", "second")
    assert {outcome.value for outcome in PoolExecutor(2).run(jobs.environment, ["ASAP_INGEST_TEST"])} == {
        "second"
    }


# tests that kill workers of the cluster that all share come last


def test_a_killed_worker_costs_a_retry(run_with_workers, tmp_path: Path):
    markers = [str(tmp_path / name) for name in "abc"]
    outcomes = list(run_with_workers.run(jobs.die_once, markers))
    assert sorted(outcome.value for outcome in outcomes) == ["a", "b", "c"]


def test_an_item_that_kills_its_workers_is_a_failure_and_no_other_is(run_with_workers):
    outcomes = {outcome.item: outcome for outcome in run_with_workers.run(jobs.die_always, range(8))}
    assert isinstance(outcomes.pop(2).error, WorkerDiedError)
    assert [outcomes[n].value for n in sorted(outcomes)] == [0, 1, 3, 4, 5, 6, 7]
