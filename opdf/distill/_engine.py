"""What a framework does for a run; the loop around it knows none."""

import abc
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tensornet as tn

from ..tasks import Examples

Array = NDArray[Any]

BETAS, EPS = (0.9, 0.999), 1e-8  # AdamW's usual ones


class Engine(abc.ABC):
    """A student while it is trained by a host, in one framework.

    plan    of its weights that are factors meanwhile, or generated; None without
    switch  the step from which on it is trained densely, after a first phase with generators; 0: there is none
    """

    plan: tn.Plan | tn.Generators | None
    switch: int = 0

    @abc.abstractmethod
    def step(self, rows: NDArray[np.int64], step: int, lr: float) -> dict[str, Any]:
        """Train on these examples of train; what to log: "loss", "terms" by name, "grad_norm", "alignment_loss" …"""

    @abc.abstractmethod
    def predict(self, examples: Examples) -> Array:
        """Logits (n, classes), in evaluation."""

    @abc.abstractmethod
    def probe(self) -> dict[str, Any]:
        """The factors: "entropies" weight → one for each bond, "alignment" weight → its L_Aux, in PyTorch that which the last
        step saw; {} without OPDF.
        """

    @abc.abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on: plain values and NumPy arrays."""

    @abc.abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""

    @abc.abstractmethod
    def weights(self) -> dict[str, Array]:
        """The student's own, by name: what is shipped."""

    @abc.abstractmethod
    def restore(self, weights: Mapping[str, Array]) -> None:
        """Put weights back into the student, when training is over."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """For the summary, of the last step, before `restore`: "training_parameters", "fold_error"."""
