"""The residual network in JAX; `_residual.py` says what it computes."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from tensornet import TensorNetError

from ._architecture import CONFIG, Architecture
from ._jax_network import Inputs, Network, Shape, Weights, linear


@dataclass(frozen=True)
class Residual(Network):
    """Reads all pixels as one vector.

    raises: TensorNetError for another kind
    """

    architecture: Architecture
    layers: ClassVar[str] = "blocks."

    def __post_init__(self) -> None:
        if self.architecture.kind != "residual":
            raise TensorNetError(
                f"load: a network of kind {self.architecture.kind!r} in JAX, needed 'residual', because the others are written "
                f"for PyTorch; take training.backend = 'torch'"
            )

    @property
    def sizes(self) -> dict[str, Any]:
        a = self.architecture
        return {"kind": a.kind, "width": a.width, "feed_forward": a.feed_forward, "heads": a.heads}

    @property
    def depth(self) -> int:
        return self.architecture.depth

    @property
    def shapes(self) -> dict[str, Shape]:
        a = self.architecture
        matrices = {"embed": (a.width, a.image[0] * a.image[1])}
        for n in range(a.depth):
            matrices |= {f"blocks.{n}.fc1": (a.feed_forward, a.width), f"blocks.{n}.fc2": (a.width, a.feed_forward)}
        matrices["head"] = (a.classes, a.width)
        return {n: s for name, shape in matrices.items() for n, s in _of_layer(name, shape)}

    @property
    def linear(self) -> tuple[str, ...]:
        return tuple(name for name, shape in self.shapes.items() if len(shape) == 2)

    def fresh(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """U(−1/√in, 1/√in), as nn.Linear; the sum of the branches has the variance of one, whatever the depth."""
        draw, shapes = np.random.default_rng(seed), self.shapes
        weights = {}
        for name, shape in shapes.items():
            bound = shapes[name.replace("bias", "weight")][1] ** -0.5
            scale = (self.depth**-0.5 if len(shape) == 2 else 0.0) if "fc2" in name else 1.0
            weights[name] = (scale * draw.uniform(-bound, bound, shape)).astype(np.float32)
        return weights

    def logits(self, weights: Weights, inputs: Inputs, key: Array | None = None) -> Array:
        pixels = inputs["pixels"]
        h = linear(weights, "embed", pixels.reshape(len(pixels), -1))
        for n in range(self.depth):
            h = h + linear(weights, f"blocks.{n}.fc2", jax.nn.relu(linear(weights, f"blocks.{n}.fc1", h)))
        return linear(weights, "head", h)

    def smaller(self, layers: int, width: int | None, feed_forward: int | None, heads: int | None) -> Network:
        a = self.architecture
        width = width or a.width
        units = feed_forward or round(a.feed_forward * width / a.width)
        return Residual(replace(a, depth=layers, width=width, feed_forward=units, heads=heads or a.heads))

    def describe(self, folder: Path) -> None:
        (folder / CONFIG).write_text(json.dumps(asdict(self.architecture), indent=2) + "\n")


def _of_layer(name: str, shape: Shape) -> tuple[tuple[str, Shape], ...]:
    return (f"{name}.weight", shape), (f"{name}.bias", shape[:1])
