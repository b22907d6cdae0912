"""The least squares problem of one factor while all others stand still."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from array_api_compat import device

from .._arrays import Array, adjoint, namespace
from .._contract import contract, permute
from .._network import Network
from .._path import Path


@dataclass(frozen=True)
class Problem:
    """min ‖Y − E T‖ by T, for each value of the stack: a network is linear in each of its factors.

    E (stack, open, bonds)     the environment, all other factors contracted
    T (stack, bonds, private)  the factor
    Y (stack, open, private)   the matrix

    stack    output indices that the factor shares with others
    private  output indices that it alone has
    bonds    its indices that are summed over, whoever else has them
    open     output indices that it does not have
    """

    k: int
    path: Path
    volumes: tuple[int, int, int, int]  # of stack, open, bonds, private
    factor_order: tuple[int, ...]
    output_order: tuple[int, ...]

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(network: Network, k: int) -> "Problem":
        size, own = network.size, network.factors[k]
        rest = network.factors[:k] + network.factors[k + 1 :]
        elsewhere = tuple(dict.fromkeys(i for f in rest for i in f))
        stack = tuple(i for i in own if i in network.output and i in elsewhere)
        private = tuple(i for i in own if i in network.output and i not in elsewhere)
        bonds = tuple(i for i in own if i not in network.output)
        opened = tuple(i for i in network.output if i not in own)
        summed = tuple(i for i in bonds if i in elsewhere)  # the others have size 1, as the ends of a chain do
        sizes = tuple((i, size[i]) for i in dict.fromkeys((*elsewhere, *stack, *opened, *summed)))
        environment = Network(rest or ((),), rows=stack + opened, cols=summed, sizes=sizes)
        return Problem(
            k,
            Path.of_matrix(environment),
            tuple(math.prod([size[i] for i in part]) for part in (stack, opened, bonds, private)),  # type: ignore[arg-type]
            tuple(own.index(i) for i in stack + bonds + private),
            tuple(network.output.index(i) for i in stack + opened + private),
        )

    def solution(self, w: Array, factors: Sequence[Array]) -> Array:
        """The factor that comes nearest to w (*lead, *sizes of the output).

        T + E⁺(Y − E T) rather than E⁺Y: what E does not see of T stays as it is, and roundings of E⁺ act on what is missed
        alone, so that a weight that the network represents is met to the rounding of its dtype.
        """
        xp, old = namespace(w, *factors), factors[self.k]
        lead = tuple(w.shape[: w.ndim - len(self.output_order)])
        s, o, b, p = self.volumes
        others = [f for k, f in enumerate(factors) if k != self.k] or [xp.ones(lead, dtype=w.dtype, device=device(w))]
        e = xp.reshape(contract(self.path, others), (*lead, s, o, b))
        moved = permute(xp, old, self.factor_order)
        t = xp.reshape(moved, (*lead, s, b, p))
        missed = xp.reshape(permute(xp, w, self.output_order), (*lead, s, o, p)) - xp.matmul(e, t)
        t = xp.reshape(t + least_squares(e, missed), tuple(moved.shape))
        inverse = tuple(self.factor_order.index(n) for n in range(len(self.factor_order)))
        return permute(xp, t, inverse)


def least_squares(e: Array, y: Array) -> Array:
    """E⁺Y by the eigenvalues of EᴴE, those that are roundings of the largest counting as zero.

    The Gram matrix squares the condition of E. That costs no digit of the solution here: Y is what is missed, so that an
    error of E⁺ is a share of that, and the next sweep takes it back. QR of E came to the same errors in twice the time.
    """
    xp, back = namespace(e, y), adjoint(e)
    squares, vectors = xp.linalg.eigh(xp.matmul(back, e))
    kept = squares > e.shape[-1] * float(xp.finfo(e.dtype).eps) * squares[..., -1:]
    inverse = xp.where(kept, 1 / xp.where(kept, squares, xp.ones_like(squares)), xp.zeros_like(squares))
    inside = xp.matmul(adjoint(vectors), xp.matmul(back, y))
    return xp.matmul(vectors, xp.astype(inverse, e.dtype)[..., :, None] * inside)
