"""The published way to decompose, for comparison: SVD sweeps over every bond, unit modes included.

Algorithm S.2 of arXiv 2411.06448 is one sweep of n − 1 SVDs; its released code runs 3 (n − 1): there, back, and there
again. Written from that description; none of that code is here.
"""

from typing import Any

import numpy as np

from tensornet import MPO

Array = np.ndarray[Any, Any]


def three_sweeps(w: Array, mpo: MPO) -> list[Array]:
    """Factors of w by 3 (n − 1) SVDs."""
    n = len(mpo.rows)
    split = w.reshape(*mpo.rows, *mpo.cols).transpose([axis for k in range(n) for axis in (k, n + k)])
    factors = _there([split.reshape(1, -1, 1)], mpo)
    return _there(_back(factors), mpo)


def _there(factors: list[Array], mpo: MPO) -> list[Array]:
    """Left isometries T^(k) = U, the rest λVᵀ carried on."""
    modes, ends = [i * j for i, j in zip(mpo.rows, mpo.cols, strict=True)], (1, *mpo.bonds, 1)
    rest = factors[0]
    made: list[Array] = []
    for k in range(len(modes) - 1):
        if len(factors) == len(modes) and k:
            rest = np.tensordot(rest, factors[k], 1)
        u, s, vh = np.linalg.svd(rest.reshape(ends[k] * modes[k], -1), full_matrices=False)
        made.append(u.reshape(ends[k], mpo.rows[k], mpo.cols[k], -1))
        rest = s[:, None] * vh
    last = rest.reshape(ends[-2], -1) if len(factors) == 1 else rest @ factors[-1].reshape(ends[-2], -1)
    return [*made, last.reshape(ends[-2], mpo.rows[-1], mpo.cols[-1], 1)]


def _back(factors: list[Array]) -> list[Array]:
    """Right isometries T^(k) = Vᵀ, the rest Uλ carried back."""
    rest = factors[-1]
    made: list[Array] = []
    for k in range(len(factors) - 1, 0, -1):
        u, s, vh = np.linalg.svd(rest.reshape(rest.shape[0], -1), full_matrices=False)
        made.insert(0, vh.reshape(-1, *rest.shape[1:]))
        rest = np.tensordot(factors[k - 1], u * s, 1)
    return [rest, *made]
