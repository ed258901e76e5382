"""Jobs over a Dask cluster: one that runs already, or worker processes of this machine."""

from __future__ import annotations

import asyncio
import logging
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from asap_ingest.errors import ParameterError, WorkerDiedError
from asap_ingest.execution.worker_jobs import (
    ONE_THREAD,
    Function,
    Item,
    Outcome,
    Outcomes,
    Value,
    WithStorage,
    limit_to_one_thread,
    main_module_not_run_again,
    pickled_outcome,
)

logger = logging.getLogger(__name__)

#: In place of an address: a scheduler and worker processes of this machine, which live as long as the run.
LOCAL = "local"
#: For each thread of the cluster, one item in work and one that waits there. Memory does not grow with the
#: number of items.
ITEMS_PER_THREAD = 2
#: Items that are sent while there are no workers: a cluster that scales with its load must see some.
FEWEST_ITEMS = 4

_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")
CONNECT_SECONDS = 10
#: Raised by connecting: TypeError for tls:// without certificates, MemoryError where the first bytes of
#: another protocol are read as a length.
_NO_SCHEDULER = (OSError, ValueError, TypeError, MemoryError)
_HOW_TO_START = "start one (docs/clusters.md has recipes), or use 'local'"
_HOW_TO_TRUST = "start one, and name its certificates in Dask's configuration (docs/clusters.md, TLS)"


@dataclass(frozen=True)
class DaskExecutor:
    """Jobs over the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler : str
        `tcp://host:port` (or `tls://`) of a scheduler, or `local`: worker processes of this machine,
        of one thread each, that end with the run.
    workers : int
        Number of workers for `local`; other schedulers have workers of their own.

    Raises
    ------
    ParameterError
        `scheduler` is neither `local` nor an address, or the library is not installed.
    """

    scheduler: str
    workers: int

    def __post_init__(self) -> None:
        if self.scheduler != LOCAL and not _ADDRESS.fullmatch(self.scheduler):
            raise _refused(f"{self.scheduler!r} must be {LOCAL}, or an address like tcp://host:8786")
        try:
            import distributed  # noqa: F401

            if self.scheduler == LOCAL:
                import cryptography  # noqa: F401 - distributed makes the run's certificates with it
        except ModuleNotFoundError as error:
            raise _refused("the library is missing; pip install 'asap_ingest[dask]'") from error

    def check(self) -> None:
        """Connect once, so that a scheduler that does not answer is an error before anything is written.

        Raises
        ------
        ParameterError
        """
        if self.scheduler != LOCAL:
            with _connected(self.scheduler):
                pass

    def run(self, function: Function[Item, Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
        """See `Executor`; the items of a worker that died are retried.

        Raises
        ------
        ParameterError
            The scheduler does not answer, or went away during the run, or its workers cannot run the jobs.
        """
        with ExitStack() as stack:
            address, security = self.scheduler, None
            if address == LOCAL:
                from distributed.security import Security

                # certificates of this run alone: a scheduler runs code for everybody who can connect to it
                security = Security.temporary()
                address = stack.enter_context(local_scheduler(self.workers, security))
            client = stack.enter_context(_connected(address, security))
            yield from _outcomes(client, WithStorage(function), items)


@contextmanager
def local_scheduler(workers: int, security: Any = None) -> Iterator[str]:
    """Run a scheduler and worker processes of one thread each on this machine; gives its address.

    Without `security`, anyone who reaches its port can run programs as this user.
    """
    import dask
    from distributed import LocalCluster

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        # as in the pool, a job whose worker died is retried once
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 1}))
        # for as long as the cluster runs: it replaces workers that were killed by new ones
        stack.enter_context(main_module_not_run_again())
        cluster = LocalCluster(
            n_workers=max(1, workers),
            protocol="tcp://" if security is None else "tls://",
            security=security,
            threads_per_worker=1,
            # by default the scheduler's pages use port 8787, and warn where it is in use
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


def _greet(address: str, security: Any) -> None:
    """Exchange the first messages of Dask's protocol, within a time limit.

    Dask's client has none: with the address of a web server, for example, it would wait forever.

    Raises
    ------
    OSError, ValueError, TypeError, MemoryError
        No scheduler answers; see `_NO_SCHEDULER`.
    """
    from distributed.comm.core import connect
    from distributed.security import Security

    async def greet() -> None:
        arguments = (security or Security()).get_connection_args("client")
        comm = await asyncio.wait_for(connect(address, CONNECT_SECONDS, **arguments), CONNECT_SECONDS)
        await comm.close()

    # in a thread of its own: that of the caller may have a running loop, in a notebook for instance
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, greet()).result()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's logs off standard error: errors are raised, or logged here."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _outcomes(client: Any, function: Function[Item, Value], items: Iterable[Item]) -> Outcomes[Item, Value]:
    """Run the items; run each one that Dask gave up again, alone.

    Dask gives up an item once several workers that had it died, even if it was only queued there.
    """
    waiting = iter(items)
    while True:
        suspects: list[Item] = []
        for item, received in _received(client, function, waiting, lambda: _window(client)):
            if received is None:
                logger.warning("several Dask workers died with the same job, which is retried once, alone")
                suspects.append(item)
            else:
                yield Outcome(item, *pickle.loads(received))
        if not suspects:
            return
        for item, received in _received(client, function, suspects, lambda: 1):
            if received is None:
                yield Outcome(item, None, WorkerDiedError(None))
            else:
                yield Outcome(item, *pickle.loads(received))
        # the outcomes of suspects may have led to further items


def _received(
    client: Any, function: Function[Item, Value], items: Iterable[Item], window: Callable[[], int]
) -> Iterator[tuple[Item, bytes | None]]:
    """Yield (item, pickled outcome) as they get ready; None for an item that Dask gave up.

    At most `window()` items are with the scheduler at a time.
    """
    from distributed import as_completed

    # pickled here, so that Dask does not search function and item for futures
    waiting, pickled_function = iter(items), pickle.dumps(function)
    held: dict[Any, Item] = {}
    ready = as_completed(loop=client.loop)
    try:
        while True:
            for item in islice(waiting, max(0, window() - len(held))):
                future = client.submit(_run_pickled, pickled_function, pickle.dumps(item), pure=False)
                held[future] = item
                ready.add(future)
            if not held:
                return
            batch = ready.next_batch()
            for future, received in zip(batch, _gathered(client, batch), strict=True):
                yield held.pop(future), received
    finally:
        client.cancel(list(held))


def _run_pickled(function: bytes, item: bytes) -> bytes:
    limit_to_one_thread()
    return pickled_outcome(pickle.loads(function), item)


def _gathered(client: Any, futures: list[Any]) -> list[bytes | None]:
    """The results of completed futures; None for those that Dask gave up."""
    try:
        return client.gather(futures)  # one request for all
    except Exception:  # one of them failed: ask each, to know which one and why
        logger.debug("not all outcomes could be gathered", exc_info=True)
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
        # a job's own errors are in its outcome: this one means that the workers are set up differently
        raise _refused(
            f"the workers of {client.scheduler.address} cannot run the jobs "
            f"({type(error).__name__}: {error}); they need the same asap_ingest and Python as this process"
        ) from error


def _window(client: Any) -> int:
    """Number of items to keep with the scheduler, by the threads that the cluster has now."""
    try:
        threads = sum(client.nthreads().values())
    except OSError as error:
        raise _lost(client) from error
    if not threads:
        logger.warning("the Dask scheduler has no workers at the moment; jobs wait for them")
    return max(FEWEST_ITEMS, ITEMS_PER_THREAD * threads)


def _lost(client: Any) -> ParameterError:
    return _refused(
        f"the Dask scheduler at {client.scheduler.address} went away during the run; "
        "run again with force_redo false, which does only what is missing"
    )


def _refused(problem: str) -> ParameterError:
    return ParameterError("dask_scheduler", problem)
