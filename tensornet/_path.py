"""Path: the order of pairwise contractions, with every integer worked out before an array is seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from ._cached import cached_property, untraced
from ._network import Network
from ._pair import Indices, Pair, Side, volume

Sizes = tuple[tuple[str, int], ...]
Order = tuple[tuple[int, int], ...]  # opt_einsum's convention: positions in the list of live operands, results appended

SMALL = 4  # an operand this much smaller than the result may be permuted to save the result a slow permutation


@dataclass(frozen=True)
class Step:
    """Operands `left` and `right` (numbers in order of creation) make the next one; and the two products that pull a
    gradient of the result back to each of them.
    """

    left: int
    right: int
    forward: Pair
    to_left: Pair
    to_right: Pair


@dataclass(frozen=True)
class Path:
    """How to contract `shapes` into `output`.

    shapes   shape of each operand without its indices of size 1, which take no part
    steps    pairwise products
    order    permutation of the last result into the output
    output   (rows, cols) of the output as a matrix, or its full shape
    flops    floating-point operations of the forward contraction, a multiply-add counting two
    peak     largest number of elements alive at once, operands and copies included
    """

    shapes: tuple[tuple[int, ...], ...]
    full_shapes: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    order: tuple[int, ...]
    result: tuple[int, ...]
    output: tuple[int, ...]
    flops: int
    peak: int

    @property
    def linearized_flops(self) -> int:
        """Operations of the contraction and of its pullback, which reuses the contraction's products."""
        return self.flops + sum(s.to_left.flops + s.to_right.flops for s in self.steps)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Elements of each operand and of the result of each step, by number."""
        return tuple(math.prod([*s]) for s in self.shapes) + tuple(s.forward.size for s in self.steps)

    @property
    def reorders(self) -> bool:
        """Whether the last result is not in the order of the output yet, which takes a copy."""
        return self.order != tuple(range(len(self.order)))

    @staticmethod
    def of_matrix(network: Network, order: Order | None = None) -> "Path":
        """The path that contracts a network to its matrix. `order` fixes the pairs (in opt_einsum's convention)."""
        return _path(network.factors, network.output, network.sizes, network.shape, order)

    @staticmethod
    def of_product(network: Network, batch: int, order: Order | None = None) -> "Path":
        """The path of x @ W.T for x (batch, cols), x being the last operand; it may or may not form W on its way."""
        rows, _ = network.shape
        operands = (*network.factors, ("@batch", *network.cols))
        sizes = (*network.sizes, ("@batch", batch))
        return _path(operands, ("@batch", *network.rows), sizes, (batch, rows), order)


@lru_cache(maxsize=4096)
def _path(
    operands: tuple[Indices, ...], output: Indices, sizes: Sizes, result: tuple[int, ...], order: Order | None
) -> Path:
    size = dict(sizes)
    full_shapes = tuple(tuple(size[i] for i in o) for o in operands)
    operands = tuple(tuple(i for i in o if size[i] > 1) for o in operands)
    output = tuple(i for i in output if size[i] > 1)
    steps, last = _steps(operands, output, size, search(operands, output, size) if order is None else order)
    shapes = tuple(tuple(size[i] for i in o) for o in operands)
    reordering = tuple(last.index(i) for i in output)
    return Path(
        shapes=shapes,
        full_shapes=full_shapes,
        steps=steps,
        order=reordering,
        result=tuple(size[i] for i in output),
        output=result,
        flops=sum(s.forward.flops for s in steps),
        peak=_peak([volume(o, size) for o in operands], steps, last != output),
    )


def _steps(
    operands: tuple[Indices, ...], output: Indices, size: dict[str, int], order: Order
) -> tuple[tuple[Step, ...], Indices]:
    pairs = _numbered(order, len(operands))
    held, needed = _uses(operands, output, pairs)
    stored = list(operands)
    steps = []
    for n, (i, j) in enumerate(pairs):
        left, right = stored[i], stored[j]
        if n == len(pairs) - 1:
            made = _last(left, right, output, size)
        else:
            number = len(operands) + n
            use = next(m for m, pair in enumerate(pairs) if number in pair)
            made = _layout(left, right, needed[n], held[sum(pairs[use]) - number], needed[use], size)
        forward = Pair.plan(left, right, made, size)
        steps.append(Step(i, j, forward, Pair.plan(made, right, left, size), Pair.plan(made, left, right, size)))
        stored.append(made)
    return tuple(steps), stored[-1]


def _numbered(order: Order, n: int) -> list[tuple[int, int]]:
    """The pairs as numbers of operands, results numbered on."""
    live, pairs = list(range(n)), []
    for number, pair in enumerate(order, n):
        i, j = (live[p] for p in sorted(pair))
        live = [k for k in live if k not in (i, j)] + [number]
        pairs.append((i, j))
    return pairs


def _uses(
    operands: tuple[Indices, ...], output: Indices, pairs: list[tuple[int, int]]
) -> tuple[list[set[str]], list[set[str]]]:
    """The indices that each operand and result holds, and after each pair those that something else still needs."""
    held, live, needed = [set(o) for o in operands], set(range(len(operands))), []
    for number, (i, j) in enumerate(pairs, len(operands)):
        live -= {i, j}
        needed.append(set(output).union(*(held[k] for k in live)))
        held.append((held[i] | held[j]) & needed[-1])
        live.add(number)
    return held, needed


def _layout(
    left: Indices, right: Indices, needed: set[str], partner: set[str], needed_later: set[str], size: dict[str, int]
) -> Indices:
    """The order of the result's indices: left · right or right · left, whichever its next use need not copy."""
    for first, second in ((left, right), (right, left)):
        made = _product(first, second, needed)
        shared = [i for i in made if i in partner]
        batch, summed = (tuple(i for i in shared if (i in needed_later) is kept) for kept in (True, False))
        if not Side.plan(made, (batch, tuple(i for i in made if i not in partner), summed), size).copies:
            return made
    return _product(left, right, needed)


def _last(left: Indices, right: Indices, output: Indices, size: dict[str, int]) -> Indices:
    """The same for the last result, which is permuted into the output: not at all, or in runs as long as may be.

    An operand that is small beside the result is brought to the order of the output first.
    """
    for first, second in ((left, right), (right, left)):
        if _product(first, second, set(output)) == output:
            return output
    made = _product(left, right, set(output))
    small = [o for o in (left, right) if SMALL * volume(o, size) <= volume(made, size)]
    left, right = (tuple(sorted(o, key=_position(output))) if o in small else o for o in (left, right))
    return _product(left, right, set(output))


def _position(output: Indices) -> Callable[[str], int]:
    return lambda i: output.index(i) if i in output else len(output)


def _product(left: Indices, right: Indices, needed: set[str]) -> Indices:
    batch = tuple(i for i in left if i in right and i in needed)
    return batch + tuple(i for i in left if i not in right) + tuple(i for i in right if i not in left)


def _peak(operands: list[int], steps: tuple[Step, ...], reorders: bool) -> int:
    """A result lives until it is used, a copy until the product that it is for."""
    sizes, held = list(operands), sum(operands)
    peak = held
    for step in steps:
        pair = step.forward
        peak = max(
            peak, held + pair.left.copied() + pair.right.copied() + pair.size, held + 2 * pair.size * pair.reorders
        )
        held += pair.size - sum(sizes[k] for k in (step.left, step.right) if k >= len(operands))
        sizes.append(pair.size)
    return max(peak, held + sizes[-1] * reorders)


@untraced
def search(operands: tuple[Indices, ...], output: Indices, size: dict[str, int]) -> Order:
    """Pairs in opt_einsum's convention: positions in the list of live operands, whose result is appended."""
    if len(operands) == 1:
        return ()
    from opt_einsum import contract_path, get_symbol  # here, because it loads numpy when imported

    symbol = {index: get_symbol(n) for n, index in enumerate(size)}
    word = ["".join(symbol[i] for i in o) for o in (*operands, output)]
    shapes = [tuple(size[i] for i in o) for o in operands]
    path, _ = contract_path(f"{','.join(word[:-1])}->{word[-1]}", *shapes, shapes=True, optimize="auto")
    return tuple((p[0], p[1]) for p in path)
