"""What a sweep's folder says: it is the only memory, so that a sweep can be killed, copied and gone on with anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tensornet import TensorNetError

from ..distill._config import tokenizer_of
from ._spec import UNSCALED, Arm, Job, Sweep

SUMMARY, ERROR, PACE, HOST = "summary.json", "error.txt", "pace.json", "host.txt"


@dataclass(frozen=True)
class Finished:
    """What is taken of a run's summary.json.

    metric     what dev chooses by: the first of the task's
    dev, test  metric → value
    step_ms    median time of a step, None where there were too few
    trained, shipped  parameters that the optimiser held, and of the student
    host       the machine that finished it: times of two machines do not compare
    teacher    its teacher's score on test
    faster     its teacher's latency over its own, both of this run
    data       digests of train, dev and test; empty in runs that are older than these
    """

    metric: str
    dev: Mapping[str, float]
    test: Mapping[str, float]
    step_ms: float | None
    steps: int
    trained: int
    shipped: int
    host: str
    teacher: float | None = None
    faster: float | None = None
    data: str = ""

    @property
    def dev_score(self) -> float:
        return self.dev[self.metric]

    @property
    def test_score(self) -> float:
        return self.test[self.metric]


@dataclass(frozen=True)
class State:
    """Finished runs, why others failed, and arm → what its epochs are multiplied by."""

    finished: Mapping[Job, Finished] = field(default_factory=dict)
    failed: Mapping[Job, str] = field(default_factory=dict)
    paces: Mapping[str, float] = field(default_factory=dict)

    def over(self, job: Job) -> bool:
        return job in self.finished or job in self.failed


def jobs(sweep: Sweep) -> list[Job]:
    """All that a sweep could run."""
    points = [(arm, p.name) for arm in sweep.arms for p in arm.points]
    timed = [Job(arm.name, UNSCALED, 0) for arm in sweep.arms if arm.times_itself]
    return [*timed, *(Job(arm.name, point, seed) for arm, point in points for seed in range(sweep.seeds))]


def look(sweep: Sweep, before: State = State()) -> State:
    """The state of the folder. before: an earlier one, of which what is finished need not be read again."""
    finished, failed = dict(before.finished), {}
    for job in jobs(sweep):
        folder = sweep.out / job.folder
        if job in finished:
            continue
        if (folder / SUMMARY).exists():
            finished[job] = _finished(folder)
        elif (folder / ERROR).exists():
            failed[job] = (folder / ERROR).read_text(encoding="utf-8").partition("\n")[0]
    _refuse_other_data(sweep, finished)
    paces = {arm.name: _pace(path, arm) for arm in sweep.arms if (path := sweep.out / arm.name / PACE).exists()}
    return State(finished, failed, paces)


def _pace(path: Path, arm: Arm) -> float:
    said = json.loads(path.read_text(encoding="utf-8"))
    if said["same_time_as"] != arm.same_time_as:
        raise TensorNetError(
            f"opdf sweep: {path.parent} holds runs that train as long as {said['same_time_as']}, needed those of "
            f"same_time_as = {arm.same_time_as}, because their epochs are multiplied by its time; take another --out, or "
            f"remove that folder"
        )
    return float(said["ratio"])


def _refuse_other_data(sweep: Sweep, finished: Mapping[Job, Finished]) -> None:
    """Runs of one task have had the same examples: files that were changed since have other digests."""
    first: dict[str, tuple[Job, str]] = {}
    for job, run in finished.items():
        config = sweep.arm(job.arm).point(job.point).config
        task = repr((config.task, tokenizer_of(config)))
        other, data = first.setdefault(task, (job, run.data)) if run.data else (job, run.data)
        if data != run.data:
            raise TensorNetError(
                f"opdf sweep: {job.folder.as_posix()} and {other.folder.as_posix()} in {sweep.out} had different examples, "
                f"needed the same of all, because runs of two data sets do not compare; remove the folders of those runs that "
                f"had the older files, or take another --out"
            )


def _beside_teacher(summary: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The teacher's score on test, and its latency over the student's; None where a run has not looked."""
    teacher, student = summary.get("teacher", {}), summary["student"]
    times = teacher.get("latency_ms"), student.get("latency_ms")
    return teacher.get("test", {}).get(next(iter(summary["dev"]))), times[0] / times[1] if all(times) else None


def _finished(folder: Path) -> Finished:
    try:
        summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        student = summary["student"]
        return Finished(
            next(iter(summary["dev"])),
            summary["dev"],
            summary["test"],
            summary["step_ms"],
            summary["steps"],
            student["training_parameters"],
            student["parameters"],
            (folder / HOST).read_text(encoding="utf-8") if (folder / HOST).exists() else "",
            *_beside_teacher(summary),
            " ".join(summary.get("data", {}).values()),
        )
    except (ValueError, KeyError, StopIteration, TypeError) as error:
        raise TensorNetError(
            f"opdf sweep: {folder / SUMMARY} is not that of a run ({type(error).__name__} {error}), needed what `opdf distill` "
            f"writes there, because it is what is compared; remove the folder of that run, and start again"
        ) from error
