"""The workers of this machine: a process each, watched."""

import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from tensornet import TensorNetError

from ._claim import Holder, holder, processes, remove
from ._record import record
from ._schedule import ready
from ._spec import Job, Sweep
from ._state import ERROR, State, jobs, look
from ._work import Run, distilled, fail, work

LOOK = 1.0  # seconds between two looks at the folder
PATIENCE = 10.0  # seconds that a worker has to end when it is asked to

Told = Callable[[State, Mapping[Job, Holder]], None]  # the state, and who works on which run


def run_all(sweep: Sweep, workers: int, run: Run = distilled, told: Told = lambda state, running: None) -> State:
    """Run what is missing, and again what failed earlier; returns what there is at the end.

    raises: TensorNetError if the folder holds another sweep, or workers cannot be started; KeyboardInterrupt after the workers
            have been stopped and their claims given back
    """
    record(sweep)
    for job in jobs(sweep):
        (sweep.out / job.folder / ERROR).unlink(missing_ok=True)
    pool = [_started(sweep, run) for _ in range(workers)]
    state = State()
    try:
        while pool:
            wait([p.sentinel for p in pool], timeout=LOOK)
            state = look(sweep, state)
            told(state, running(sweep, state))
            for process in [p for p in pool if p.exitcode is not None]:
                pool.remove(process)
                if process.exitcode and _bury(sweep, process):
                    pool.append(_started(sweep, run))
    finally:
        _stop(sweep, pool)
    state = look(sweep, state)
    if left := ready(sweep, state):
        raise TensorNetError(
            f"opdf sweep: the workers ended before they took {left[0].folder.as_posix()}, needed one that lives, because more "
            f"of them would end as well; see what they said above"
        )
    return state


def running(sweep: Sweep, state: State) -> dict[Job, Holder]:
    """Runs that have a living claim, here or elsewhere."""
    found = {job: holder(sweep.out / job.folder) for job in ready(sweep, state)}
    return {job: held for job, held in found.items() if held and not held.stale}


def _started(sweep: Sweep, run: Run) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(target=_worker, args=(sweep, run), daemon=False)
    with _environment(sweep):
        process.start()
    return process


def _worker(sweep: Sweep, run: Run) -> None:
    """What a process does: it ends with its parent, and gives its claim back when it is told to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(sweep, run)
    except KeyboardInterrupt:
        os._exit(130)


def _interrupt(number: int, frame: object) -> None:
    for once in (signal.SIGINT, signal.SIGTERM):  # a second one must not disturb the giving back
        signal.signal(once, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _bury(sweep: Sweep, process: SpawnProcess) -> bool:
    """The run of a worker that died has failed. False where it died without one: so would another worker."""
    status = process.exitcode or 0
    how = f"signal {-status}" if status < 0 else f"exit status {status}"
    taken = _claims(sweep, process)
    for job in taken:
        more = ", as the system does when memory is short" if status == -signal.SIGKILL else ""
        fail(sweep.out / job.folder, f"its process ended with {how}{more}; what it said is in log.txt")
        remove(sweep.out / job.folder)
    return bool(taken)


def _claims(sweep: Sweep, process: SpawnProcess) -> list[Job]:
    here = (platform.node(), processes(), process.pid)
    found = ((job, holder(sweep.out / job.folder)) for job in jobs(sweep))
    return [job for job, held in found if held and (held.host, held.processes, held.pid) == here]


def _stop(sweep: Sweep, pool: Sequence[SpawnProcess]) -> None:
    """Ask, wait, kill; what a killed one held is free again."""
    for process in pool:
        process.terminate()
    until = time.monotonic() + PATIENCE
    for process in pool:
        process.join(max(0.0, until - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
        for job in _claims(sweep, process):
            remove(sweep.out / job.folder)


@contextmanager
def _environment(sweep: Sweep) -> Iterator[None]:
    """Variables that libraries read when they are loaded: a process has as many threads as its runs."""
    threads = max(arm.points[0].config.training.threads or 1 for arm in sweep.arms)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
