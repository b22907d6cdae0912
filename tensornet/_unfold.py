"""Axes of a weight, and one axis of a factor against all its others, counted from the end: leading batch axes do not matter."""

import math
from collections.abc import Sequence

from ._arrays import Array, adjoint, conj, namespace
from ._contract import permute
from ._network import Network

BLOCKS = 4  # of a Gram matrix, each way: 10 of 16 products are done


def by_index(network: Network, w: Array, order: Sequence[str]) -> Array:
    """(*lead, rows, cols) → (*lead, *sizes): an axis for each open index of `network`, in `order`."""
    xp, output = namespace(w), network.output
    split = xp.reshape(w, (*w.shape[:-2], *(network.size[i] for i in output)))
    return permute(xp, split, tuple(output.index(i) for i in order))


def around(x: Array, axis: int, n: int) -> Array:
    """(*lead, …) → (*lead, before, d, after) of the last `n` axes of x: no entry moves."""
    shape = tuple(x.shape)
    lead, at = shape[: len(shape) - n], len(shape) + axis
    before, after = math.prod([*shape[len(lead) : at]]), math.prod([*shape[at + 1 :]])
    return namespace(x).reshape(x, (*lead, before, shape[at], after))


def tall(x: Array, axis: int, n: int) -> Array:
    """(*lead, rest, d): the axis last."""
    xp, y = namespace(x), around(x, axis, n)
    *lead, before, d, after = y.shape
    return xp.reshape(y if after == 1 else xp.matrix_transpose(y), (*lead, before * after, d))


def from_tall(matrix: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """The inverse of `tall`: a factor (*lead, *shape) but for `axis`, which takes the size that the matrix has."""
    xp, at = namespace(matrix), len(shape) + axis
    *lead, _, d = matrix.shape
    before, after = math.prod([*shape[:at]]), math.prod([*shape[at + 1 :]])
    y = xp.matrix_transpose(xp.reshape(matrix, (*lead, before, after, d)))
    return xp.reshape(y, (*lead, *shape[:at], d, *shape[at + 1 :]))


def along(x: Array, axis: int, n: int, matrix: Array) -> Array:
    """y[…, new, …] = Σ_old x[…, old, …] matrix[old, new]."""
    xp, y = namespace(x), around(x, axis, n)
    *lead, before, d, after = y.shape
    if after == 1:
        y = xp.matmul(xp.reshape(y, (*lead, before, d)), matrix)
    elif before == 1:
        y = xp.matmul(xp.matrix_transpose(matrix), xp.reshape(y, (*lead, d, after)))
    else:
        y = xp.matmul(xp.matrix_transpose(matrix)[..., None, :, :], y)
    shape, at = tuple(x.shape), x.ndim + axis
    return xp.reshape(y, (*y.shape[: len(lead)], *shape[len(lead) : at], matrix.shape[-1], *shape[at + 1 :]))


def scaled(x: Array, axis: int, n: int, g: Array) -> Array:
    """y[…, d, …] = x[…, d, …] g[d], g (*lead, d)."""
    return namespace(x).reshape(around(x, axis, n) * g[..., None, :, None], tuple(x.shape))


def overlap(x: Array, y: Array, axis: int, n: int) -> Array:
    """MᴴN (d, d) of the two as matrices (rest, d)."""
    xp = namespace(x, y)
    a, b = around(x, axis, n), around(y, axis, n)
    *lead, before, d, after = a.shape
    if before == 1:  # (Nᵀ M̄)ᵀ, without moving an entry
        a, b = (xp.reshape(z, (*lead, d, after)) for z in (a, b))
        return xp.matmul(conj(a), xp.matrix_transpose(b))
    return xp.matmul(adjoint(tall(x, axis, n)), tall(y, axis, n))


def gram(x: Array, axis: int, n: int) -> Array:
    """MᴴM (d, d) of x as a matrix (rest, d): of large ones only the upper blocks are multiplied out."""
    xp, y = namespace(x), around(x, axis, n)
    *lead, before, d, after = y.shape
    if d < 2 * BLOCKS * BLOCKS or d % BLOCKS:
        return overlap(x, x, axis, n)
    rows = xp.reshape(y, (*lead, d, after)) if before == 1 else xp.matrix_transpose(tall(x, axis, n))
    step = d // BLOCKS
    upper = [
        xp.matmul(conj(rows[..., k : k + step, :]), xp.matrix_transpose(rows[..., k:, :])) for k in range(0, d, step)
    ]
    whole = []
    for k, right in enumerate(upper):
        left = [adjoint(upper[m][..., (k - m) * step : (k - m + 1) * step]) for m in range(k)]
        whole.append(xp.concat([*left, right], axis=-1))
    return xp.concat(whole, axis=-2)
