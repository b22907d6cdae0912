"""Path: the order of pairwise contractions, with every integer worked out before an array is seen."""

import math
from dataclasses import dataclass
from functools import lru_cache

from ._network import Network

Indices = tuple[str, ...]
Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Pair:
    """One matrix product: out = Σ_summed left · right, over indices in `batch` at once.

    left is permuted to (batch, rows, summed), right to (batch, summed, cols); their product (batch, rows, cols), split
    into its indices again, is permuted by `order`.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    batch: int
    rows: int
    summed: int
    cols: int
    shape: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.rows * self.summed * self.cols

    @staticmethod
    def plan(left: Indices, right: Indices, out: Indices, size: dict[str, int]) -> "Pair":
        batch = tuple(i for i in left if i in right and i in out)
        summed = tuple(i for i in left if i in right and i not in out)
        rows = tuple(i for i in left if i not in right)
        cols = tuple(i for i in right if i not in left)
        product = batch + rows + cols
        return Pair(
            left=tuple(left.index(i) for i in batch + rows + summed),
            right=tuple(right.index(i) for i in batch + summed + cols),
            batch=_volume(batch, size),
            rows=_volume(rows, size),
            summed=_volume(summed, size),
            cols=_volume(cols, size),
            shape=tuple(size[i] for i in product),
            order=tuple(product.index(i) for i in out),
        )


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
    peak     largest number of elements alive at once, operands included
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

    @staticmethod
    def of_matrix(network: Network, order: tuple[tuple[int, int], ...] | None = None) -> "Path":
        """The path that contracts a network to its matrix. `order` fixes the pairs (in opt_einsum's convention)."""
        return _path(network.factors, network.output, network.sizes, network.shape, order)

    @staticmethod
    def of_product(network: Network, batch: int) -> "Path":
        """The path of x @ W.T for x (batch, cols), x being the last operand; it may or may not form W on its way."""
        rows, _ = network.shape
        operands = (*network.factors, ("@batch", *network.cols))
        sizes = (*network.sizes, ("@batch", batch))
        return _path(operands, ("@batch", *network.rows), sizes, (batch, rows), None)


@lru_cache(maxsize=4096)
def _path(
    operands: tuple[Indices, ...],
    output: Indices,
    sizes: Sizes,
    result: tuple[int, ...],
    order: tuple[tuple[int, int], ...] | None,
) -> Path:
    size = dict(sizes)
    full_shapes = tuple(tuple(size[i] for i in o) for o in operands)
    operands = tuple(tuple(i for i in o if size[i] > 1) for o in operands)
    output = tuple(i for i in output if size[i] > 1)
    steps, last, peak = _steps(operands, output, size, order or _search(operands, output, size))
    return Path(
        shapes=tuple(tuple(size[i] for i in o) for o in operands),
        full_shapes=full_shapes,
        steps=steps,
        order=tuple(last.index(i) for i in output),
        result=tuple(size[i] for i in output),
        output=result,
        flops=sum(s.forward.flops for s in steps),
        peak=peak,
    )


def _steps(
    operands: tuple[Indices, ...], output: Indices, size: dict[str, int], order: tuple[tuple[int, int], ...]
) -> tuple[tuple[Step, ...], Indices, int]:
    live = dict(enumerate(operands))  # number -> indices; a result takes the next number
    steps = []
    peak = held = sum(_volume(o, size) for o in operands)
    for pair in order:
        numbers = list(live)
        i, j = (numbers[p] for p in sorted(pair))
        left, right = live.pop(i), live.pop(j)
        needed = set(output).union(*live.values())
        kept = [k for k in left if k in needed and k in right]
        made = (*kept, *(k for k in left if k not in right), *(k for k in right if k not in left))
        forward = Pair.plan(left, right, made, size)
        steps.append(Step(i, j, forward, Pair.plan(made, right, left, size), Pair.plan(made, left, right, size)))
        live[len(operands) + len(steps) - 1] = made
        held += _volume(made, size)
        peak = max(peak, held)
        held -= sum(_volume(o, size) for n, o in ((i, left), (j, right)) if n >= len(operands))
    return tuple(steps), next(iter(live.values())), peak


def _search(operands: tuple[Indices, ...], output: Indices, size: dict[str, int]) -> tuple[tuple[int, int], ...]:
    """Pairs in opt_einsum's convention: positions in the list of live operands, whose result is appended."""
    if len(operands) == 1:
        return ()
    from opt_einsum import contract_path, get_symbol  # here, because it loads numpy when imported

    symbol = {index: get_symbol(n) for n, index in enumerate(size)}
    word = ["".join(symbol[i] for i in o) for o in (*operands, output)]
    shapes = [tuple(size[i] for i in o) for o in operands]
    path, _ = contract_path(f"{','.join(word[:-1])}->{word[-1]}", *shapes, shapes=True, optimize="auto")
    return tuple((p[0], p[1]) for p in path)


def _volume(indices: Indices, size: dict[str, int]) -> int:
    return math.prod([size[i] for i in indices])
