"""In which dtype to truncate, and which errors that leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._arrays import Array, constant, namespace, widest, working_dtype
from .._reduced import Gram, Reduction, Triangle

# Errors of rounding in units of the dtype's eps, for each factor. Measured: up to 0.7 of the data's, 3 of the sweep's.
STORED, COMPUTED = 2.0, 8.0


@dataclass(frozen=True)
class Precision:
    """How the bonds are reduced, and the relative error that rounding may add.

    dtype      of the data, to which the factors go back
    reduction  by Gram matrices where the sweep's dtype is wider than the data's
    noise      relative error of what the sweep computes beside the truncation
    """

    dtype: Any
    reduction: Reduction
    noise: float

    @staticmethod
    def of(factors: Sequence[Array]) -> "tuple[Precision, list[Array]]":
        """And the factors as the sweep takes them: constants in the widest dtype of their library."""
        xp = namespace(*factors)
        dtype = working_dtype(factors[0], xp)
        wide = [widest(xp.astype(constant(f), dtype, copy=False)) for f in factors]
        stored, computed = (float(xp.finfo(d).eps) for d in (dtype, wide[0].dtype))
        noise = len(factors) * (STORED * stored + COMPUTED * computed)
        return Precision(dtype, Gram() if computed < stored else Triangle(), noise), wide
