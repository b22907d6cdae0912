"""In which dtype to truncate, and which errors that leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._arrays import Array, abs2, namespace, nonzero, working_dtype
from .._network import Network
from .._precise import frobenius, precise
from .._reduced import Gram, Reduction, Triangle

# Allowed errors of rounding in units of a dtype's eps, for each factor: of keeping it in the dtype of the data, and of the
# QR, SVD and products behind it in that of the sweep, for bonds up to 64. Over 3,000 random tensors at most 0.5 and 4 are used.
STORED, COMPUTED = 2.0, 8.0


@dataclass(frozen=True)
class Precision:
    """How the bonds are reduced, and the relative error that rounding may add.

    dtype      of the data, to which the factors go back
    reduction  by Gram matrices where the sweep's dtype is wider than the data's
    stored     error of the factors in `dtype`, relative to the whole network
    computed   error of what the sweep computes beside the truncation, relative to the terms that it adds up
    """

    dtype: Any
    reduction: Reduction
    stored: float
    computed: float

    @property
    def squares(self) -> bool:
        """Whether squares of the data's largest and smallest numbers are numbers still."""
        return isinstance(self.reduction, Gram)

    def norm(self, x: Array, lead: int) -> Array:
        """‖x‖ (*lead,)."""
        if not self.squares:
            return frobenius(x, lead)
        xp = namespace(x)
        return xp.sqrt(xp.sum(abs2(x), axis=tuple(range(lead, x.ndim))))

    @property
    def noise(self) -> float:
        """Relative error of factors whose terms do not cancel."""
        return self.stored + self.computed

    def noise_of(self, size: Array, whole: Array, terms: Array) -> Array:
        """(*lead,) how much rounding may add to an error relative to the true ‖W‖; infinite where it may have been all of W.

        size: ‖W‖ as it was computed, which may be too large by the noise itself
        whole: the norm of all that the factors are, beyond what is seen of it
        terms: that of what they add up (see `_terms`)
        """
        xp, unit = namespace(size), nonzero(size)
        lost = (size == 0) & (terms > 0)
        whole, terms = (xp.maximum(x / unit, xp.ones_like(size)) for x in (whole, xp.maximum(whole, terms)))
        found = self.stored * whole + self.computed * terms
        known = (found < 1) & ~lost
        return xp.where(known, found / xp.where(known, 1 - found, xp.ones_like(found)), xp.inf * xp.ones_like(found))

    @staticmethod
    def of(network: Network, arrays: Sequence[Array]) -> "tuple[Precision, list[Array]]":
        """And the arrays as the sweep takes them: constants in the widest dtype of their library."""
        xp = namespace(*arrays)
        dtype = xp.result_type(*[working_dtype(a, xp) for a in arrays])
        wide = precise(arrays)
        stored, computed = (float(xp.finfo(d).eps) for d in (dtype, wide[0].dtype))
        growth = max(8.0, max([network.size[b] for b in network.bonds], default=1) ** 0.5) / 8
        n, reduction = len(network.factors), Gram() if computed < stored else Triangle()
        return Precision(dtype, reduction, n * STORED * stored, n * COMPUTED * computed * growth), wide
