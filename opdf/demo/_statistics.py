"""Means, deviations and paired intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """Mean paired difference and the half-width of its 95 % interval (Student's t)."""

    mean: float
    half: float

    @property
    def verdict(self) -> str:
        """What the interval says of ours against the baseline."""
        if abs(self.mean) <= self.half:
            return "not shown to differ from"
        return "better than" if self.mean > 0 else "worse than"


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for one value)."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def paired(ours: Sequence[float], baseline: Sequence[float]) -> Difference:
    """ours − baseline, seed by seed; one pair has no interval (half-width infinite)."""
    gaps = np.asarray(ours) - np.asarray(baseline)
    if len(gaps) < 2:
        return Difference(float(gaps.mean()), float("inf"))
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return Difference(float(gaps.mean()), float(half))
