"""Products of few operations, where PyTorch has several CPU threads: without them.

Its BLAS hands even a product of 1,500 operations to all threads, and to wait for them takes longer than the product: 14 µs
instead of 2, measured, and milliseconds where another process has the core. Products of a matrix and a vector, and sums of
outer products below 32,768 entries, stay on one thread.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 2  # so many products of a matrix and a vector are no slower than one of matrices
WORK = 2**18  # multiplications from which on threads are worth their while


def few(left: Tensor, right: Tensor) -> Tensor:
    """left @ rightᵀ (n, m) for left (n, k) and right (m, k), on one thread where a side is that short."""
    (n, k), m = left.shape, right.shape[0]
    narrow = m <= SIDE < n
    alone = torch.get_num_threads() == 1 or left.device.type != "cpu" or torch.is_autocast_enabled("cpu")
    if alone or min(n, k, m) > SIDE or n * k * m > WORK or not n * k * m:
        return F.linear(right, left).t() if narrow else F.linear(left, right)  # to BLAS a narrow result is dear
    if narrow:
        return torch.stack([torch.mv(left, row) for row in right.unbind()], 1)
    if n <= SIDE:
        return torch.stack([torch.mv(right, row) for row in left.unbind()])
    first, *rest = (torch.outer(a, b) for a, b in zip(left.unbind(1), right.unbind(1), strict=True))
    return sum(rest, first)
