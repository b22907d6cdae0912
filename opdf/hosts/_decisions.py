"""Logits from decisions: a teacher that only says which class is asked about several copies of an example, and how often it
says what tells how sure it is.

Zhou, Yang, Li, Liu, ACL 2023, arXiv 2306.08909: the logits of the copies are taken as z + ε, ε ~ N(0, σ² I), so that class i is
decided with an orthant probability, here as one integral (φ, Φ: the normal density and distribution),

    P_i(z) = Pr(z_i + ε_i > z_j + ε_j for all j ≠ i) = ∫ φ(t) Π_{j≠i} Φ(t + (z_i − z_j)/σ) dt,

and the estimate is the root of P(ẑ) = p̂, the shares of the decisions. Of two classes ẑ_1 − ẑ_2 = √2 σ Φ⁻¹(p̂_1). P is the
gradient of E max_i (z_i + ε_i), strictly convex but for a constant in z, so there is one root for every p̂ inside the simplex.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.special import log_ndtr, ndtr

from tensornet import TensorNetError

# ∫ φ(t) f(t) dt by the trapezoid rule, whose error for an analytic f falls faster than any power of the distance of its nodes:
# 1e-15 here, up to 150 classes and more
_REACH, _NODES = 10.0, 161
_ROUNDS, _CLOSE = 100, 1e-10  # ten rounds are enough for a thousand samples


def estimated_logits(counts: Tensor, sigma: float = 1.0) -> Tensor:
    """ẑ (n, classes), float64, summing to 0, of decisions counted in (n, classes).

    Where all decisions agree the root would be infinite. So one sample more is counted, spread evenly over the classes (Perks
    1947; of two classes Jeffreys' prior): p̂_c = (n_c + 1/C) / (N + 1), which tends to n_c/N with the samples.

    sigma: σ, the standard deviation of logits under the noise, which decisions alone do not tell: ẑ is in units of it
    raises: TensorNetError if the root is not found
    """
    order = counts.argsort(
        dim=1, descending=True, stable=True
    )  # the order of classes does not matter: few roots to find
    roots = torch.stack([_root(tuple(row)) for row in counts.gather(1, order).tolist()]).to(counts.device)
    return sigma * torch.zeros_like(roots).scatter(1, order, roots)


@lru_cache(maxsize=4096)
def _root(counts: tuple[int, ...]) -> Tensor:
    """z with P(z) = p̂, both (classes,), of σ = 1."""
    classes = len(counts)
    shares = (torch.tensor(counts, dtype=torch.float64) + 1 / classes) / (sum(counts) + 1)
    z = torch.zeros_like(shares)
    for _ in range(_ROUNDS):
        found, slope = decision_probabilities(z)
        gap = shares - found
        if gap.abs().max() < _CLOSE:
            return z - z.mean()
        step = torch.linalg.solve(slope + 1 / classes, gap)  # slope is 0 on constant vectors, of which gap has no part
        z = z + step / step.abs().max().clamp(min=1.0)  # Newton's, but by 1 at the most: far out P is flat
    raise TensorNetError(
        f"dbkd: no logits found for decisions {counts} within {_ROUNDS} rounds, needed P(z) = p̂ to {_CLOSE}, because a guess "
        f"would be taught; take another number of samples"
    )


def decision_probabilities(z: Tensor) -> tuple[Tensor, Tensor]:
    """P(z) (classes,) of σ = 1, and ∂P_i/∂z_j (classes, classes): symmetric, with rows that sum to 0."""
    t = torch.linspace(-_REACH, _REACH, _NODES, dtype=torch.float64)
    w = torch.exp(-(t**2) / 2)
    w = w / w.sum()
    itself = torch.eye(len(z), dtype=torch.bool)[..., None]
    u = (z[:, None] - z[None, :])[..., None] + t  # t + z_i − z_j: (i, j, nodes)
    product = torch.where(itself, 1.0, ndtr(u)).prod(1)  # Π_{j≠i} Φ(u_ij): (i, nodes)
    # ∂P_i/∂z_j = −∫ φ(t) φ(u_ij)/Φ(u_ij) Π Φ for j ≠ i, and ∂P_i/∂z_i is what makes the row sum to 0
    ratio = torch.exp(-(u**2) / 2 - math.log(2 * math.pi) / 2 - log_ndtr(u))
    across = (torch.where(itself, 0.0, ratio) * product[:, None]) @ w
    return product @ w, torch.diag(across.sum(1)) - across
