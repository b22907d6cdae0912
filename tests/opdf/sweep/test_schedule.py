"""What is run next, what is chosen, and how long an equal-time arm runs: functions of what the folder holds."""

from dataclasses import replace

import pytest

from opdf.distill import parsed
from opdf.sweep import Arm, Job, Point, State, Sweep
from opdf.sweep._pace import pace, ratio, settle
from opdf.sweep._results import results
from opdf.sweep._schedule import best, expected, ready, reported, tried
from opdf.sweep._spec import UNSCALED
from opdf.sweep._state import Finished

CONFIG = parsed({"task": {"name": "fashion_mnist"}})


def points(*rates):
    training = CONFIG.training
    return tuple(Point(f"lr={x}", {"training.lr": x}, replace(CONFIG, training=replace(training, lr=x))) for x in rates)


def finished(dev=0.5, test=0.5, step_ms=10.0, steps=100, host="here"):
    return Finished("accuracy", {"accuracy": dev}, {"accuracy": test}, step_ms, steps, 3000, 1000, host)


@pytest.fixture
def swept(tmp_path):
    arms = (
        Arm("kd", "KD", points(1.0, 2.0)),
        Arm("mpo", "MPO", points(1.0, 2.0)),
        Arm("slow", "slow KD", points(1.0, 2.0), same_time_as="mpo", twin="kd"),
    )
    return Sweep(tmp_path, arms, "kd", seeds=3, select_seeds=2)


def of(arm, scores, **more):
    """Runs of an arm: rate → dev of seed 0, 1, …"""
    return {
        Job(arm, f"lr={rate}", seed): finished(dev, **more)
        for rate, devs in scores.items()
        for seed, dev in enumerate(devs)
    }


def test_the_grid_comes_first_seed_after_seed(swept):
    found = [(job.seed, job.arm, job.point) for job in ready(swept, State())]
    arms = [(arm, f"lr={rate}") for arm in ("kd", "mpo") for rate in (1.0, 2.0)]
    assert found == [(seed, *rest) for seed in (0, 1) for rest in arms]  # the slow one waits for the others' times


def test_the_best_on_dev_is_chosen_once_all_is_known(swept):
    kd = swept.arm("kd")
    state = State(of("kd", {1.0: [0.9], 2.0: [0.5, 0.7]}))
    assert tried(swept, kd, state) == {"lr=2.0": pytest.approx(0.6)}
    assert best(swept, kd, state).name == "lr=2.0"
    assert reported(swept, kd, state) is None  # it may yet lose
    state = State(of("kd", {1.0: [0.9, 0.1], 2.0: [0.5, 0.7]}))
    assert reported(swept, kd, state) == [Job("kd", "lr=2.0", seed) for seed in range(3)]
    assert Job("kd", "lr=2.0", 2) in ready(swept, state)
    assert Job("kd", "lr=1.0", 2) not in ready(swept, state)


def test_a_point_that_failed_is_out_and_does_not_hold_up_the_rest(swept):
    state = State(of("kd", {1.0: [0.9], 2.0: [0.5, 0.7]}), {Job("kd", "lr=1.0", 1): "diverged"})
    assert reported(swept, swept.arm("kd"), state) == [Job("kd", "lr=2.0", seed) for seed in range(3)]
    all_of_it = {Job("kd", f"lr={rate}", seed): "no" for rate in (1.0, 2.0) for seed in (0, 1)}
    state = State({}, all_of_it)
    assert reported(swept, swept.arm("kd"), state) is None
    assert not [job for job in ready(swept, state) if job.arm == "kd"]


def test_expected_is_what_is_run_in_the_end(swept):
    state, count = State(), 0
    while True:
        settle(swept, state)
        state = replace(state, paces={"slow": 2.0} if (swept.out / "slow" / "pace.json").exists() else {})
        jobs = ready(swept, state)
        if not jobs:
            break
        count += 1
        state = replace(state, finished={**state.finished, jobs[0]: finished(0.5 + 0.1 * ("2.0" in jobs[0].point))})
    assert count == sum(expected(swept, arm) for arm in swept.arms) == 3 * (2 + 3)


def test_equal_time_is_the_ratio_of_what_the_chosen_runs_took(swept):
    slow = swept.arm("slow")
    kd, mpo = of("kd", {1.0: [0.1] * 2, 2.0: [0.5] * 3}), of("mpo", {1.0: [0.5] * 3, 2.0: [0.1] * 2}, step_ms=25.0)
    assert pace(swept, slow, State(kd)) is None
    mpo[Job("mpo", "lr=1.0", 1)] = finished(0.5, step_ms=1e6)  # a hiccup
    state = State(kd | mpo)
    assert pace(swept, slow, state) == pytest.approx(2.5)
    assert pace(swept, slow, State(kd | {job: replace(run, steps=200) for job, run in mpo.items()})) == pytest.approx(5)
    assert settle(swept, state)
    later = replace(
        state, paces={"slow": 2.5}, finished={job: replace(r, step_ms=1.0) for job, r in state.finished.items()}
    )
    assert not settle(swept, later)  # once and for all
    assert [job.arm for job in ready(swept, later)] == ["slow"] * 4


def test_an_arm_without_a_twin_is_timed_at_its_own_length(swept):
    arms = (*swept.arms[:2], replace(swept.arms[2], twin=None))
    alone = replace(swept, arms=arms)
    probe = Job("slow", UNSCALED, 0)
    assert probe in ready(alone, State())
    assert alone.config(probe).training.lr == 1.0
    kd, mpo = of("kd", {1.0: [0.1] * 2, 2.0: [0.5] * 3}), of("mpo", {1.0: [0.5] * 3, 2.0: [0.1] * 2}, step_ms=25.0)
    assert pace(alone, arms[2], State(kd | mpo)) is None
    assert pace(alone, arms[2], State(kd | mpo | {probe: finished(step_ms=5.0)})) == pytest.approx(5)
    assert expected(alone, arms[2]) == 6


def test_times_of_two_machines_are_not_mixed():
    here, there = finished(step_ms=10.0), finished(step_ms=40.0, host="there")
    ours = [replace(here, step_ms=20.0), replace(there, step_ms=120.0), replace(there, step_ms=120.0)]
    assert ratio(ours, [here, there]) == pytest.approx(2.5)  # of 2 here and 3 there
    assert ratio([here], [there]) is None
    assert ratio([replace(here, step_ms=None)], [here]) is None


def test_the_ends_of_a_grid_are_told(swept):
    wide = replace(swept, arms=(Arm("kd", "KD", points(1.0, 2.0, 4.0)),))
    for scores, edges in (
        ({1.0: [0.1] * 3, 2.0: [0.9] * 3, 4.0: [0.1] * 3}, {}),
        ({1.0: [0.9] * 3, 2.0: [0.1] * 3, 4.0: [0.1] * 3}, {"training.lr": "lowest"}),
        ({1.0: [0.1] * 3, 2.0: [0.1] * 3, 4.0: [0.9] * 3}, {"training.lr": "highest"}),
    ):
        assert results(wide, State(of("kd", scores))).rows[0].edges == edges
    one = replace(swept, arms=(Arm("kd", "KD", points(1.0)),))
    assert results(one, State()).rows[0].edges == {}
