"""One interface for running many jobs: serially, over a pool of worker processes, or over a Dask cluster."""

from __future__ import annotations

from asap_ingest.execution.worker_jobs import Executor, Outcome, Outcomes, SerialExecutor
from asap_ingest.execution.worker_pool import PoolExecutor

__all__ = ["Executor", "Outcome", "Outcomes", "PoolExecutor", "SerialExecutor", "executor"]


def executor(pool_size: int, dask_scheduler: str | None = None) -> Executor:
    """The executor for the parameters of a step: with a `pool_size` of 1, jobs run in this process.

    Raises
    ------
    ParameterError
        `dask_scheduler` is neither `local` nor the address of a scheduler that answers.
    """
    if dask_scheduler is not None:
        # an optional library that takes a second to import
        from asap_ingest.execution.dask_cluster import DaskExecutor

        cluster = DaskExecutor(dask_scheduler, pool_size)
        cluster.check()
        return cluster
    return SerialExecutor() if pool_size <= 1 else PoolExecutor(pool_size)
