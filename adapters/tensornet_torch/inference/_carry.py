"""x @ W.T and W[ids] in PyTorch's own calls, one product after the other, whatever the number of rows.

`Format.apply` and `Format.lookup` do the same in the array API, for one number of rows at a time and with ten calls more for
each product. A module is called with one token as well as with thousands, and compiled for numbers that nobody knows yet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from tensornet import Network
from tensornet._path import Order, search
from tensornet.cost import Candidate

from ._few import few

ROWS = "@batch"
MANY = 1024  # rows to look the order of a lookup up for
STACK = 32  # from so many trailing entries on, a stack of products beats one product and the two copies around it

Indices = tuple[str, ...]
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """How an operand becomes a matrix, or a stack of them: `shape`, permuted by `order`, merged to `matrix`.

    order   empty where nothing is permuted, which needs no shape either
    matrix  None where the permuted axes are those of the matrix
    """

    shape: Sizes
    order: Sizes
    matrix: Sizes | None

    @staticmethod
    def of(stored: Indices, groups: tuple[Indices, ...], size: dict[str, int]) -> "View":
        """From the indices in the order of memory to one axis for each group of them; the size of x's rows is -1."""
        wanted = tuple(i for group in groups for i in group)
        matrix = tuple(-1 if ROWS in g else math.prod([size[i] for i in g]) for g in groups)
        if wanted == stored:
            return View((), (), matrix)
        order, single = tuple(stored.index(i) for i in wanted), all(len(g) == 1 for g in groups)
        return View(tuple(size[i] for i in stored), order, None if single else matrix)

    def __call__(self, x: Tensor) -> Tensor:
        if self.order:
            x = x.reshape(self.shape).permute(self.order)
        return x if self.matrix is None else x.reshape(self.matrix)


@dataclass(frozen=True)
class Product:
    """The product of operands number `left`, which holds x or is the larger one, and `right`, by one of PyTorch's calls.

    matmul  left @ right
    linear  left @ rightᵀ
    middle  right @ left: what is summed stands in the middle of left, and what is new takes its place
    few     left @ rightᵀ of few operations
    """

    left: int
    right: int
    as_left: View
    as_right: View
    call: Literal["matmul", "linear", "middle", "few"]

    def __call__(self, left: Tensor, right: Tensor) -> Tensor:
        left, right = self.as_left(left), self.as_right(right)
        if self.call == "few":
            return few(left, right)
        if self.call == "linear":
            return F.linear(left, right)
        return torch.matmul(right, left) if self.call == "middle" else torch.matmul(left, right)


@dataclass(frozen=True)
class Carry:
    """Products in an order, and their result as a matrix. Indices of size 1 take no part.

    name  of the way round, as `Format.explain` has it
    """

    name: str
    products: tuple[Product, ...]
    result: View

    @staticmethod
    def of_product(network: Network, candidate: Candidate, *, few: bool = False, one: bool = False) -> "Carry":
        """x @ W.T; x (n, cols) is the last operand. `few` rows: a stack of products is hardly one. `one`: for n = 1 alone."""
        operands, output = (*network.factors, (ROWS, *network.cols)), (ROWS, *network.rows)
        size, stack = {**network.size, ROWS: 1 if one else -1}, 1 if few else STACK
        return _carry(candidate.name, operands, output, size, candidate.order, stack)

    @staticmethod
    def of_lookup(network: Network, picked: tuple[Indices, ...], *, one: bool = False) -> "Carry":
        """Rows of W, of what has been `picked` from the factors. `one`: for one row alone."""
        output, many = (ROWS, *network.cols), {**network.size, ROWS: MANY}
        size = {**network.size, ROWS: 1 if one else -1}
        return _carry("lookup", picked, output, size, search(picked, output, many), STACK)

    def __call__(self, operands: Sequence[Tensor]) -> Tensor:
        """The matrix (n, …); x comes last."""
        values = list(operands)
        for p in self.products:
            values.append(p(values[p.left], values[p.right]))
        return self.result(values[-1])


def untraced() -> bool:
    """Whether what is done now is for this number of rows alone."""
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing())


def _carry(
    name: str, operands: tuple[Indices, ...], output: Indices, size: dict[str, int], order: Order, stack: int
) -> Carry:
    """For any number of rows where size[ROWS] is -1."""
    held, output = ([tuple(i for i in o if size[i] != 1) for o in operands], tuple(i for i in output if size[i] != 1))
    live, products = list(range(len(held))), []
    for positions in order:
        pair = [live[p] for p in positions]
        live = [k for k in live if k not in pair]
        needed = set(output).union(*(held[k] for k in live))
        right, left = sorted(pair, key=lambda k: (ROWS in held[k], math.prod([abs(size[i]) for i in held[k]])))
        product, made = _product(left, right, held, needed, output, size, stack)
        products.append(product)
        live.append(len(held))
        held.append(made)
    rows = output[:1] if ROWS in output else ()
    return Carry(name, tuple(products), View.of(held[-1], (rows, output[len(rows) :]), size))


def _product(
    left: int, right: int, held: list[Indices], needed: set[str], output: Indices, size: dict[str, int], least: int
) -> tuple[Product, Indices]:
    """The product, and the indices of its result.

    batch b: in both and needed later; summed s: in both and not; f: of left alone; new n: of right alone
    least: so many entries after what is summed make a stack of products worth its while
    """
    x, factor = held[left], held[right]
    batch, summed = (tuple(i for i in x if i in factor and (i in needed) is kept) for kept in (True, False))
    if size[ROWS] == 1 and not batch:
        return _product_of_one(left, right, held, summed, output, size)
    free = tuple(i for i in x if i not in factor)
    new = tuple(sorted((i for i in factor if i not in x), key=lambda i: (*output, i).index(i)))
    start = x.index(summed[0]) if summed else 0
    before, after = x[:start], x[start + len(summed) :]
    together = ROWS in before and x == (*before, *summed, *after)
    if together and after and not batch and math.prod([size[i] for i in after]) >= least:
        # Y[f, n, f'] = Σ_s R[n, s] X[f, s, f']
        views = View.of(x, (before, summed, after), size), View.of(factor, (new, summed), size)
        return Product(left, right, *views, "middle"), (*before, *new, *after)
    if not batch and factor == (*new, *summed):
        # Y[f, n] = Σ_s X[f, s] R[n, s]
        views = View.of(x, (free, summed), size), View.of(factor, (new, summed), size)
        return Product(left, right, *views, "linear"), (*free, *new)
    # Y[b, f, n] = Σ_s X[b, f, s] R[b, s, n]
    stack = (batch,) if batch else ()
    views = View.of(x, (*stack, free, summed), size), View.of(factor, (*stack, summed, new), size)
    return Product(left, right, *views, "matmul"), (*batch, *free, *new)


def _product_of_one(
    left: int, right: int, held: list[Indices], summed: Indices, output: Indices, size: dict[str, int]
) -> tuple[Product, Indices]:
    """Y[f, n] = Σ_s X[f, s] R[n, s], X being that which comes first in the output."""
    left, right = sorted(
        (left, right), key=lambda k: min([output.index(i) for i in held[k] if i in output], default=len(output))
    )
    free, new = (tuple(i for i in held[k] if i not in summed) for k in (left, right))
    views = View.of(held[left], (free, summed), size), View.of(held[right], (new, summed), size)
    return Product(left, right, *views, "few"), (*free, *new)
