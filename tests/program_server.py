"""A process that has imported what the programs import, and forks for each program that a test runs.

Forking takes hundredths of a second; starting an interpreter with its imports and compiled loops takes up to
two. Only imports are shared: each program is a process with its own arguments, environment, folder, streams,
signals and exit code. `run` starts the server of this process, `python -m tests.program_server`, at its first
call.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import subprocess
import sys
import tempfile
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parent.parent
#: Modules that steps import, at their start or later, and that take time to import.
PRELOADED = (
    *("asap_ingest.ingest_section", "asap_ingest.precomputed_tif", "asap_ingest.export_to_precomputed"),
    *("asap_ingest.merge_reports", "asap_ingest.check_precomputed", "asap_ingest.images.kernels"),
    *("PIL.Image", "cv2", "imagecodecs", "renderapi", "s3fs", "skimage.measure", "tifffile"),
)


def run(module: str, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run `python -m module` with this process's environment and folder, as it is now.

    Raises
    ------
    subprocess.TimeoutExpired
        It did not end within `timeout` seconds, and was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        request = {
            "module": module,
            "arguments": arguments,
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "streams": [str(stream) for stream in streams],
        }
        exit_code = _exit_code(_server(), request, timeout)
        out, err = (stream.read_text() for stream in streams)
    return subprocess.CompletedProcess([module, *arguments], exit_code, out, err)


@cache
def _server() -> subprocess.Popen[bytes]:
    """The server of this process, which ends when this process does."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.program_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        cwd=ROOT,
        # a process with threads should not fork
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[bytes]) -> None:
    with server:  # closes its streams: no further request, and it ends
        pass


def _exit_code(server: subprocess.Popen[bytes], request: dict[str, Any], timeout: float) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request).encode() + b"\n")
    process_id = int(server.stdout.readline())
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(server.stdout, selectors.EVENT_READ)
            if not selector.select(timeout):
                raise subprocess.TimeoutExpired([request["module"], *request["arguments"]], timeout)
    except BaseException:  # also pytest-timeout's: the next request is to get its own answer
        os.kill(process_id, signal.SIGKILL)
        server.stdout.readline()
        raise
    return int(server.stdout.readline())


def next_program(requests: IO[bytes], answers: int) -> dict[str, Any] | None:
    """Fork a process for each request. Returns the request there, and None in the server at the end."""
    for line in requests:
        process_id = os.fork()
        if not process_id:
            return dict(json.loads(line))
        os.write(answers, b"%d\n" % process_id)
        _, status = os.waitpid(process_id, 0)
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    return None


def become(request: dict[str, Any]) -> None:
    """Turn this process, just forked, into the one that `python -m` would have started."""
    stdout, stderr = request["streams"]
    for number, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), (stdout, os.O_WRONLY | os.O_CREAT), (stderr, os.O_WRONLY | os.O_CREAT)]
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.argv[1:] = request["arguments"]
    # runpy warns that the module of the program is imported already, which is the purpose of this server
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")


def end_at_once(ended: list[int]) -> None:
    """The last exit handler: end without tearing down all modules, which takes longer than a run."""
    sys.stdout.flush()
    sys.stderr.flush()
    if ended:
        os._exit(ended[0])


def main() -> None:
    """Serve; in a program's process, run it."""
    ended: list[int] = []
    atexit.register(end_at_once, ended)  # the first to be registered, so the last to run
    for name in PRELOADED:
        import_module(name)
    gc.freeze()
    answers = os.dup(1)
    request = next_program(sys.stdin.buffer, answers)
    if request is None:
        return
    os.close(answers)
    become(request)
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            ended.append(end.code)
        raise


if __name__ == "__main__":
    main()
