"""The time of a step of runs with one phase and with two."""

import pytest

from opdf.distill._times import KEPT, SETTLING, Times


def taken(times, first, second, begin=0):
    """Steps of the first phase take `first` seconds, those of the second `second`; settling ones take a minute."""
    total, settling = sum(times.lengths), SETTLING
    for step in range(begin, total):
        settling = SETTLING if step == times.lengths[0] else settling
        times.add(step, 60.0 if settling else (first if step < times.lengths[0] else second))
        settling = max(0, settling - 1)
    return times


def test_one_phase_is_its_median():
    times = taken(Times((0, 20), "here"), 9.0, 2.0)
    assert times.median_ms() == 2000.0
    times.add(20, 1e6)  # a hiccup
    assert times.median_ms() == 2000.0


def test_two_phases_are_weighted_by_their_steps():
    assert taken(Times((30, 10), "here"), 3.0, 1.0).median_ms() == pytest.approx(1000 * (30 * 3 + 10) / 40)


def test_a_phase_that_did_not_settle_has_no_time():
    assert taken(Times((30, SETTLING), "here"), 3.0, 1.0).median_ms() is None
    assert taken(Times((0, SETTLING), "here"), 3.0, 1.0).median_ms() is None


def test_a_first_phase_that_is_all():
    assert taken(Times((30, 0), "here"), 3.0, 1.0).median_ms() == 3000.0


def test_long_second_phases_do_not_push_out_the_first():
    times = taken(Times((10, 3 * KEPT), "here"), 3.0, 1.0)
    assert times.median_ms() == pytest.approx(1000 * (30 + 3 * KEPT) / (10 + 3 * KEPT))


def test_resumed_here_and_elsewhere():
    half = Times((0, 40), "here")
    for step in range(20):
        half.add(step, 2.0)
    here, there = Times((0, 40), "here"), Times((0, 40), "there")
    here.resume(half.state())
    there.resume(half.state())
    assert taken(here, 0.0, 1.0, begin=20).median_ms() == 1500.0  # 15 of each
    assert taken(there, 0.0, 1.0, begin=20).median_ms() == 1000.0
