"""Means, deviations and paired differences over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tensornet import TensorNetError

ROUNDING = 1e-12  # of the scores: shares k/n are rounded, so that equal differences of them differ in the last bits


@dataclass(frozen=True)
class Difference:
    """Mean paired difference, the half-width of its 95 % interval and the two-sided p-value, both by Student's t."""

    mean: float
    half: float
    p: float

    @property
    def verdict(self) -> str:
        """What the interval says of ours against the baseline."""
        return self.judged(self.p)

    def judged(self, p: float) -> str:
        """The same by another p-value, as one that is corrected for several comparisons."""
        if p >= 0.05:
            return "not shown to differ from"
        return "better than" if self.mean > 0 else "worse than"


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation; one value has none."""
    if not len(values):
        raise TensorNetError(
            "spread: no values, needed one at least, because nothing has no mean; leave out the empty row"
        )
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def said(spread: tuple[float, float | None], digits: int) -> str:
    """mean ± deviation, or the mean alone."""
    mean, std = spread
    return f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if std is not None else "")


def paired(ours: Sequence[float], baseline: Sequence[float]) -> Difference:
    """ours − baseline, seed by seed.

    One pair shows nothing: half-width infinite, p = 1. Nor do gaps that are all equal, as those of a few discrete scores may
    be by chance: they have no deviation to be judged by. Where they are zero the half-width is 0.
    """
    if len(ours) != len(baseline) or not len(ours):
        raise TensorNetError(
            f"paired: {len(ours)} values against {len(baseline)}, needed as many of both, at least one, because the "
            f"difference is taken seed by seed; give both in the order of the same seeds"
        )
    gaps = np.asarray(ours, np.float64) - np.asarray(baseline, np.float64)
    mean, n = float(gaps.mean()), len(gaps)
    if n < 2:
        return Difference(mean, float("inf"), 1.0)
    error = float(gaps.std(ddof=1)) / n**0.5  # of the mean
    nothing = ROUNDING * max(np.abs(ours).max(), np.abs(baseline).max())
    if error <= nothing:
        return Difference(mean, float("inf") if abs(mean) > nothing else 0.0, 1.0)
    return Difference(mean, float(stats.t.ppf(0.975, n - 1)) * error, float(2 * stats.t.sf(abs(mean) / error, n - 1)))


def holm(ps: Sequence[float]) -> list[float]:
    """Each p-value of a family, corrected so that the chance of one false finding or more stays below its level.

    p̃_(i) = max over j ≤ i of min(1, (m − j + 1) p_(j)), sorted upwards
    ref: Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure
    """
    order = np.argsort(ps)
    scaled = np.minimum(1.0, np.asarray(ps, np.float64)[order] * np.arange(len(ps), 0, -1))
    corrected = np.empty(len(ps))
    corrected[order] = np.maximum.accumulate(scaled)
    return [float(p) for p in corrected]
