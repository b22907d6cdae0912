"""Orthogonal Procrustes on every bond: the teacher's gauge that lies nearest to the student's factors.

    min over unitary Q_b   Σ_k ‖S_k − T_k(Q)‖² / |S_k|,   k auxiliary,

where T_k(Q) has each bond index b of T_k multiplied by Q_b, Σ_b T[…b…] Q[b, b'], on the first side of the bond and by
Q̄_b on the second, so that the two cancel (of real factors both are Q_b). In one Q_b, all others fixed, this is
Schönemann's problem (1966, doi 10.1007/BF02289451): with M_b = Σ_k ⟨T_k, S̄_k⟩/|S_k| over all indices but b, conjugated
on the second side, and M̄ = U Σ Vᴴ, the minimum is Q_b = U Vᴴ. Bonds take turns, each turn lowering the sum.

Output indices that all factors share number blocks whose bonds have nothing to do with each other: each block has its own Q_b.

The first round goes from the ends inwards and uses only factors whose other bonds are placed already. It therefore
starts from nothing that depends on the teacher's own gauge, and neither does what it finds.
"""

import math
from collections.abc import Iterable, Sequence

from .._arrays import Array, conj, constant, namespace
from .._blocks import reshare, unshare
from .._format import Format
from .._network import Network
from .._unfold import along, overlap

# Two stand still to seven digits where a tree has one cut, as in the paper's layout. With several truncated bonds the turns go
# on lowering the sum for tens of rounds (by a factor of three at worst, of random factors); the rotations found are constants
# all the same.
ROUNDS = 3


def rotated(fmt: Format, student: Sequence[Array], teacher: Sequence[Array], /, *, rounds: int = ROUNDS) -> list[Array]:
    """The teacher's factors in the orthogonal gauge nearest to the student's auxiliary factors; constants.

    student, teacher: factors of `fmt`, (*lead, *shape) each
    rounds: how often every bond takes its turn; no SVD is larger than a bond
    """
    network, student = unshare(fmt.network, [constant(s) for s in student])
    _, teacher = unshare(fmt.network, [constant(t) for t in teacher])
    turns = _Turns(network, fmt.auxiliary, student, teacher)
    for bond, witnesses in turns.first_round():
        turns.take(bond, witnesses)
    for _ in range(rounds - 1):
        for bond in turns.order:
            turns.take(bond, turns.holders(bond))
    return reshare(fmt.network, turns.placed())


class _Turns:
    """The rotations found so far, and a turn for one bond."""

    def __init__(
        self, network: Network, auxiliary: Sequence[int], student: Sequence[Array], teacher: Sequence[Array]
    ) -> None:
        self.network, self.auxiliary, self.student, self.teacher = network, auxiliary, student, teacher
        self.factors, self.bonds = network.factors, set(network.bonds)
        self.rotation: dict[str, Array] = {}
        self.order: list[str] = []

    def holders(self, bond: str) -> list[int]:
        """The auxiliary factors that carry `bond`."""
        return [k for k in self.auxiliary if bond in self.factors[k]]

    def first_round(self) -> Iterable[tuple[str, list[int]]]:
        """Each bond, from the ends inwards, with the factors that can place it without another unplaced bond."""
        waiting = [b for b in self.network.bonds if self.holders(b)]
        while waiting:
            ready = [(b, [k for k in self.holders(b) if not self._unplaced(k) - {b}]) for b in waiting]
            bond, witnesses = next(((b, w) for b, w in ready if w), (waiting[0], self.holders(waiting[0])))
            waiting.remove(bond)
            self.order.append(bond)
            yield bond, witnesses

    def take(self, bond: str, witnesses: Sequence[int]) -> None:
        self.rotation.pop(bond, None)
        xp = namespace(*self.student)
        overlaps = ((k, self._overlap(k, bond)) for k in witnesses)
        overlap = sum(m if self._is_second(k, bond) else conj(m) for k, m in overlaps)
        u, _, vh = xp.linalg.svd(overlap, full_matrices=False)
        self.rotation[bond] = xp.matmul(u, vh)

    def placed(self) -> list[Array]:
        return [self._rotate(k) for k in range(len(self.factors))]

    def _unplaced(self, k: int) -> set[str]:
        return {b for b in self.factors[k] if b in self.bonds and b not in self.rotation}

    def _rotate(self, k: int) -> Array:
        factor, n = self.teacher[k], len(self.factors[k])
        for axis, index in enumerate(self.factors[k]):
            if index in self.rotation:
                q = self.rotation[index]
                factor = along(factor, axis - n, n, conj(q) if self._is_second(k, index) else q)
        return factor

    def _is_second(self, k: int, bond: str) -> bool:
        return any(bond in f for f in self.factors[:k])

    def _overlap(self, k: int, bond: str) -> Array:
        """⟨T_k, S̄_k⟩/|S_k| over all indices but `bond`: (*lead, d of the teacher, d of the student)."""
        n = len(self.factors[k])
        seen = overlap(self._rotate(k), self.student[k], self.factors[k].index(bond) - n, n)
        return conj(seen) / math.prod(self.network.shapes[k])
