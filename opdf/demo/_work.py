"""Run jobs, one process for each core where the framework gains from it."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from ._arms import Job
from ._backend import Backend, Run, load
from ._network import Parameters
from ._task import load_task


class Pool(Protocol):
    def __call__(self, jobs: Sequence[Job], *, test: bool) -> Iterator[Run]: ...


@contextmanager
def workers(backend: Backend, teacher: Parameters, count: int) -> Iterator[Pool]:
    """A function that trains jobs and yields their runs in order.

    JAX trains a student in less time than a second process takes to compile it, so it stays in this one.
    """
    if count < 2 or backend.name == "jax":
        yield lambda jobs, *, test: (backend.train(job, test=test) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, _start, (backend.name, teacher)) as pool:
        yield lambda jobs, *, test: pool.map(_train, jobs, [test] * len(jobs))


_here: list[Backend] = []  # the backend of a worker process


def _start(name: str, teacher: Parameters) -> None:
    _here.append(load(name)(load_task(), teacher))


def _train(job: Job, test: bool) -> Run:
    return _here[0].train(job, test=test)
