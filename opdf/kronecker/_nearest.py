"""How much of a weight the nearest Kronecker products miss, without making them."""

import torch
from torch import Tensor

from tensornet import Kronecker


@torch.no_grad()
def missed(w: Tensor, fmt: Kronecker) -> list[float]:
    """‖W − Σ_r A_r ⊗ B_r‖²_F of the nearest sum of 1, 2, … `fmt.terms` products.

        R(W)[ac, bd] = W[ab, cd];   ‖W‖² − Σ_{i ≤ r} σ_i(R)²        (Van Loan, Pitsianis 1993)

    σ² are eigenvalues of the smaller of R Rᵀ and Rᵀ R: of a small factor a matrix of its size, and no SVD. What is missed
    comes out of a difference, to about 1e-7 of ‖W‖², which is enough to choose by.
    """
    (a, c), (b, d) = fmt.left, fmt.right
    r = w.detach().float().reshape(a, b, c, d).permute(0, 2, 1, 3).reshape(a * c, b * d)
    gram = r.mT @ r if r.shape[0] > r.shape[1] else r @ r.mT
    squares = torch.linalg.eigvalsh(gram.double()).flip(0)
    left = squares.sum() - squares.cumsum(0)[: fmt.terms]
    return [float(x) for x in left.clamp(min=0)]
