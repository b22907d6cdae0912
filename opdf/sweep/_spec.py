"""A sweep, as it is to be run. The folder of its runs says the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..distill._config import Config

CACHE = "cache"  # folder of teachers and of what they say, for all runs
UNSCALED = "unscaled"  # point of the run that times an equal-time arm at its own number of epochs


@dataclass(frozen=True)
class Job:
    """One run."""

    arm: str
    point: str
    seed: int

    @property
    def folder(self) -> Path:
        """Of the run, inside the sweep's."""
        return Path(self.arm, self.point, f"seed{self.seed}")


@dataclass(frozen=True)
class Point:
    """A point of an arm's grid.

    values  dotted key → value, of the keys that the grid varies
    config  the run, but for its seed and folder
    """

    name: str
    values: Mapping[str, Any]
    config: Config


@dataclass(frozen=True)
class Arm:
    """A way to train the student.

    same_time_as  the arm whose time this one is given, by more epochs
    twin          the arm that is this one but for that, so that its step times are this one's; None: a run has to tell
    """

    name: str
    title: str
    points: tuple[Point, ...]
    same_time_as: str | None = None
    twin: str | None = None

    def point(self, name: str) -> Point:
        if name == UNSCALED:
            return replace(self.points[0], name=UNSCALED)
        return next(p for p in self.points if p.name == name)

    @property
    def times_itself(self) -> bool:
        """Whether a run of its own has to tell its pace."""
        return self.same_time_as is not None and self.twin is None

    @property
    def timed_points(self) -> tuple[Point, ...]:
        """All points that have runs: those of the grid, and that of the run that times it."""
        return (*self.points, *([self.point(UNSCALED)] if self.times_itself else []))

    def jobs(self, point: Point, seeds: int) -> list[Job]:
        return [Job(self.name, point.name, seed) for seed in range(seeds)]


@dataclass(frozen=True)
class Sweep:
    """All of it.

    out           the folder of everything
    baseline      name of the arm that the others are compared with
    seeds         runs of each arm that are reported, seeds 0 … seeds − 1
    select_seeds  of them, those that choose among the points of a grid
    keep_students  whether a run's folder keeps the student it exported
    """

    out: Path
    arms: tuple[Arm, ...]
    baseline: str
    seeds: int
    select_seeds: int
    keep_students: bool = True

    def arm(self, name: str) -> Arm:
        return next(a for a in self.arms if a.name == name)

    def config(self, job: Job, pace: float = 1.0) -> Config:
        """What the job runs. pace: what its epochs are multiplied by."""
        config = self.arm(job.arm).point(job.point).config
        training = replace(
            config.training,
            seed=job.seed,
            epochs=config.training.epochs * pace,
            threads=config.training.threads or 1,  # a process has one core
        )
        return replace(config, training=training, out=self.out / job.folder, cache=self.out / CACHE)
