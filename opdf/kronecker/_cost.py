"""What Kronecker products cost: parameters and operations."""

from torch import nn

import tensornet as tn
from tensornet import Kronecker, TensorNetError


def parameters(model: nn.Module, plan: tn.Plan) -> int:
    """Of the whole model once `plan` is applied: all parameters, tied ones once, those dense that are not in the plan.

    Buffers are not counted, nor the row of padding that `FactorizedEmbedding` keeps in one. A meta device will do.
    """
    named = dict(model.named_parameters())
    if unknown := sorted(set(plan) - named.keys()):
        raise TensorNetError(
            f"parameters: the model has no {', '.join(unknown)}, needed the weights of the plan, because they are counted in "
            f"it; pass the dense model that was planned"
        )
    return sum(plan[n].num_params if n in plan else p.numel() for n, p in named.items())


def flops(fmt: Kronecker) -> int:
    """Of Σ_r (A_r ⊗ B_r) x = Σ_r vec(B_r X A_rᵀ) for one x, multiplications and additions, by the cheaper order.

    ref: Tahaei et al., Eq. 7
    """
    (m1, n1), (m2, n2) = fmt.left, fmt.right
    b_first = (2 * n2 - 1) * m2 * n1 + (2 * n1 - 1) * m2 * m1  # (B X) Aᵀ
    a_first = (2 * n1 - 1) * n2 * m1 + (2 * n2 - 1) * m2 * m1  # B (X Aᵀ)
    return fmt.terms * min(b_first, a_first) + (fmt.terms - 1) * m1 * m2
