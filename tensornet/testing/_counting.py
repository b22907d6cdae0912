"""An array library that multiplies nothing: its arrays are shapes and strides, and it counts what they would have cost."""

import math
from collections.abc import Sequence
from typing import Any

Sizes = tuple[int, ...]


class Tally:
    """The namespace of `Shape` arrays: what a contraction may use, and what it took so far.

    flops   operations, a multiply-add counting two
    moved   elements read and written, by products and by copies
    alive   elements in memory now: every buffer counts until its last view is gone
    peak    the most elements that were alive at once
    """

    __name__ = "counting"  # array_api_compat asks every namespace for its name

    def __init__(self) -> None:
        self.flops = self.moved = self.alive = self.peak = 0

    def arrays(self, shapes: Sequence[Sizes]) -> list["Shape"]:
        return [self.new(s) for s in shapes]

    def new(self, shape: Sizes) -> "Shape":
        return Shape(shape, _contiguous(shape), _Buffer(math.prod([*shape]), self))

    def isdtype(self, dtype: None, kind: str) -> bool:
        return False

    def permute_dims(self, x: "Shape", axes: tuple[int, ...]) -> "Shape":
        return Shape(tuple(x.shape[a] for a in axes), tuple(x.strides[a] for a in axes), x.buffer)

    def matrix_transpose(self, x: "Shape") -> "Shape":
        return self.permute_dims(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))

    def reshape(self, x: "Shape", shape: Sizes, *, copy: bool = False) -> "Shape":
        """A view where strides allow it, else a copy, as NumPy and PyTorch do it."""
        size = math.prod([*x.shape])
        if -1 in shape:
            shape = tuple(-size // math.prod([*shape]) if s == -1 else s for s in shape)
        if math.prod([*shape]) != size:
            raise ValueError(f"cannot reshape {x.shape} into {shape}")
        strides = _viewed(x, shape)
        return self._copied(x, shape) if strides is None or copy else Shape(shape, strides, x.buffer)

    def matmul(self, a: "Shape", b: "Shape") -> "Shape":
        """As BLAS multiplies: matrices with a unit stride as they lie, others after a copy."""
        if a.shape[:-2] != b.shape[:-2] or a.shape[-1] != b.shape[-2]:
            raise ValueError(f"cannot multiply {a.shape} by {b.shape}")
        a, b = (x if _taken(x) else self._copied(x, x.shape) for x in (a, b))
        made = self.new((*a.shape[:-1], b.shape[-1]))
        self.flops += 2 * math.prod([*a.shape]) * b.shape[-1]
        self.moved += sum(math.prod([*x.shape]) for x in (a, b, made))
        return made

    def _copied(self, x: "Shape", shape: Sizes) -> "Shape":
        self.moved += 2 * math.prod([*shape])
        return self.new(shape)


class Shape:
    """An array of which only shape and strides are known."""

    dtype = None

    def __init__(self, shape: Sizes, strides: Sizes, buffer: "_Buffer") -> None:
        self.shape, self.strides, self.ndim, self.buffer = tuple(shape), strides, len(shape), buffer

    def __array_namespace__(self, api_version: str | None = None) -> Tally:
        return self.buffer.tally


class _Buffer:
    """Memory that some views share."""

    def __init__(self, size: int, tally: Tally) -> None:
        self.size, self.tally = size, tally
        tally.alive += size
        tally.peak = max(tally.peak, tally.alive)

    def __del__(self, *_: Any) -> None:
        self.tally.alive -= self.size


def _contiguous(shape: Sizes) -> Sizes:
    return tuple(math.prod([*shape[k + 1 :]]) for k in range(len(shape)))


def _viewed(x: Shape, shape: Sizes) -> Sizes | None:
    """The strides of `shape` on the memory of x, or None if it does not fit: every axis must lie in one run of x."""
    runs: list[tuple[int, int]] = []  # (size, stride) of what can be addressed by one number
    for size, stride in zip(x.shape, x.strides, strict=True):
        if size == 1:
            continue
        if runs and runs[-1][1] == size * stride:
            runs[-1] = (runs[-1][0] * size, stride)
        else:
            runs.append((size, stride))
    strides, left = [], 1
    for size in reversed(shape):
        if size == 1:
            strides.append(0)
            continue
        if left == 1:
            left, step = runs.pop()
        if left % size:
            return None
        strides.append(step)
        left, step = left // size, step * size
    return tuple(reversed(strides))


def _taken(x: Shape) -> bool:
    """Whether BLAS takes the matrices of x: one of the two axes has a unit stride."""
    return any(size == 1 or stride == 1 for size, stride in zip(x.shape[-2:], x.strides[-2:], strict=True))
