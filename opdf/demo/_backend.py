"""What a framework does for the demo."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tensornet as tn

from ._arms import Job
from ._network import Architecture, Parameters
from ._task import Task

BATCH = 64
TEACHER_BATCH = 128
WEIGHT_DECAY = 0.01
TEMPERATURE = 2.0
ALPHA = 0.9  # L = α·Hinton + (1 − α)·cross-entropy
EVALUATIONS = 10  # points of the learning curve
ROTATE_EVERY = 100  # steps between two Procrustes rotations of the teacher


@dataclass(frozen=True)
class Run:
    """A finished training.

    parameters  the dense student
    curve       one record for each evaluation: step, loss, its terms, validation accuracy in %
    validation  final accuracy in %
    test        accuracy in %, or None where it was not to be looked at
    fold_error  largest ‖W − contract(T)‖/‖W‖ over the planned weights, contracted in float64
    trained     parameters that the optimiser held
    """

    job: Job
    parameters: Parameters
    curve: list[dict[str, float]]
    validation: float
    test: float | None
    fold_error: float
    trained: int


class Backend(ABC):
    """Final classes: `TorchBackend`, `JaxBackend`. All arrays that cross this line are NumPy's.

    teacher: its parameters; a backend without one can train one
    """

    name: str
    version: str

    @abstractmethod
    def __init__(self, task: Task, teacher: Parameters | None = None) -> None: ...

    @abstractmethod
    def train_teacher(self, architecture: Architecture, seed: int, steps: int, lr: float) -> Parameters:
        """A teacher trained on labels alone."""

    @abstractmethod
    def accuracy(self, parameters: Parameters, part: str) -> float:
        """Accuracy in % of a network on "train", "validation" or "test"."""

    @abstractmethod
    def train(self, job: Job, *, test: bool) -> Run:
        """Train one student; look at the test part only if asked."""

    @abstractmethod
    def stepper(self, job: Job) -> Callable[[], None]:
        """A function that makes one training step and waits for it, warmed up, for timing."""

    @abstractmethod
    def inference(self, parameters: Parameters) -> Callable[[], None]:
        """A function that runs the network on the test part and waits for it, warmed up, for timing."""


def relative_error(w: Any, fmt: tn.Format, factors: Sequence[Any]) -> float:
    """‖W − contract(T)‖/‖W‖ of a weight and its factors, the contraction in float64."""
    exact = fmt.contract([np.asarray(f, np.float64) for f in factors])
    return float(np.linalg.norm(np.asarray(w, np.float64) - exact) / np.linalg.norm(exact))
