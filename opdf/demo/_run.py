"""The demo from end to end: teacher, search, students, timing."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ._arms import ARMS, BASELINE, Arm, Job, trials
from ._backend import Backend, Run
from ._backends import load
from ._figure import draw
from ._files import write_json, write_metrics, write_student
from ._network import STUDENT, TEACHER
from ._results import ArmResult, Results
from ._task import load_task
from ._timing import ratios
from ._work import train_all

TEACHER_STEPS, TEACHER_LR, TEACHER_SEED = 3000, 0.01, 0
SEARCH_SEEDS = (1000, 1001, 1002)  # not among the reported ones
SHIPPED = "opdf"

Progress = Callable[[str, int, int], None]  # phase, done, of how many


@dataclass(frozen=True)
class Settings:
    """backend "torch" or "jax" · seeds to report · steps of each student · worker processes."""

    backend: str
    seeds: int
    steps: int
    workers: int


def run(settings: Settings, folder: Path, progress: Progress) -> Results:
    """Run all arms and leave table data, curves, figure and student in `folder`."""
    begin = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    task, kind = load_task(), load(settings.backend)
    progress("teacher", 0, 1)
    teacher = kind(task).train_teacher(TEACHER, TEACHER_SEED, TEACHER_STEPS, TEACHER_LR)
    progress("teacher", 1, 1)
    backend = kind(task, teacher)
    trained = partial(train_all, backend, teacher, workers=settings.workers)
    searched: dict[str, list[Run]] = {one.key: [] for one in ARMS}
    for tried in _counted("search", trained, _search_jobs(settings.steps), progress, test=False):
        searched[tried.job.arm].append(tried)
    chosen = {one.key: _best(searched[one.key]) for one in ARMS}
    jobs = [chosen[one.key].reseeded(seed) for seed in range(settings.seeds) for one in ARMS]
    reported = list(_counted("students", trained, jobs, progress, test=True))
    rows = _timed(backend, chosen, searched, reported, progress)
    results = Results(
        backend.name, backend.version, backend.accuracy(teacher, "test"), rows, time.perf_counter() - begin
    )
    _leave(results, searched, reported, folder)
    return results


def _search_jobs(steps: int) -> list[Job]:
    return [trial.reseeded(seed) for one in ARMS for trial in trials(one, steps) for seed in SEARCH_SEEDS]


def _best(runs: Sequence[Run]) -> Job:
    """The trial with the highest mean validation accuracy."""
    scores: dict[Job, list[float]] = {}
    for r in runs:
        scores.setdefault(r.job.reseeded(0), []).append(r.validation)
    return max(scores, key=lambda job: np.mean(scores[job]))


def _counted(
    phase: str, trained: Callable[..., Iterator[Run]], jobs: Sequence[Job], progress: Progress, *, test: bool
) -> Iterator[Run]:
    progress(phase, 0, len(jobs))
    for n, one in enumerate(trained(jobs, test=test), start=1):
        progress(phase, n, len(jobs))
        yield one


def _timed(
    backend: Backend,
    chosen: dict[str, Job],
    searched: dict[str, list[Run]],
    reported: Iterable[Run],
    progress: Progress,
) -> list[ArmResult]:
    progress("timing", 0, 2)
    steps = ratios({key: backend.stepper(job) for key, job in chosen.items()}, to=BASELINE, repeats=20)
    progress("timing", 1, 2)
    of_arm = {one.key: [r for r in reported if r.job.arm == one.key] for one in ARMS}
    plain = backend.inference(STUDENT.init(0))
    students = {key: backend.inference(runs[0].parameters) for key, runs in of_arm.items()}
    inference = ratios({"plain": plain, **students}, to="plain", repeats=20)
    progress("timing", 2, 2)

    def row(one: Arm) -> ArmResult:
        tried = len(searched[one.key]) // len(SEARCH_SEEDS)
        return ArmResult(one, chosen[one.key], tried, of_arm[one.key], steps[one.key], inference[one.key])

    return [row(one) for one in ARMS]


def _leave(results: Results, searched: dict[str, list[Run]], reported: Sequence[Run], folder: Path) -> None:
    shipped = max(results.row(SHIPPED).runs, key=lambda r: r.validation)
    about = {"arm": SHIPPED, "seed": str(shipped.job.seed), "test_accuracy": f"{shipped.test:.2f}"}
    write_student(shipped.parameters, folder / "student.safetensors", **about)
    write_json(results.summary(), folder / "summary.json")
    search = (("search", r) for runs in searched.values() for r in runs)
    write_metrics([*search, *(("report", r) for r in reported)], folder / "metrics.jsonl")
    draw(results, folder)
