"""What only a Dask cluster can do wrong: addresses, workers and schedulers that come and go."""

import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster
from distributed.security import Security

from asap_ingest.errors import ParameterError
from asap_ingest.execution import dask_cluster, executor
from asap_ingest.execution.dask_cluster import DaskExecutor, local_scheduler
from tests import jobs
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.servers import in_a_thread
from tests.steps import MIPMAPS, TILESPECS, command, run_step

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dask_scheduler():
    with local_scheduler(2) as address:
        yield address


@contextmanager
def running(program):
    """A Python program that is killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def scheduler_process():
    """(process, address) of a scheduler that has its workers, in a process to be killed."""
    program = (
        "import sys; from asap_ingest.execution.dask_cluster import local_scheduler\n"
        "with local_scheduler(2) as address:\n"
        "    print(address, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with running(program) as process:
        yield process, process.stdout.readline().strip()


@pytest.mark.parametrize(
    "text", ["", "lokal", "localhost:8786", "http://host:8786", "tcp://host", "tcp://:1"]
)
def test_what_is_no_scheduler_is_refused(text):
    with pytest.raises(ParameterError, match="must be local, or an address like tcp://host:8786") as refused:
        executor(2, text)
    assert refused.value.field == "dask_scheduler"


async def web_page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a page"})


@contextmanager
def speaking(greeting):
    """The port of a program that greets whoever connects, and never reads."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = []

        def greet():
            with suppress(OSError):
                while True:
                    taken.append(listening.accept()[0])
                    taken[-1].sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in taken:
            connection.close()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("other", ["web server", b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail.example\r\n"])
def test_what_speaks_no_dask_is_refused_before_any_work(other, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with in_a_thread(web_page) if other == "web server" else speaking(other) as where:
        port = str(where).rpartition(":")[2]
        with pytest.raises(ParameterError, match=f"no Dask scheduler answers at tcp://127.0.0.1:{port}"):
            executor(2, f"tcp://127.0.0.1:{port}")


def test_a_scheduler_that_does_not_answer_is_refused_before_any_work(closed_port, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(ParameterError, match=f"no Dask scheduler answers at tcp://127.0.0.1:{closed_port}"):
        executor(2, f"tcp://127.0.0.1:{closed_port}")


@pytest.mark.long
def test_a_scheduler_with_certificates_that_nobody_named_is_refused():
    refusal = pytest.raises(ParameterError, match="at tls://.*; .* name its certificates in Dask's config")
    with local_scheduler(1, Security.temporary()) as address, refusal:
        executor(2, address)


@pytest.fixture
def ports_of_a_local_run():
    """(host, port) of all that a run of `local` listens on, itself and its workers."""
    program = (
        "import sys; from asap_ingest.execution import executor; from tests import jobs\n"
        "outcomes = executor(2, 'local').run(jobs.double, range(9))\n"
        "print(next(outcomes).error, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with running(program) as process:
        assert process.stdout.readline() == "None\n"
        family = {process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))}
        yield [
            (found.laddr.ip, found.laddr.port)
            for found in psutil.net_connections("tcp")
            if found.pid in family and found.status == psutil.CONN_LISTEN
        ]


def answers_http(port):
    """Whether pages are served there, which run nothing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_a_local_run_takes_nobody_else_s_work(ports_of_a_local_run):
    assert {host for host, _ in ports_of_a_local_run} == {"127.0.0.1"}
    doors = [port for _, port in ports_of_a_local_run if not answers_http(port)]
    assert len(doors) >= 3  # scheduler and workers
    for port in doors:
        for protocol, security in (("tcp", None), ("tls", Security.temporary())):
            with pytest.raises(OSError):
                Client(f"{protocol}://127.0.0.1:{port}", timeout=5, security=security, set_as_default=False)


def test_a_scheduler_that_answers_is_taken(dask_scheduler):
    assert executor(2, dask_scheduler) == DaskExecutor(dask_scheduler, 2)


@pytest.mark.parametrize("library", ["distributed", "cryptography"])
def test_without_the_library_the_remedy_is_named(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ParameterError, match=r"pip install 'asap_ingest\[dask\]'"):
        executor(2, "local")


def test_the_library_is_imported_only_where_it_is_asked_for():
    program = "import sys, asap_ingest.execution as p; p.executor(4); sys.exit('distributed' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


def test_a_worker_killed_in_mid_run_costs_no_file(dask_scheduler, tmp_path):
    with Client(dask_scheduler, set_as_default=False) as client:
        workers = set(client.run(os.getpid).values())
    victim = workers.pop()
    paths = [str(tmp_path / f"{n:02}") for n in range(40)]
    outcomes = []
    for outcome in DaskExecutor(dask_scheduler, 2).run(jobs.touch_slowly, paths):
        outcomes.append(outcome)
        if len(outcomes) == 5:
            os.kill(victim, signal.SIGKILL)
    assert sorted(outcome.item for outcome in outcomes) == paths
    assert [outcome.error for outcome in outcomes] == [None] * 40
    assert sorted(str(path) for path in tmp_path.iterdir()) == paths
    assert not Path(f"/proc/{victim}").exists()


@pytest.mark.long
def test_a_step_loses_no_file_to_a_killed_worker(render, dask_scheduler, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(24, shape=(512, 512)))
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    output = tmp_path / "mipmaps"
    given = {"render": render, "input_stack": "raw", "output_dir": str(output), "levels": 3}
    with Client(dask_scheduler, set_as_default=False) as client:
        victim = next(iter(client.run(os.getpid).values()))
    step = command(MIPMAPS, given | {"dask_scheduler": dask_scheduler}, tmp_path)
    with subprocess.Popen(step, stderr=subprocess.PIPE, text=True) as process:
        while len(listing(output)) < 5 and process.poll() is None:
            time.sleep(0.001)
        os.kill(victim, signal.SIGKILL)
        said = process.communicate()[1].splitlines()
        assert ([line for line in said if not line.startswith('{"progress"')], process.returncode) == ([], 0)
    assert len(listing(output)) == 24 * 3


@pytest.mark.long
def test_a_scheduler_that_goes_away_ends_the_run(scheduler_process, tmp_path):
    process, address = scheduler_process
    outcomes = DaskExecutor(address, 2).run(jobs.touch_slowly, [str(tmp_path / str(n)) for n in range(400)])
    next(outcomes)
    process.send_signal(signal.SIGKILL)
    with pytest.raises(ParameterError, match="went away during the run; run again with force_redo false"):
        list(outcomes)


@pytest.mark.long
def test_jobs_wait_for_workers_that_come_later(caplog):
    message = "has no workers at the moment; jobs wait for them"
    caplog.set_level("WARNING", logger="asap_ingest.execution.dask_cluster")

    def add_worker_once_it_is_said():
        deadline = time.monotonic() + 20
        while message not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
        cluster.scale(1)

    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", threads_per_worker=1) as cluster:
        threading.Thread(target=add_worker_once_it_is_said).start()
        outcomes = DaskExecutor(cluster.scheduler_address, 1).run(jobs.double, range(9))
        assert sorted(outcome.value for outcome in outcomes) == [2 * n for n in range(9)]
    assert message in caplog.text


def test_workers_that_cannot_run_the_jobs_are_named(dask_scheduler, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def job(number):\n    return number\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(ParameterError, match=r"cannot run the jobs .*No module named 'only_here'.*the same"):
        list(DaskExecutor(dask_scheduler, 2).run(only_here.job, [1, 2]))


@pytest.mark.long
def test_a_cluster_of_this_machine_leaves_nothing(tmp_path):
    started = {outcome.value for outcome in executor(2, "local").run(jobs.process_id, range(6))}
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


@pytest.mark.long
def test_standard_error_stays_quiet(tmp_path):
    program = (
        "import logging; logging.basicConfig(); logging.getLogger('asap_ingest').setLevel('WARNING')\n"
        "from asap_ingest.execution import executor; from tests import jobs\n"
        f"print(len(list(executor(2, 'local').run(jobs.die_once, [{str(tmp_path / 'a')!r}]))))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert (ran.stdout, ran.stderr) == ("1\n", "")


@pytest.mark.long
def test_logging_is_left_as_it_was():
    before = {name: logging.getLogger(name).level for name in ("distributed", "distributed.client")}
    list(executor(1, "local").run(jobs.double, [1]))
    assert {name: logging.getLogger(name).level for name in before} == before
