"""The law of random factors."""

from .._arrays import abs2
from ._case import Case
from ._law import require
from ._measure import largest, norm


def sample_has_the_variance(case: Case) -> None:
    """sample(std=σ) gives factors whose contraction has entries of variance σ², each factor of entries of one size.

    No statistics: of independent entries T = σ_k·z, E|W|² is the contraction of the σ_k². With z = 1 they are the factors.
    """
    fmt, xp = case.fmt, case.xp
    for std in (1.0, 0.02):
        deviations = fmt.sample(lambda s: xp.ones(s, dtype=case.dtype, device=case.device), std=std)
        found = tuple(tuple(d.shape) for d in deviations)
        require(found == fmt.shapes, f"factors have shapes {found}", f"{fmt.shapes}")
        sizes = [largest(d) for d in deviations]
        require(
            max(sizes) - min(sizes) <= case.tolerance * max(sizes), f"factors are of sizes {sizes}", "one and the same"
        )
        variance = fmt.contract([xp.astype(abs2(d), case.dtype) for d in deviations])
        error = norm(variance / (std * std) - 1.0) / norm(xp.ones_like(variance))
        require(error <= 100 * case.tolerance, f"the variance misses σ² = {std * std:.1e} by {error:.1e}", "σ²")
