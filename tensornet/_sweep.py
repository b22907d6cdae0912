"""One sweep from the leaves to the root of a canonical form, which cuts each bond to its largest Schmidt values.

At a bond the tensor is W = M Aᵀ, A an isometry. W ← W − (the part of M beyond its first r right singular vectors), an
orthogonal projection of squared error ε² = Σ_{k>r} λ_k². The bases of later bonds lie within those of the bonds below them
and are orthogonal to what was cut away, so that the squares add up: ‖W − Ŵ‖² = Σ ε² (Oseledets 2011, doi 10.1137/090752286,
thm. 2.2; of trees Grasedyck 2010, doi 10.1137/090764189, thm. 3.11). Each ε is at most that of W itself at this bond.
"""

from collections.abc import Callable, Sequence

from ._arrays import Array, abs2, adjoint, conj, namespace
from ._precise import shifted
from ._reduced import Reduction
from ._tree import Branch, Tree, weights
from ._unfold import from_tall, tall

# (bond, ε² (*lead, d + 1) of keeping 0, 1, …, d values) → how many to keep
Choose = Callable[[str, Array], int]


class Sweep:
    """The factors of a canonical form, and what has been cut away of them. `run` does it, once."""

    def __init__(self, tree: Tree, factors: Sequence[Array], reduction: Reduction) -> None:
        self.tree, self.factors, self.reduction = tree, list(factors), reduction
        self.lost: dict[str, Array] = {}  # bond → ε² (*lead,)
        self.last: dict[str, Array] = {}  # the last bond that was cut → its values, in whose basis it is
        self._cut: set[str] = set()
        self._seen: dict[
            str, tuple[Array, Array, Array]
        ] = {}  # bond → reduced M, its values and vectors, before any cut

    def spectra(self) -> dict[str, Array]:
        """The Schmidt values (*lead, d) of all bonds, before any is cut; what it took is used again when they are."""
        for b, m in weights(self.tree, self.factors, self.reduction):
            self._seen[b.bond] = m, *self.reduction.schmidt(m)
        return {bond: values for bond, (_, values, _) in self._seen.items()}

    def shift(self, exponent: Array) -> None:
        """Multiply the tensor by 2^exponent (*lead,), and what is known of it."""
        k = self.tree.root
        self.factors[k] = shifted(self.factors[k], exponent)
        self.last = {b: shifted(v, exponent) for b, v in self.last.items()}

    def run(self, choose: Choose) -> "Sweep":
        self._below(self.tree.root, None, None, choose)
        self._shed()
        return self

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the bonds as they are now."""
        return {b.bond: self.factors[b.child].shape[b.child_axis] for b in self.tree.branches}

    def _below(self, k: int, up: Branch | None, above: Array | None, choose: Choose) -> set[str]:
        """Cut all that hangs below factor k. Returns the bonds that were: where none was, A of k is an isometry still."""
        cut: set[str] = set()
        for b in self.tree.branches:
            if b.parent == k:
                cut |= self._cut_at(b, self._weight(b, up, above), choose)
        return cut

    def _weight(self, b: Branch, up: Branch | None, above: Array | None) -> Array:
        """M of b, reduced."""
        if b.bond in self._seen and not self._cut:
            return self._seen[b.bond][0]
        x, n = self.factors[b.parent], self.tree.order(b.parent)
        if up is None:
            return self.reduction.of(x, b.parent_axis, n)
        return self.reduction.through(above, x, up.child_axis, b.parent_axis, n)

    def _cut_at(self, b: Branch, weight: Array, choose: Choose) -> set[str]:
        below = self._below(b.child, b, weight, choose)
        q, r = self._orthogonal(b) if below else (None, None)
        if b.bond in self._seen and not self._cut:
            _, values, v = self._seen[b.bond]
        else:
            values, v = self.reduction.schmidt(weight if r is None else self.reduction.times(weight, r))
        tails = squared_tails(values)
        keep = min(choose(b.bond, tails), v.shape[-1])
        self.lost[b.bond] = tails[..., keep]
        if not below and keep == v.shape[-1]:
            return set()
        self._rebase(b, q, r, v[..., :keep])
        self._cut.add(b.bond)
        self.last = {b.bond: values[..., :keep]}
        return below | {b.bond}

    def _orthogonal(self, b: Branch) -> tuple[Array | None, Array]:
        """A = Q Rᵀ, None standing for the identity."""
        a = self.tree.outer(self.factors, b)
        xp = namespace(a)
        if a.shape[-2] <= a.shape[-1]:
            return None, xp.matrix_transpose(a)
        q, r = xp.linalg.qr(a)
        return q, xp.matrix_transpose(r)

    def _rebase(self, b: Branch, q: Array | None, r: Array | None, v: Array) -> None:
        """A ← Q V̄ and M ← M R V; with no R, A is an isometry itself: A ← A V̄ and M ← M V."""
        if r is None:
            self.factors[b.child] = self.tree.turned(self.factors, b, conj(v))
            self.factors[b.parent] = self.tree.absorbed(self.factors, b, v)
            return
        xp = namespace(v)
        a = conj(v) if q is None else xp.matmul(q, conj(v))
        self.factors[b.child] = from_tall(a, b.child_axis, self._shape(b.child))
        self.factors[b.parent] = self.tree.absorbed(self.factors, b, xp.matmul(r, v))

    def _shed(self) -> None:
        """Take from each bond, root outwards, what the rest of its inner factor cannot fill: M = L Qᴴ, A ← A Q̄. Exact."""
        for b in reversed(self.tree.branches):
            m = tall(self.factors[b.parent], b.parent_axis, self.tree.order(b.parent))
            if m.shape[-2] < m.shape[-1]:
                self.last = {}
                q, r = namespace(m).linalg.qr(adjoint(m))
                self.factors[b.parent] = from_tall(adjoint(r), b.parent_axis, self._shape(b.parent))
                self.factors[b.child] = self.tree.turned(self.factors, b, conj(q))

    def _shape(self, k: int) -> tuple[int, ...]:
        return tuple(self.factors[k].shape)[-self.tree.order(k) :]


def squared_tails(values: Array) -> Array:
    """ε² (*lead, d + 1) of keeping the first 0, 1, …, d of `values` (*lead, d); summed up from the smallest."""
    xp, squares = namespace(values), abs2(values)
    tails = xp.flip(xp.cumulative_sum(xp.flip(squares, axis=-1), axis=-1), axis=-1)
    return xp.concat([tails, xp.zeros_like(tails[..., :1])], axis=-1)
