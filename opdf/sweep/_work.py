"""A worker: takes runs that nobody has, one after another, until there are none left."""

import os
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tensornet import TensorNetError
from tensornet.files._replace import replacing

from ..distill._config import Config
from ._claim import holder, take
from ._pace import settle
from ._schedule import ready
from ._spec import UNSCALED, Job, Sweep
from ._state import ERROR, HOST, SUMMARY, State, look

POLL = 1.0  # seconds between two looks while others have all there is

Run = Callable[[Config], object]


def distilled(config: Config) -> object:
    """A run as the command makes it."""
    from ..distill import distill

    # A mistake that was corrected before anything was trained: `record` has compared all other points with their runs.
    (config.out / "config.toml").unlink(missing_ok=True)
    return distill(config, resume=True)


def work(sweep: Sweep, run: Run) -> None:
    """Returns when nothing can be begun any more, and nobody has what could still lead to more."""
    state = State()
    while True:
        state = look(sweep, state)
        if settle(sweep, state):
            continue
        jobs = ready(sweep, state)
        if not jobs:
            return
        if not any(_attempted(sweep, state, job, run) for job in jobs):
            time.sleep(POLL)


def fail(folder: Path, message: str) -> None:
    """Write down why a run ended; the first line is for the list."""
    with replacing(folder / ERROR) as file:
        file.write(message.encode())


def _attempted(sweep: Sweep, state: State, job: Job, run: Run) -> bool:
    """Whether nothing is left to do of it; False where another worker has it."""
    folder = sweep.out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    before = holder(folder)
    claim = take(folder)
    if claim is None:
        return False
    try:
        if (folder / SUMMARY).exists() or (folder / ERROR).exists():  # by another one, since the look
            return True
        (folder / HOST).write_text(platform.node(), encoding="utf-8")
        with _log(folder / "log.txt"):
            if before:
                sys.stderr.write(f"opdf sweep: taken over from {before}\n")
            run(sweep.config(job, 1.0 if job.point == UNSCALED else state.paces.get(job.arm, 1.0)))
        if not (folder / SUMMARY).exists():
            fail(folder, f"the run ended without writing {SUMMARY}")
        elif not sweep.keep_students:
            for model in ("student", "compact"):
                shutil.rmtree(folder / model, ignore_errors=True)
    except TensorNetError as error:
        fail(folder, str(error))
    except (Exception, SystemExit) as error:
        fail(folder, f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}")
    finally:
        claim.release()
    return True


@contextmanager
def _log(path: Path) -> Iterator[None]:
    """What the run says goes into a file, from below Python as well: the terminal belongs to the sweep."""
    saved = [os.dup(1), os.dup(2)]
    with path.open("ab", buffering=0) as file:
        try:
            for target in (1, 2):
                os.dup2(file.fileno(), target)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for target, old in zip((1, 2), saved, strict=True):
                os.dup2(old, target)
                os.close(old)
    if not path.stat().st_size:
        path.unlink()
