"""The six arms, and what each may tune."""

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Arm:
    """A way to train the student.

    distil  Hinton's loss beside the labels
    cores   factors of each weight while training; 0 trains the dense weights
    gauge   of the alignment with the teacher's factors; None does not align
    """

    key: str
    title: str
    distil: bool = True
    cores: int = 0
    gauge: str | None = None


BASELINE = "kd"

ARMS = (
    Arm("alone", "student alone", distil=False),
    Arm("kd", "KD"),
    Arm("svd", "KD + MPO of 2 (SVD)", cores=2),
    Arm("mpo", "KD + MPO of 5", cores=5),
    Arm("opdf", "KD + MPO + alignment", cores=5, gauge="procrustes"),
    Arm("raw", "KD + MPO + Eq. 5 raw", cores=5, gauge="none"),
)


def arm(key: str) -> Arm:
    return next(a for a in ARMS if a.key == key)


@dataclass(frozen=True)
class Job:
    """One training run.

    lr      peak learning rate of AdamW, cosine to zero
    weight  λ of the alignment loss
    """

    arm: str
    seed: int
    lr: float
    weight: float
    steps: int

    def reseeded(self, seed: int) -> "Job":
        return replace(self, seed=seed)


# Every arm gets the same number of trials: four learning rates where that is all there is to tune, two of them times two
# λ where there is λ as well.
LEARNING_RATES = (0.005, 0.01, 0.02, 0.04)
ALIGNED_LEARNING_RATES = (0.01, 0.02)
WEIGHTS = (30.0, 1000.0)


def trials(one: Arm, steps: int) -> Iterator[Job]:
    """What the search tries for an arm."""
    pairs = (
        [(lr, w) for lr in ALIGNED_LEARNING_RATES for w in WEIGHTS]
        if one.gauge
        else [(lr, 0.0) for lr in LEARNING_RATES]
    )
    return (Job(one.key, seed=0, lr=lr, weight=w, steps=steps) for lr, w in pairs)
