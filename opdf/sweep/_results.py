"""What a sweep has found, as plain data."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..statistics import Difference, holm, paired, spread
from ._pace import ratio
from ._schedule import best, expected, needed, reported, searched, tried
from ._spec import Arm, Job, Point, Sweep
from ._state import Finished, State


@dataclass(frozen=True)
class Row:
    """An arm.

    chosen      the point that is best on dev, so far; None where none has all its selecting seeds
    final       the grid has been searched, so that `chosen` stays
    runs        seed → finished run at that point, once it is final
    curve       point → mean and deviation on dev over the selecting seeds; of one seed there is no deviation
    missing     runs to come before the row is whole
    failed      run → why
    pace        what an equal-time arm's epochs were multiplied by
    step        time of a step over the baseline's; None without runs of both on one machine
    difference  on test to the baseline, over the seeds that both have; None without such, and for the baseline
    p_holm      its p-value, corrected for all arms that are compared
    """

    arm: Arm
    chosen: Point | None
    final: bool
    runs: Mapping[int, Finished]
    curve: Mapping[str, tuple[float, float | None]]
    missing: int
    failed: Mapping[Job, str]
    pace: float | None
    step: float | None = None
    difference: Difference | None = None
    p_holm: float | None = None

    @property
    def dev(self) -> list[float]:
        return [run.dev_score for run in self.runs.values()]

    @property
    def test(self) -> list[float]:
        return [run.test_score for run in self.runs.values()]

    @property
    def lost(self) -> int:
        """The seeds of which runs at the chosen point failed: the row is a mean over the others."""
        return sum(job.point == self.chosen.name for job in self.failed) if self.chosen else 0

    @property
    def verdict(self) -> str | None:
        """Of the difference, by its corrected p-value; a single pair has none, and shows nothing."""
        if self.difference is None:
            return None
        return self.difference.judged(1.0 if self.p_holm is None else self.p_holm)

    @property
    def faster(self) -> float | None:
        """The teacher's latency over the student's, the median of the runs; each of one run, so that machines do not matter."""
        found = [run.faster for run in self.runs.values() if run.faster is not None]
        return statistics.median(found) if found else None

    @property
    def edges(self) -> dict[str, str]:
        """Key → "lowest" or "highest", where the chosen value is at the end of its grid and a better one may lie beyond."""
        if self.chosen is None:
            return {}
        found = {}
        for key, value in self.chosen.values.items():
            values = {p.values[key] for p in self.arm.points}
            if len(values) > 1 and all(type(v) in (int, float) for v in values) and value in (min(values), max(values)):
                found[key] = "lowest" if value == min(values) else "highest"
        return found

    def over(self, key: str) -> dict[float, tuple[float, float | None]]:
        """Value of a key of the grid, ascending → `curve` there, at the best of whatever else varies; failed points are out."""
        found: dict[float, tuple[float, float | None]] = {}
        for name, (mean, std) in self.curve.items():
            value = self.arm.point(name).values.get(key)
            if value is not None and (value not in found or mean > found[value][0]):
                found[value] = (mean, std)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Results:
    """All arms; `metric` is what dev chooses by and what is compared, None before the first run has ended."""

    sweep: Sweep
    metric: str | None
    rows: Sequence[Row]

    def row(self, arm: str) -> Row:
        return next(r for r in self.rows if r.arm.name == arm)

    @property
    def varied(self) -> str | None:
        """The first key of the grids that has two numbers at least: what dev is shown over."""
        for key in dict.fromkeys(key for row in self.rows for p in row.arm.points for key in p.values):
            values = {p.values[key] for row in self.rows for p in row.arm.points if key in p.values}
            if len(values) > 1 and all(type(v) in (int, float) for v in values):
                return key
        return None

    @property
    def teachers(self) -> list[float]:
        """What the teachers of the reported runs score on test, each once."""
        runs = [run for row in self.rows for run in row.runs.values()]
        return sorted({run.teacher for run in runs if run.teacher is not None})

    @property
    def whole(self) -> bool:
        return not any(r.missing or r.failed for r in self.rows)

    def summary(self) -> dict[str, Any]:
        """What results.json holds. Scores are fractions, as in summary.json."""
        return {
            "metric": self.metric,
            "baseline": self.sweep.baseline,
            "seeds": self.sweep.seeds,
            "select_seeds": self.sweep.select_seeds,
            "whole": self.whole,
            "teachers": self.teachers,
            "arms": {row.arm.name: _entry(row) for row in self.rows},
        }


def results(sweep: Sweep, state: State) -> Results:
    """The rows of a sweep that may still be running."""
    baseline = _runs(sweep, sweep.arm(sweep.baseline), state)
    rows = [_row(sweep, arm, state, baseline) for arm in sweep.arms]
    compared = [row for row in rows if row.arm.name != sweep.baseline]
    # The family is every arm there will be: one that waits for its runs has p = 1, so that no verdict is taken back for it.
    corrected = holm([row.difference.p if row.difference else 1.0 for row in compared])
    p_holm = {row.arm.name: p for row, p in zip(compared, corrected, strict=True) if _decided(row)}
    metric = next((run.metric for run in state.finished.values()), None)
    return Results(sweep, metric, [replace(row, p_holm=p_holm.get(row.arm.name)) for row in rows])


def _decided(row: Row) -> bool:
    return row.difference is not None and math.isfinite(row.difference.half)


def _row(sweep: Sweep, arm: Arm, state: State, baseline: Mapping[int, Finished]) -> Row:
    runs = _runs(sweep, arm, state)
    both = sorted(runs.keys() & baseline.keys())
    return Row(
        arm,
        best(sweep, arm, state),
        len(arm.points) == 1 or searched(sweep, arm, state),
        runs,
        {name: spread(_scores(sweep, arm, name, state)) for name in tried(sweep, arm, state)},
        expected(sweep, arm) - sum(state.over(job) for job in needed(sweep, arm, state)),
        {job: why for job, why in state.failed.items() if job.arm == arm.name},
        state.paces.get(arm.name),
        ratio(list(runs.values()), list(baseline.values())),
        paired([runs[n].test_score for n in both], [baseline[n].test_score for n in both])
        if both and arm.name != sweep.baseline
        else None,
    )


def _runs(sweep: Sweep, arm: Arm, state: State) -> dict[int, Finished]:
    """Of an arm whose grid has been searched: the test of a point that may yet lose is nobody's business."""
    return {job.seed: state.finished[job] for job in reported(sweep, arm, state) or [] if job in state.finished}


def _scores(sweep: Sweep, arm: Arm, point: str, state: State) -> list[float]:
    return [state.finished[job].dev_score for job in arm.jobs(arm.point(point), sweep.select_seeds)]


def _entry(row: Row) -> dict[str, Any]:
    """Plain values; no interval of a single pair."""
    found: dict[str, Any] = {
        "title": row.arm.title,
        "chosen": dict(row.chosen.values) if row.chosen else None,
        "final": row.final,
        "edges": row.edges,
        "missing": row.missing,
        "failed": {job.folder.as_posix(): why for job, why in row.failed.items()},
        "epochs_times": row.pace,
        "grid": {name: {"mean": mean, "std": std} for name, (mean, std) in row.curve.items()},
        "runs": {seed: {"dev": run.dev, "test": run.test, "step_ms": run.step_ms} for seed, run in row.runs.items()},
        "step_time_to_baseline": row.step,
        "times_faster_than_teacher": row.faster,
    }
    if row.runs:
        first = next(iter(row.runs.values()))
        found |= {part: dict(zip(("mean", "std"), spread(getattr(row, part)), strict=True)) for part in ("dev", "test")}
        found["parameters"] = {"training": first.trained, "shipped": first.shipped}
    if (d := row.difference) is not None:
        half = d.half if math.isfinite(d.half) else None
        found["difference"] = {"mean": d.mean, "half_95": half, "p": d.p, "p_holm": row.p_holm, "verdict": row.verdict}
    return found
