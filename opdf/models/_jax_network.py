"""What a network in JAX is: a description, and a function of weights that have PyTorch's names and are (out, in) as there."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

Shape = tuple[int, ...]
Inputs = Mapping[str, Any]
Weights = Mapping[str, Any]


class Network(abc.ABC):
    """Equal to another of the same description, so that what was compiled for one serves both.

    layers  what the names of the weights in layer N begin with, before `N.`
    """

    layers: ClassVar[str]

    @property
    @abc.abstractmethod
    def sizes(self) -> dict[str, Any]:
        """What a student must share to start from its teacher's layers."""

    @property
    @abc.abstractmethod
    def depth(self) -> int:
        """Layers."""

    @property
    @abc.abstractmethod
    def shapes(self) -> dict[str, Shape]:
        """Weight name → shape, in the network's order."""

    @property
    @abc.abstractmethod
    def linear(self) -> tuple[str, ...]:
        """Names of the matrices that inputs are multiplied with."""

    @abc.abstractmethod
    def fresh(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """Random weights, a function of the seed, as PyTorch's own are distributed."""

    @abc.abstractmethod
    def logits(self, weights: Weights, inputs: Inputs, key: Array | None = None) -> Array:
        """(b, classes); with dropout where there is a key."""

    @abc.abstractmethod
    def smaller(self, layers: int, width: int | None, feed_forward: int | None, heads: int | None) -> "Network":
        """One of its kind with these sizes; feed-forward layers in proportion to the width."""

    @abc.abstractmethod
    def describe(self, folder: Path) -> None:
        """Write config.json."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network and its weights (NumPy or JAX)."""

    network: Network
    weights: Weights

    def placed(self) -> "Model":
        """With its weights on the default device, where every call would copy those of NumPy."""
        return Model(self.network, jax.device_put(dict(self.weights)))


@partial(jax.jit, static_argnums=0)
def answer(network: Network, weights: Weights, inputs: Inputs) -> Array:
    """Logits (b, classes), in evaluation."""
    return network.logits(weights, inputs)


def linear(weights: Weights, name: str, x: Array) -> Array:
    """x Wᵀ + b."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
