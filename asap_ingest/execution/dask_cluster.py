"""Jobs over a Dask cluster: one that runs already, or worker processes of this machine."""

from __future__ import annotations

import asyncio
import logging
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

from asap_ingest.errors import ParameterError, WorkerDiedError
from asap_ingest.execution.worker_jobs import (
    ONE_THREAD,
    Item,
    Outcome,
    Value,
    answer,
    no_main_module,
    one_thread_here,
)

logger = logging.getLogger(__name__)

#: The scheduler's name for worker processes of this machine, which live as long as the run.
LOCAL = "local"
#: One item that is worked on, one that waits beside it: memory does not grow with their number.
ITEMS_PER_THREAD = 2
#: Items that are sent while no worker is known: a cluster that grows with its load must see some.
FEWEST_ITEMS = 4

_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class DaskExecutor:
    """Jobs over the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : str
        `tcp://host:port` (or `tls://`) of a scheduler, or `local`: worker processes of this machine,
        of one thread each, that end with the run.
    workers : int
        Their number; a scheduler elsewhere has its own.

    Raises
    ------
    ParameterError
        The scheduler's form is wrong, or the library is not installed.
    """

    scheduler: str
    workers: int

    def __post_init__(self) -> None:
        if self.scheduler != LOCAL and not _ADDRESS.fullmatch(self.scheduler):
            raise _refused(f"{self.scheduler!r} must be {LOCAL}, or an address like tcp://host:8786")
        try:
            import distributed  # noqa: F401

            if self.scheduler == LOCAL:
                import cryptography  # noqa: F401 - makes its certificates
        except ModuleNotFoundError as error:
            raise _refused("the library is missing; pip install 'asap_ingest[dask]'") from error

    def check(self) -> None:
        """ParameterError when no scheduler answers: to be known before anything is written."""
        if self.scheduler != LOCAL:
            with _connected(self.scheduler):
                pass

    def run(self, job: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Outcome[Item, Value]]:
        """One outcome an item. A worker that dies costs a retry of what it held.

        Raises
        ------
        ParameterError
            The scheduler is not there, or no longer, or its workers cannot run this package's jobs.
        """
        security = _own_security() if self.scheduler == LOCAL else None
        with (
            _address(self.scheduler, self.workers, security) as address,
            _connected(address, security) as client,
        ):
            yield from _outcomes(client, job, items)


def _own_security() -> Any:
    """Certificates of this run alone: its scheduler's port runs whatever it is sent, for other users too."""
    from distributed.security import Security

    return Security.temporary()


def _address(scheduler: str, workers: int, security: Any) -> AbstractContextManager[str]:
    return local_scheduler(workers, security) if scheduler == LOCAL else nullcontext(scheduler)


@contextmanager
def local_scheduler(workers: int, security: Any = None) -> Iterator[str]:
    """The address of a scheduler of this machine with worker processes of one thread each.

    Without `security` it is open: whoever reaches its port can run programs as this user.
    """
    import dask
    from distributed import LocalCluster

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        # as in the pool, a job whose worker died is tried once more
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 1}))
        with no_main_module():
            cluster = LocalCluster(
                n_workers=max(1, workers),
                protocol="tcp://" if security is None else "tls://",
                security=security,
                threads_per_worker=1,
                # with no address the scheduler's pages take port 8787, and warn where it is taken
                dashboard_address="127.0.0.1:0",
                memory_limit=None,
                silence_logs=logging.CRITICAL,
                env=ONE_THREAD,
            )
        stack.enter_context(cluster)
        yield cluster.scheduler_address


@contextmanager
def _connected(address: str, security: Any = None) -> Iterator[Any]:
    from distributed import Client

    with _quiet():
        try:
            _greet(address, security)
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, security=security)
        except _NO_SCHEDULER as error:
            remedy = _HOW_TO_TRUST if address.startswith("tls:") else _HOW_TO_START
            raise _refused(f"no Dask scheduler answers at {address}; {remedy}") from error
        with client:
            yield client


#: What connecting raises: TypeError for tls:// without certificates, MemoryError where another protocol's
#: first bytes are taken for a length.
_NO_SCHEDULER = (OSError, ValueError, TypeError, MemoryError)


def _greet(address: str, security: Any) -> None:
    """Exchange the first messages of Dask's protocol.

    Dask's client limits the time to connect, and waits for the answer for ever: from a web server, for one.

    Raises
    ------
    one of _NO_SCHEDULER
    """
    from distributed.comm.core import connect
    from distributed.security import Security

    async def greet() -> None:
        arguments = (security or Security()).get_connection_args("client")
        comm = await asyncio.wait_for(connect(address, CONNECT_SECONDS, **arguments), CONNECT_SECONDS)
        await comm.close()

    # in a thread of its own: the caller's may run a loop already, in a notebook for one
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, greet()).result()


_HOW_TO_START = "start one (docs/clusters.md has recipes), or take 'local'"
_HOW_TO_TRUST = "start one, and name its certificates in Dask's configuration (docs/clusters.md, TLS)"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's logs off standard error: what matters is raised, or logged here."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _outcomes(
    client: Any, job: Callable[[Item], Value], items: Iterable[Item]
) -> Iterator[Outcome[Item, Value]]:
    waiting = iter(items)
    while True:
        suspects: list[Item] = []
        for item, answered in _answers(client, job, waiting, lambda: _window(client)):
            if answered is None:
                logger.warning("a Dask worker died again with its job, which is tried once more, alone")
                suspects.append(item)
            else:
                yield Outcome(item, *pickle.loads(answered))
        if not suspects:
            return
        # Dask blames all that waited at a worker that died; what runs alone has only itself to blame
        for item, answered in _answers(client, job, suspects, lambda: 1):
            if answered is None:
                yield Outcome(item, None, WorkerDiedError(None))
            else:
                yield Outcome(item, *pickle.loads(answered))


def _answers(
    client: Any, job: Callable[[Item], Value], items: Iterable[Item], window: Callable[[], int]
) -> Iterator[tuple[Item, bytes | None]]:
    """(item, answer) as they get ready, None for workers that died; `window()` items are under way."""
    from distributed import as_completed

    waiting = iter(items)
    held: dict[Any, Item] = {}
    ready = as_completed(loop=client.loop)
    try:
        while True:
            for item in islice(waiting, max(0, window() - len(held))):
                # as bytes, so that Dask does not look into the item
                future = client.submit(_answer, pickle.dumps((job, item)), pure=False)
                held[future] = item
                ready.add(future)
            if not held:
                return
            batch = ready.next_batch()
            for future, answered in zip(batch, _gathered(client, batch), strict=True):
                yield held.pop(future), answered
    finally:
        client.cancel(list(held))


def _answer(payload: bytes) -> bytes:
    one_thread_here()
    job, item = pickle.loads(payload)
    return answer(job, item)


def _gathered(client: Any, futures: list[Any]) -> list[bytes | None]:
    try:
        return client.gather(futures)  # one request for all
    except Exception:  # one of them has no answer: which one, and why, is asked next
        logger.debug("not all answers could be gathered", exc_info=True)
        return [_one_gathered(client, future) for future in futures]


def _one_gathered(client: Any, future: Any) -> bytes | None:
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except (CancelledError, OSError) as error:
        raise _lost(client) from error
    except Exception as error:
        # a job's own errors are in its answer: this one says that the workers are set up differently
        raise _refused(
            f"the workers of {client.scheduler.address} cannot run the jobs "
            f"({type(error).__name__}: {error}); they need the same asap_ingest and Python as this process"
        ) from error


def _window(client: Any) -> int:
    try:
        threads = sum(client.nthreads().values())
    except OSError as error:
        raise _lost(client) from error
    if not threads:
        logger.warning("the Dask scheduler has no workers now; the jobs wait for them")
    return max(FEWEST_ITEMS, ITEMS_PER_THREAD * threads)


def _lost(client: Any) -> ParameterError:
    return _refused(
        f"the Dask scheduler at {client.scheduler.address} went away during the run; "
        "run again with force_redo false, which does only what is missing"
    )


def _refused(problem: str) -> ParameterError:
    return ParameterError("dask_scheduler", problem)
