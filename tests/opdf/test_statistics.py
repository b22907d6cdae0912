"""Paired differences against SciPy's test, and where there is nothing to test."""

import numpy as np
import pytest
from scipy import stats

from opdf.statistics import paired, said, spread


def test_against_scipy():
    ours, baseline = np.random.default_rng(0).standard_normal((2, 6))
    found, expected = paired(ours, baseline), stats.ttest_rel(ours, baseline)
    low, high = expected.confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))
    assert found.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("gap", np.linspace(0.1, 3, 7))
def test_interval_and_p_agree(gap):
    found = paired([gap, gap + 0.5, gap + 1.0], [0.0, 0.0, 0.0])
    assert (found.p < 0.05) == (found.verdict == "better than")


def test_without_deviation():
    assert paired([2.0], [1.0]).p == 1.0
    same, shifted = paired([1.0, 2.0], [1.0, 2.0]), paired([2.0, 3.0], [1.0, 2.0])
    assert (same.p, same.half, same.verdict) == (1.0, 0.0, "not shown to differ from")
    assert (shifted.p, shifted.half, shifted.verdict) == (1.0, float("inf"), "not shown to differ from")
    assert spread([3.0]) == (3.0, None)
    assert (said(spread([3.0]), 1), said(spread([3.0, 5.0]), 1)) == ("3.0", "4.0 ± 1.4")


@pytest.mark.parametrize("n", [7, 277, 408, 1379])
def test_equal_gaps_of_shares_have_no_deviation_either(n):
    """(k + 2)/n − k/n differs in the last bits from k to k."""
    rights = np.random.default_rng(n).integers(0, n - 2, (200, 3))
    for right in rights:
        found = paired((right + 2) / n, right / n)
        assert (found.p, found.half) == (1.0, float("inf"))
    tenths = [0.1, 0.2, 0.3]
    assert paired([x + 0.4 - 0.4 for x in tenths], tenths).half == 0.0
    assert paired((rights[0] + [2, 2, 3]) / n, rights[0] / n).p < 1
