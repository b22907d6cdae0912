"""Equal time: how many more epochs an arm is given, so that it trains as long as another one."""

import json
from collections.abc import Sequence
from statistics import median

from tensornet.files._replace import replacing

from ._schedule import reported
from ._spec import UNSCALED, Arm, Job, Sweep
from ._state import PACE, Finished, State


def ratio(ours: Sequence[Finished], theirs: Sequence[Finished], *, whole: bool = False) -> float | None:
    """Median time of a step, or of all steps of a run, over that of theirs; the median over the machines that both have run
    on, None without such.
    """
    times = [_times(ours, whole), _times(theirs, whole)]
    common = sorted(times[0].keys() & times[1].keys())
    return median(median(times[0][host]) / median(times[1][host]) for host in common) if common else None


def pace(sweep: Sweep, arm: Arm, state: State) -> float | None:
    """What the epochs of an equal-time arm are multiplied by; None while runs that tell are missing. The number is
    the time of the other arm's runs over that of its own at its own epochs.
    """
    if arm.same_time_as is None:
        return None
    timed = _reported(sweep, sweep.arm(arm.same_time_as), state)
    own = _reported(sweep, sweep.arm(arm.twin), state) if arm.twin else [Job(arm.name, UNSCALED, 0)]
    if not (timed and own and all(state.over(job) for job in [*timed, *own])):
        return None
    theirs, ours = ([state.finished[job] for job in jobs if job in state.finished] for jobs in (timed, own))
    return ratio(theirs, ours, whole=True)


def settle(sweep: Sweep, state: State) -> bool:
    """Write down the paces that can be told now, once and for all: a run that goes on later must not get another length."""
    told = {arm.name: pace(sweep, arm, state) for arm in sweep.arms if arm.name not in state.paces}
    for name, times in told.items():
        if times is not None:
            (sweep.out / name).mkdir(parents=True, exist_ok=True)
            with replacing(sweep.out / name / PACE) as file:  # another worker would write the same
                file.write(json.dumps({"same_time_as": sweep.arm(name).same_time_as, "ratio": times}).encode())
    return any(times is not None for times in told.values())


def _times(runs: Sequence[Finished], whole: bool) -> dict[str, list[float]]:
    """Host → milliseconds."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if run.step_ms is not None:
            found.setdefault(run.host, []).append(run.step_ms * (run.steps if whole else 1))
    return found


def _reported(sweep: Sweep, arm: Arm, state: State) -> list[Job] | None:
    return reported(sweep, arm, state) if not arm.same_time_as or arm.name in state.paces else None
