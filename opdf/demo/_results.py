"""What the demo found, as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..statistics import Difference, paired, spread
from ._arms import ARMS, BASELINE, Arm, Job
from ._backend import Run
from ._network import STUDENT, TEACHER


@dataclass(frozen=True)
class ArmResult:
    """One row of the table.

    chosen       the learning rate and λ that validation chose, of `tried` trials
    runs         one for each seed
    step_time    time of a training step over that of KD
    inference    time of inference over that of the plain student
    """

    arm: Arm
    chosen: Job
    tried: int
    runs: Sequence[Run]
    step_time: float
    inference: float

    @property
    def accuracies(self) -> list[float]:
        return [r.test for r in self.runs if r.test is not None]

    @property
    def trained(self) -> int:
        return self.runs[0].trained

    @property
    def fold_error(self) -> float:
        return max(r.fold_error for r in self.runs)


@dataclass(frozen=True)
class Results:
    """All arms of one backend. `teacher` is the teacher's test accuracy in %, `seconds` the time of the whole."""

    backend: str
    version: str
    teacher: float
    rows: Sequence[ArmResult]
    seconds: float

    def row(self, key: str) -> ArmResult:
        return next(r for r in self.rows if r.arm.key == key)

    def difference(self, row: ArmResult) -> Difference:
        """Against KD, seed by seed."""
        return paired(row.accuracies, self.row(BASELINE).accuracies)

    def summary(self) -> dict[str, Any]:
        """What summary.json holds."""
        return {
            "backend": self.backend,
            "version": self.version,
            "task": "scikit-learn digits, nine shifts; test accuracy in %",
            "teacher": {"accuracy": self.teacher, "parameters": TEACHER.num_params},
            "student": {"parameters": STUDENT.num_params},
            "baseline": BASELINE,
            "seconds": round(self.seconds, 1),
            "arms": {r.arm.key: self._entry(r) for r in self.rows},
        }

    def _entry(self, row: ArmResult) -> dict[str, Any]:
        mean, std = spread(row.accuracies)
        difference = self.difference(row)
        return {
            **asdict(row.arm),
            "chosen": {"lr": row.chosen.lr, "weight": row.chosen.weight, "trials": row.tried},
            "accuracy": {"mean": mean, "std": std, "seeds": {r.job.seed: r.test for r in row.runs}},
            "difference_to_kd": {"mean": difference.mean, "half_95": difference.half, "verdict": difference.verdict},
            "parameters": {"training": row.trained, "shipped": STUDENT.num_params},
            "step_time_to_kd": row.step_time,
            "inference_to_plain": row.inference,
            "fold_error": row.fold_error,
        }


def order(rows: Sequence[ArmResult]) -> list[ArmResult]:
    """Rows in the order of the arms."""
    return sorted(rows, key=lambda r: [a.key for a in ARMS].index(r.arm.key))
