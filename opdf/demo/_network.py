"""Teacher and student: one family of residual networks, described without a framework.

    h = embed(x);   h ← h + fc2(relu(fc1(h))) for each block;   logits = head(h)

The teacher is deeper at the same width, so that every student weight has a teacher weight of its shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Parameters = dict[str, NDArray[np.float32]]


def depth_of(parameters: Mapping[str, Any]) -> int:
    """The number of blocks of a network with these parameters."""
    return len({name.split(".")[1] for name in parameters if name.startswith("blocks.")})


@dataclass(frozen=True)
class Architecture:
    depth: int
    width: int = 16
    inputs: int = 64
    classes: int = 10

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Layer name → (out, in), in the order of the forward pass."""
        blocks = {f"blocks.{n}.{part}": (self.width, self.width) for n in range(self.depth) for part in ("fc1", "fc2")}
        return {"embed": (self.width, self.inputs), **blocks, "head": (self.classes, self.width)}

    @property
    def num_params(self) -> int:
        return sum(out * (inputs + 1) for out, inputs in self.linears.values())

    def init(self, seed: int) -> Parameters:
        """Uniform ±1/√in as torch.nn.Linear does, residual branches scaled by 1/√depth; the same in both frameworks."""
        rng = np.random.default_rng([seed, 0])
        parameters: Parameters = {}
        for name, (out, inputs) in self.linears.items():
            bound = inputs**-0.5
            branch = self.depth**-0.5 if name.endswith("fc2") else 1.0
            parameters[f"{name}.weight"] = (branch * rng.uniform(-bound, bound, (out, inputs))).astype(np.float32)
            parameters[f"{name}.bias"] = (rng.uniform(-bound, bound, out) * (not name.endswith("fc2"))).astype(
                np.float32
            )
        return parameters


TEACHER = Architecture(depth=8)
STUDENT = Architecture(depth=1)
