"""Run a Path on arrays: permute, reshape, matmul, and nothing else of the array API."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ._arrays import Array, conj, namespace
from ._path import Pair, Path, Step


def contract(path: Path, operands: Sequence[Array]) -> Array:
    """The contraction of `operands`, each (*lead, *shape); lead axes are carried along. Returns (*lead, *path.output)."""
    return _finish(path, _forward(path, operands, path.steps)[-1])


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
    back[-1] = _permute(xp, xp.reshape(gradient, lead + path.result), inverse)
    for number in range(len(path.steps) - 1, -1, -1):  # C = A·B: dA = dC·B̄, dB = dC·Ā, summed over what A or B lacks
        step, made = path.steps[number], back[n + number]
        back[step.left] = _multiply(xp, step.to_left, made, conj(values[step.right]))
        back[step.right] = _multiply(xp, step.to_right, made, conj(values[step.left]))
    return tuple(xp.reshape(b, lead + s) for b, s in zip(back[:n], path.full_shapes, strict=True))


def _forward(path: Path, operands: Sequence[Array], steps: Sequence[Step]) -> list[Array]:
    """The operands without their indices of size 1, followed by the result of each of `steps`."""
    xp = namespace(*operands)
    values = []
    for array, full, squeezed in zip(operands, path.full_shapes, path.shapes, strict=True):
        lead = tuple(array.shape[: array.ndim - len(full)])
        values.append(xp.reshape(array, lead + squeezed))
    for step in steps:
        values.append(_multiply(xp, step.forward, values[step.left], values[step.right]))
    return values


def _finish(path: Path, last: Array) -> Array:
    xp = namespace(last)
    last = _permute(xp, last, path.order)
    return xp.reshape(last, tuple(last.shape[: last.ndim - len(path.order)]) + path.output)


def _multiply(xp: Any, pair: Pair, left: Array, right: Array) -> Array:
    batch = (pair.batch,) if pair.batch > 1 else ()
    left = _matrix(xp, left, pair.left, (*batch, pair.rows, pair.summed))
    right = _matrix(xp, right, pair.right, (*batch, pair.summed, pair.cols))
    product = xp.matmul(left, right)
    lead = tuple(product.shape[: product.ndim - 2 - len(batch)])
    return _permute(xp, xp.reshape(product, lead + pair.shape), pair.order)


def _matrix(xp: Any, array: Array, order: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    lead = tuple(array.shape[: array.ndim - len(order)])
    return xp.reshape(_permute(xp, array, order), lead + shape)


def _permute(xp: Any, array: Array, order: tuple[int, ...]) -> Array:
    """Permute the trailing axes of `array`, leaving the lead axes where they are."""
    lead = array.ndim - len(order)
    axes = (*range(lead), *(lead + k for k in order))
    return array if axes == tuple(range(len(axes))) else xp.permute_dims(array, axes)
