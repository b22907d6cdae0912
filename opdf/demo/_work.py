"""Run jobs, one process for each core where the framework gains from it."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from ._arms import Job
from ._backend import Backend, Run
from ._backends import load
from ._network import Parameters
from ._task import load_task

CHUNK = 6  # jobs that a worker takes at a time


def train_all(backend: Backend, teacher: Parameters, jobs: Sequence[Job], *, test: bool, workers: int) -> Iterator[Run]:
    """The runs of `jobs`, in order.

    JAX trains a student in less time than a second process takes to compile it, so it stays in this one.
    """
    if workers < 2 or backend.name == "jax":
        yield from (backend.train(job, test=test) for job in jobs)
        return
    chunks = [jobs[n : n + CHUNK] for n in range(0, len(jobs), CHUNK)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        pending = [pool.submit(_train_chunk, backend.name, teacher, chunk, test) for chunk in chunks]
        for future in pending:
            yield from future.result()


def _train_chunk(name: str, teacher: Parameters, jobs: Sequence[Job], test: bool) -> list[Run]:
    backend = load(name)(load_task(), teacher)
    return [backend.train(job, test=test) for job in jobs]
