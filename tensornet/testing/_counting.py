"""An array library that multiplies nothing: its arrays are shapes, and it counts what a product would have cost."""

import math
from collections.abc import Sequence


class Tally:
    """The namespace of `Shape` arrays: what a contraction may use, and the operations so far."""

    __name__ = "counting"  # array_api_compat asks every namespace for its name

    def __init__(self) -> None:
        self.flops = 0

    def arrays(self, shapes: Sequence[tuple[int, ...]]) -> list["Shape"]:
        return [Shape(s, self) for s in shapes]

    def isdtype(self, dtype: None, kind: str) -> bool:
        return False

    def reshape(self, x: "Shape", shape: tuple[int, ...]) -> "Shape":
        if math.prod([*shape]) != math.prod([*x.shape]):
            raise ValueError(f"cannot reshape {x.shape} into {shape}")
        return Shape(shape, self)

    def permute_dims(self, x: "Shape", axes: tuple[int, ...]) -> "Shape":
        return Shape(tuple(x.shape[a] for a in axes), self)

    def matmul(self, a: "Shape", b: "Shape") -> "Shape":
        if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"cannot multiply {a.shape} by {b.shape}")
        self.flops += 2 * math.prod([*a.shape]) * b.shape[-1]  # a multiply-add counts two
        return Shape((*a.shape[:-1], b.shape[-1]), self)


class Shape:
    """An array of which only the shape is known."""

    dtype = None

    def __init__(self, shape: tuple[int, ...], tally: Tally) -> None:
        self.shape, self.ndim, self._tally = tuple(shape), len(shape), tally

    def __array_namespace__(self, api_version: str | None = None) -> Tally:
        return self._tally
