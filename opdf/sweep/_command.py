"""`opdf sweep CONFIG.toml`."""

import json
import os
import platform
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from tensornet import TensorNetError

from ..report import Progress
from ._claim import Holder
from ._files import leave
from ._pool import run_all
from ._read import read
from ._record import compare
from ._results import Results, results
from ._schedule import expected, needed
from ._spec import Job, Sweep
from ._state import State, look
from ._table import remarks, tables


def sweep(
    config: Annotated[Path, tyro.conf.Positional],
    seeds: int | None = None,
    select_seeds: int | None = None,
    grid: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    overrides: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="set")] = (),
    workers: int | None = None,
    out: Path = Path("runs/sweep"),
    report: bool = False,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> None:
    """Distil with every arm, at every point of a grid, with several seeds, and print who wins. Stopped at any moment, the same
    command goes on, also on another machine to which the folder has been copied, or on two that share it. Exits with 1 if a run
    failed.

    Args:
        config: A configuration of `opdf distill`; its table [sweep] says what is varied: seeds, select_seeds, workers,
            baseline, keep_students, [sweep.grid] key = [values], [sweep.arms.NAME] key = value.
        seeds: Seeds to report of each arm at its best point; in place of the file's.
        select_seeds: Seeds that choose an arm's point, on dev; in place of the file's.
        grid: training.lr=1e-4,3e-4: values to try of a key, for every arm that does not set it; again for another key.
        overrides: training.device=cuda: a value in place of the file's, for arms that neither set nor vary it; again for
            another key.
        workers: Processes on this machine; by default one for each core, or one if training.device is no CPU.
        out: Folder of all runs, of results.json, results.csv and results.png.
        report: Run nothing; print (and write) what is there, and what is missing.
        as_json: Print results.json instead of the table.
    """
    made, asked = read(config, out, seeds=seeds, select_seeds=select_seeds, grid=grid, overrides=overrides)
    count = next(n for n in (workers, asked, _cores(made)) if n is not None)
    if count < 1:
        raise TensorNetError(
            f"opdf sweep: workers={count}, needed 1 at least, because somebody has to run it; give such a number"
        )
    try:
        found = _found(made, count, report)
    except OSError as error:
        raise TensorNetError(
            f"opdf sweep: the system refuses to go on ({error}), needed room and permission in {out}, because all runs live "
            f"there; make room, then give the same command again"
        ) from error
    _print(found, as_json)
    if not report and not found.whole:
        sys.exit(1)


def command(args: Sequence[str]) -> None:
    """Run `opdf sweep` with these arguments."""
    tyro.cli(sweep, args=args, prog="opdf sweep")


def _found(made: Sweep, workers: int, report: bool) -> Results:
    """What is there after all runs, or now; written down, where anything is."""
    if report:
        compare(made)
    state = look(made) if report else _run(made, workers)
    found = results(made, state)
    if not report or made.out.exists():
        leave(found, state)
    return found


def _run(made: Sweep, workers: int) -> State:
    total = sum(expected(made, arm) for arm in made.arms)
    try:
        with Progress() as told, _terminable():
            ended = False

            def tell(state: State, running: Mapping[Job, Holder]) -> None:
                nonlocal ended
                done = sum(state.over(job) for arm in made.arms for job in needed(made, arm, state))
                if not ended:
                    told("runs", done, total, "; ".join((*_doing(running), *_failed(state))))
                ended = done == total

            return run_all(made, workers, told=tell)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; the same command goes on.", style="yellow")
        sys.exit(130)


def _doing(running: Mapping[Job, Holder]) -> Iterator[str]:
    if running:
        here = platform.node()
        yield ", ".join(
            job.folder.as_posix() + ("" if by.host == here else f" on {by.host}") for job, by in running.items()
        )


def _failed(state: State) -> Iterator[str]:
    """While the others go on: hours may pass before the table says it."""
    if state.failed:
        job, why = next(iter(state.failed.items()))
        yield f"{len(state.failed)} failed, {job.folder.as_posix()}: {why}"


def _cores(made: Sweep) -> int:
    """As many processes as cores; on an accelerator one."""
    if any(arm.points[0].config.training.device != "cpu" for arm in made.arms):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, as schedulers send it, ends like Ctrl-C, also where a shell has switched that off."""
    before = {n: signal.signal(n, signal.default_int_handler) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(found: Results, as_json: bool) -> None:
    console = Console()
    if as_json:
        console.print_json(json.dumps(found.summary(), default=str))
        return
    for made in tables(found):
        console.print(made)
        console.print()
    for line in remarks(found):
        console.print(line, style="dim", highlight=False, markup=False)
    console.print(f"Everything is in {found.sweep.out}.", highlight=False)
