"""Run a Path on arrays: permute, reshape, matmul, and nothing else of the array API."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ._arrays import Array, conj, namespace
from ._pair import Pair, Side
from ._path import Path, Step


def contract(path: Path, operands: Sequence[Array]) -> Array:
    """The contraction of `operands`, each (*lead, *shape); lead axes are carried along. Returns (*lead, *path.output).

    The result, of a single operand too, is memory of its own, as are the gradients of `pullback`.
    """
    return finish(path, advance(path, squeezed(path, dict(enumerate(operands)))))


def squeezed(path: Path, operands: Mapping[int, Array]) -> dict[int, Array]:
    """Operands by number, without their indices of size 1."""
    return {
        k: namespace(a).reshape(a, tuple(a.shape[: a.ndim - len(path.full_shapes[k])]) + path.shapes[k])
        for k, a in operands.items()
    }


def advance(path: Path, values: Mapping[int, Array]) -> dict[int, Array]:
    """`values` (by number) after every step that they suffice for; what a step has used is let go: see path.peak."""
    values = dict(values)
    for number, step in enumerate(path.steps, len(path.shapes)):
        if step.left in values and step.right in values:
            left, right = values.pop(step.left), values.pop(step.right)
            values[number] = multiply(namespace(left, right), step.forward, left, right)
    return values


def finish(path: Path, values: Mapping[int, Array]) -> Array:
    """The output from the last value, the only one that is left."""
    (last,) = values.values()
    return _finish(path, last)


def linearize(path: Path, operands: Sequence[Array]) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
    """The contraction, and its `pullback`, which reuses the products that the contraction made (and keeps them alive)."""
    result, products = with_products(path, operands)
    return result, partial(pullback, path, operands, products=products)


def with_products(path: Path, operands: Sequence[Array]) -> tuple[Array, tuple[Array, ...]]:
    """The contraction, and the products on the way to it."""
    *values, last = _forward(path, operands, path.steps)
    return _finish(path, last), tuple(values[len(operands) :])


def pullback(
    path: Path, operands: Sequence[Array], gradient: Array, products: Sequence[Array] | None = None
) -> tuple[Array, ...]:
    """The gradient of Re⟨gradient, contract(operands)⟩ by each operand: reverse mode over the same pairs.

    gradient: (*lead, *path.output)
    products: of `with_products`; None makes them again
    returns: one array for each operand, with its shape
    """
    if products is None:
        return _backward(path, _forward(path, operands, path.steps[:-1]), gradient)  # W itself no gradient needs
    return _backward(path, [*squeezed(path, dict(enumerate(operands))).values(), *products], gradient)


def _backward(path: Path, values: Sequence[Array], gradient: Array) -> tuple[Array, ...]:
    xp, n = namespace(*values, gradient), len(path.shapes)
    lead = tuple(gradient.shape[: gradient.ndim - len(path.output)])
    back: list[Array] = [None] * (n + len(path.steps))
    inverse = tuple(path.order.index(k) for k in range(len(path.order)))
    back[-1] = _arranged(path, xp.reshape(gradient, lead + path.result), inverse)
    for number in range(
        n + len(path.steps) - 1, n - 1, -1
    ):  # C = A·B: dA = dC·B̄, dB = dC·Ā, summed over what they lack
        step, made = path.steps[number - n], back[number]
        back[step.left] = multiply(xp, step.to_left, made, conj(values[step.right]))
        back[step.right] = multiply(xp, step.to_right, made, conj(values[step.left]))
        back[number] = made = None
    return tuple(xp.reshape(b, lead + s) for b, s in zip(back[:n], path.full_shapes, strict=True))


def _forward(path: Path, operands: Sequence[Array], steps: Sequence[Step]) -> list[Array]:
    """The operands without their indices of size 1, followed by the result of each of `steps`."""
    xp, values = namespace(*operands), list(squeezed(path, dict(enumerate(operands))).values())
    for step in steps:
        values.append(multiply(xp, step.forward, values[step.left], values[step.right]))
    return values


def _finish(path: Path, last: Array) -> Array:
    last = _arranged(path, last, path.order)
    return namespace(last).reshape(last, tuple(last.shape[: last.ndim - len(path.order)]) + path.output)


def _arranged(path: Path, array: Array, order: tuple[int, ...]) -> Array:
    """`_ordered`; where no product has made the array, a copy in any case: writing to it must not change an operand."""
    xp = namespace(array)
    if path.steps:
        return _ordered(xp, array, order)
    array = permute(xp, array, order)
    return xp.reshape(array, tuple(array.shape), copy=True)


def multiply(xp: Any, pair: Pair, left: Array, right: Array) -> Array:
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
    array = permute(xp, array, side.order)
    if side.copied(math.prod([*lead])):
        array = xp.reshape(array, lead + (side.size,))  # cannot be a view: the copy is made here, and in order
    if side.transposed:
        *stack, rows, cols = shape
        return xp.matrix_transpose(xp.reshape(array, (*lead, *stack, cols, rows)))
    return xp.reshape(array, lead + shape)


def _ordered(xp: Any, array: Array, order: tuple[int, ...]) -> Array:
    """A permutation that is made in memory, so that what follows finds its axes in order."""
    if order == tuple(range(len(order))):
        return array
    lead = tuple(array.shape[: array.ndim - len(order)])
    array = permute(xp, array, order)
    return xp.reshape(xp.reshape(array, (*lead, -1)), array.shape)


def permute(xp: Any, array: Array, order: tuple[int, ...]) -> Array:
    """Permute the trailing axes of `array`, leaving the lead axes where they are."""
    lead = array.ndim - len(order)
    axes = (*range(lead), *(lead + k for k in order))
    return array if axes == tuple(range(len(axes))) else xp.permute_dims(array, axes)
