"""Run a Path on arrays: permute, reshape, matmul, and nothing else of the array API."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ._arrays import Array, conj, namespace
from ._pair import Pair, Side
from ._path import Path, Step


def contract(path: Path, operands: Sequence[Array]) -> Array:
    """The contraction of `operands`, each (*lead, *shape); lead axes are carried along. Returns (*lead, *path.output)."""
    xp, values = namespace(*operands), _squeezed(path, operands)
    for step in path.steps:
        values.append(_multiply(xp, step.forward, values[step.left], values[step.right]))
        values[step.left] = values[step.right] = None  # no longer needed: this is what keeps to path.peak
    return _finish(path, values[-1])


def linearize(path: Path, operands: Sequence[Array]) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
    """The contraction, and its `pullback`, which reuses the products that the contraction made (and keeps them alive)."""
    values = _forward(path, operands, path.steps)
    return _finish(path, values[-1]), partial(_backward, path, values)


def pullback(path: Path, operands: Sequence[Array], gradient: Array) -> tuple[Array, ...]:
    """The gradient of Re⟨gradient, contract(operands)⟩ by each operand: reverse mode over the same pairs.

    gradient: (*lead, *path.output)
    returns: one array for each operand, with its shape
    """
    return _backward(path, _forward(path, operands, path.steps[:-1]), gradient)  # W itself no gradient needs


def _backward(path: Path, values: Sequence[Array], gradient: Array) -> tuple[Array, ...]:
    xp, n = namespace(*values, gradient), len(path.shapes)
    lead = tuple(gradient.shape[: gradient.ndim - len(path.output)])
    back: list[Array] = [None] * (n + len(path.steps))
    inverse = tuple(path.order.index(k) for k in range(len(path.order)))
    back[-1] = _ordered(xp, xp.reshape(gradient, lead + path.result), inverse)
    for number in range(
        n + len(path.steps) - 1, n - 1, -1
    ):  # C = A·B: dA = dC·B̄, dB = dC·Ā, summed over what they lack
        step, made = path.steps[number - n], back[number]
        back[step.left] = _multiply(xp, step.to_left, made, conj(values[step.right]))
        back[step.right] = _multiply(xp, step.to_right, made, conj(values[step.left]))
        back[number] = made = None
    return tuple(xp.reshape(b, lead + s) for b, s in zip(back[:n], path.full_shapes, strict=True))


def _forward(path: Path, operands: Sequence[Array], steps: Sequence[Step]) -> list[Array]:
    """The operands without their indices of size 1, followed by the result of each of `steps`."""
    xp, values = namespace(*operands), _squeezed(path, operands)
    for step in steps:
        values.append(_multiply(xp, step.forward, values[step.left], values[step.right]))
    return values


def _squeezed(path: Path, operands: Sequence[Array]) -> list[Array]:
    xp, shapes = namespace(*operands), zip(operands, path.full_shapes, path.shapes, strict=True)
    return [xp.reshape(a, tuple(a.shape[: a.ndim - len(full)]) + squeezed) for a, full, squeezed in shapes]


def _finish(path: Path, last: Array) -> Array:
    last = _ordered(namespace(last), last, path.order)
    return namespace(last).reshape(last, tuple(last.shape[: last.ndim - len(path.order)]) + path.output)


def _multiply(xp: Any, pair: Pair, left: Array, right: Array) -> Array:
    if pair.swapped:
        left, right = right, left
    batch = (pair.batch,) if pair.batch > 1 else ()
    left = _matrix(xp, left, pair.left, (*batch, pair.rows, pair.summed))
    right = _matrix(xp, right, pair.right, (*batch, pair.summed, pair.cols))
    product = xp.matmul(left, right)
    lead = tuple(product.shape[: product.ndim - 2 - len(batch)])
    return _ordered(xp, xp.reshape(product, lead + pair.shape), pair.order)


def _matrix(xp: Any, array: Array, side: Side, shape: tuple[int, ...]) -> Array:
    """A view where BLAS can read the operand as it lies: transposed, or in strides."""
    lead = tuple(array.shape[: array.ndim - len(side.order)])
    array = _permute(xp, array, side.order)
    if side.copies or (lead and side.strided):
        array = xp.reshape(array, lead + (side.size,))  # cannot be a view: the copy is made here, and in order
    return xp.reshape(array, lead + shape)


def _ordered(xp: Any, array: Array, order: tuple[int, ...]) -> Array:
    """A permutation that is made in memory, so that what follows finds its axes in order."""
    if order == tuple(range(len(order))):
        return array
    lead = tuple(array.shape[: array.ndim - len(order)])
    array = _permute(xp, array, order)
    return xp.reshape(xp.reshape(array, (*lead, -1)), array.shape)


def _permute(xp: Any, array: Array, order: tuple[int, ...]) -> Array:
    """Permute the trailing axes of `array`, leaving the lead axes where they are."""
    lead = array.ndim - len(order)
    axes = (*range(lead), *(lead + k for k in order))
    return array if axes == tuple(range(len(axes))) else xp.permute_dims(array, axes)
