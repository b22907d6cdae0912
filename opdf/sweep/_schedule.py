"""What to run next: a function of the sweep and of what its folder holds, the same for every worker on every machine."""

from ._spec import UNSCALED, Arm, Job, Point, Sweep
from ._state import State


def tried(sweep: Sweep, arm: Arm, state: State) -> dict[str, float]:
    """Point → mean on dev over the selecting seeds, of the points that have them all."""
    found = {}
    for point in arm.points:
        runs = [state.finished.get(job) for job in arm.jobs(point, sweep.select_seeds)]
        scores = [run.dev_score for run in runs if run]
        if len(scores) == len(runs):
            found[point.name] = sum(scores) / len(scores)
    return found


def searched(sweep: Sweep, arm: Arm, state: State) -> bool:
    """Nothing of the grid is left to run. A failed run is not waited for: its point is out."""
    return all(state.over(job) for point in arm.points for job in arm.jobs(point, sweep.select_seeds))


def best(sweep: Sweep, arm: Arm, state: State) -> Point | None:
    """The point that is best on dev, so far; None before the first."""
    if len(arm.points) == 1:
        return arm.points[0]
    means = tried(sweep, arm, state)
    return arm.point(max(means, key=lambda name: means[name])) if means else None


def reported(sweep: Sweep, arm: Arm, state: State) -> list[Job] | None:
    """The runs that the table is made of; None before the grid has been searched, or if all of it failed."""
    point = best(sweep, arm, state)
    if point is None or (len(arm.points) > 1 and not searched(sweep, arm, state)):
        return None
    return arm.jobs(point, sweep.seeds)


def needed(sweep: Sweep, arm: Arm, state: State) -> list[Job]:
    """All runs of an arm, over or not, that can be named by now: its pace before its grid, its grid before the rest."""
    timed = [Job(arm.name, UNSCALED, 0)] if arm.times_itself else []
    if arm.same_time_as and arm.name not in state.paces:
        return timed
    tries = [job for p in arm.points for job in arm.jobs(p, sweep.select_seeds)] if len(arm.points) > 1 else []
    return list(dict.fromkeys([*timed, *tries, *(reported(sweep, arm, state) or [])]))


def ready(sweep: Sweep, state: State) -> list[Job]:
    """Runs that can begin or have begun, the next one first: seed after seed, so that arms fill up alike."""
    order = [arm.name for arm in sweep.arms]
    found = [job for arm in sweep.arms for job in needed(sweep, arm, state) if not state.over(job)]
    return sorted(found, key=lambda job: (job.seed, order.index(job.arm)))


def expected(sweep: Sweep, arm: Arm) -> int:
    """How many runs an arm takes from start to end."""
    timed = int(arm.times_itself)
    return timed + (len(arm.points) - 1) * sweep.select_seeds + sweep.seeds
