"""The orders that are worth pricing for x @ W.T: one that forms W, and the best of those that never do."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .._cached import cached_property
from .._network import Network
from .._path import Order, search
from ._machine import Machine

FEW = 8  # operands of which every order is tried: 3⁸ splits of subsets take some ten milliseconds
Pairs = list[tuple[int, int]]  # numbers of operands, results numbered on


@dataclass(frozen=True)
class Orders:
    """The factors of `network` and x (batch, cols), the last operand; what is `constant` is paid once in `calls` calls.

    Searched by dynamic programming over subsets of operands, which opt_einsum cannot: it knows neither constants nor
    memory (its memory_limit contracts all operands at once where nothing fits) nor that W is not to be formed.
    """

    network: Network
    batch: int
    constant: frozenset[int]
    calls: int
    machine: Machine

    def found(self) -> dict[str, Order]:
        """Name → order in opt_einsum's convention, all different."""
        n = len(self.network.factors)
        candidates = {"dense": self._dense()}
        if 1 < n < FEW:
            candidates["factored"] = _pairs(self._best(self._seconds, sum), n + 1)
            candidates["slim"] = _pairs(self._best(self._size, max), n + 1)
        elif n > 1:
            candidates["left to right"] = [(k, n + turn) for turn, k in enumerate(range(n))]
            candidates["right to left"] = [(k, n + turn) for turn, k in enumerate(reversed(range(n)))]
        unique: dict[Order, str] = {}
        for name, pairs in candidates.items():
            unique.setdefault(_positions(pairs, n + 1), name)
        return {name: order for order, name in unique.items()}

    def _dense(self) -> Pairs:
        """W as opt_einsum contracts it, then x @ W.T."""
        n, size = len(self.network.factors), self.network.size
        squeezed = [tuple(i for i in o if size[i] > 1) for o in (*self.network.factors, self.network.output)]
        live, pairs = list(range(n)), []
        for number, positions in enumerate(search(tuple(squeezed[:-1]), squeezed[-1], dict(size)), n + 1):
            i, j = (live[p] for p in sorted(positions))
            live = [k for k in live if k not in (i, j)] + [number]
            pairs.append((i, j))
        return [*pairs, (n, live[0])]

    # ---- subsets of operands as bits, the last one being x ----------------------------------------------------------

    @cached_property
    def _held(self) -> tuple[dict[str, int], list[set[str]]]:
        """Size of every index, and the indices that each subset's product holds."""
        operands = [*map(set, self.network.factors), {"@batch", *self.network.cols}]
        output = {"@batch", *self.network.rows}
        n, held = len(operands), []
        for subset in range(1 << n):
            inside, outside = (
                set().union(*(o for k, o in enumerate(operands) if (subset >> k & 1) is b)) for b in (1, 0)
            )
            held.append(inside & (outside | output))
        return dict(self.network.size) | {"@batch": self.batch}, held

    def _best(self, price: Callable[[int, int], float], total: Callable[[tuple[float, ...]], float]) -> "Tree":
        """The tree of products with the least total price (then the least time), none of which is W."""
        n = len(self.network.factors) + 1
        w = (1 << n - 1) - 1
        best: dict[int, tuple[float, float, Tree]] = {1 << k: (0.0, 0.0, k) for k in range(n)}
        for subset in range(1, 1 << n):
            if subset in best or subset == w:
                continue
            best[subset] = min(
                (
                    (
                        total((best[a][0], best[b][0], price(a, b))),
                        best[a][1] + best[b][1] + self._seconds(a, b),
                        (best[a][2], best[b][2]),
                    )
                    for a, b in _splits(subset)
                    if a in best and b in best
                ),
                key=lambda found: found[:2],
            )
        return best[(1 << n) - 1][2]

    def _seconds(self, a: int, b: int) -> float:
        size, held = self._held
        left, right, made = held[a], held[b], held[a | b]
        volumes = (left & right & made, left - right, (left & right) - made, right - left)
        seconds = self.machine.product_seconds(*(math.prod([size[i] for i in v]) for v in volumes))
        once = all(k in self.constant for k in range(len(self.network.factors) + 1) if (a | b) >> k & 1)
        return seconds / self.calls if once else seconds

    def _size(self, a: int, b: int) -> float:
        size, held = self._held
        return math.prod([size[i] for i in held[a | b]])


Tree = int | tuple["Tree", "Tree"]


def _splits(subset: int) -> Iterator[tuple[int, int]]:
    """Both parts of every way to split, each way once."""
    part = (subset - 1) & subset
    while part > subset ^ part:
        yield part, subset ^ part
        part = (part - 1) & subset


def _pairs(tree: Tree, n: int) -> Pairs:
    pairs: Pairs = []

    def visit(node: Tree) -> int:
        if isinstance(node, int):
            return node
        left, right = visit(node[0]), visit(node[1])
        pairs.append((left, right))
        return n + len(pairs) - 1

    visit(tree)
    return pairs


def _positions(pairs: Pairs, n: int) -> Order:
    live, order = list(range(n)), []
    for number, (i, j) in enumerate(pairs, n):
        a, b = sorted((live.index(i), live.index(j)))
        order.append((a, b))
        live = [k for k in live if k not in (i, j)] + [number]
    return tuple(order)
