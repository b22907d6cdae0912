"""Chains: decompositions of a tensor w[m_1, …, m_n] into factors T_k[d_{k-1}, m_k, d_k].

Everything an MPO (m_k = i_k·j_k) and a low-rank pair (m = rows, cols) need. Leading batch axes are carried along.

The factor where the product d_{k-1}·m_k·d_k is largest is the *peak*. At full bonds it has as many entries as w, the
factors before it are square (d_{k-1}·m_k = d_k) and those after it too (m_k·d_k = d_{k-1}). That is why floors and
identities are put away from the peak: with invertible surroundings, a change of the peak alone reaches every change of w.
"""

import math
from collections.abc import Sequence

from ._arrays import Array, adjoint, eye, namespace
from ._errors import TensorNetError
from ._gauge import Gauge
from ._precise import at_the_ends, mantissa, shifted

Sizes = tuple[int, ...]

# Schmidt values below FLOOR × the largest are not split evenly: √0·√0 would leave both sides without a gradient for ever.
FLOOR = 1e-3


def full_bonds(modes: Sizes) -> Sizes:
    """d_k = min(m_1⋯m_k, m_{k+1}⋯m_n), k = 1…n-1 (OPDF, arXiv 2411.06448, eq. 3)."""
    return tuple(min(math.prod(modes[:k]), math.prod(modes[k:])) for k in range(1, len(modes)))


def shapes(modes: Sizes, bonds: Sizes) -> tuple[tuple[int, int, int], ...]:
    ends = (1, *bonds, 1)
    return tuple((ends[k], m, ends[k + 1]) for k, m in enumerate(modes))


def peak(modes: Sizes, bonds: Sizes) -> int:
    sizes = [math.prod(s) for s in shapes(modes, bonds)]
    return sizes.index(max(sizes))


def fill(who: str, w: Array, modes: Sizes, bonds: Sizes, gauge: Gauge, centre: int) -> list[Array]:
    """Factors (*lead, d, m, d') of w (*lead, Πm) in `gauge`; `centre` serves the orthogonal gauges."""
    at, full = peak(modes, bonds), bonds == full_bonds(modes)
    if gauge == "identity" and not full:
        raise TensorNetError(
            f"{who}: the identity gauge needs full bonds {full_bonds(modes)}, this format has {bonds}, into which "
            f"not every matrix fits; take the full ones or gauge='balanced', which truncates by SVD"
        )
    if gauge == "identity":
        return embed(w, modes)
    w, exponent = mantissa(w, w.ndim - 1)  # no square of these over- or underflows, and no bit is lost
    if gauge == "balanced":
        return _balanced(*schmidt(w, modes, bonds), at, exponent)
    factors = sweep(embed(w, modes) if full else schmidt(w, modes, bonds)[0], at, centre)
    factors[centre] = shifted(factors[centre], exponent)
    return factors


def _balanced(factors: list[Array], spectra: list[Array], at: int, exponent: Array) -> list[Array]:
    """`balance` of 2^exponent (*lead,) times the tensor, the first and the last having √ each: it may have no norm."""
    entries = math.prod([f.shape[-2] for f in factors])
    ends = at_the_ends(exponent, entries)
    factors[at] = shifted(factors[at], exponent - ends)
    made = balance(factors, [shifted(s, exponent - ends) for s in spectra], at)
    for k in (0, -1):
        made[k] = shifted(made[k], ends / 2)
    return made


def embed(w: Array, modes: Sizes) -> list[Array]:
    """Identity gauge, exact to the last bit: w (*lead, Πm) is the peak, the other factors are identities."""
    xp, lead = namespace(w), tuple(w.shape[:-1])
    bonds = full_bonds(modes)
    at = peak(modes, bonds)
    factors = []
    for k, (a, m, b) in enumerate(shapes(modes, bonds)):
        filled = w if k == at else eye(a * m, b, w, lead) if k < at else eye(a, m * b, w, lead)
        factors.append(xp.reshape(filled, lead + (a, m, b)))
    return factors


def sweep(factors: Sequence[Array], start: int, stop: int) -> list[Array]:
    """Move the orthogonality centre from factor `start` to `stop` by QR: isometries are left behind on the way."""
    factors = list(factors)
    for k in range(start, stop):  # T_k = Q R, T_k ← Q, T_{k+1} ← R T_{k+1}
        q, r = namespace(factors[k]).linalg.qr(_tall(factors[k]))
        factors[k], factors[k + 1] = _as(factors[k], q), _times(r, factors[k + 1])
    for k in range(start, stop, -1):  # T_kᴴ = Q R, T_k ← Qᴴ, T_{k-1} ← T_{k-1} Rᴴ
        xp = namespace(factors[k])
        q, r = xp.linalg.qr(adjoint(_wide(factors[k])))
        factors[k] = _as(factors[k], adjoint(q))
        factors[k - 1] = xp.matmul(factors[k - 1], _lead_matrix(adjoint(r)))
    return factors


def schmidt(w: Array, modes: Sizes, bonds: Sizes) -> tuple[list[Array], list[Array]]:
    """Factors in orthogonal form around the peak, and the Schmidt values (*lead, d_k) of every bond.

    w: (*lead, Πm). Truncated to `bonds` where those are less than full: sequential SVDs towards the peak, a
    quasi-optimal truncation (Oseledets 2011, doi 10.1137/090752286, thm. 2.2).
    """
    xp, lead, ends = namespace(w), tuple(w.shape[:-1]), (1, *bonds, 1)
    at, n = peak(modes, bonds), len(modes)
    left: list[Array] = []
    right: list[Array] = []
    spectra: list[Array] = [None] * len(bonds)
    rest = w
    for k in range(at):
        m = xp.reshape(rest, lead + (ends[k] * modes[k], -1))
        u, s, _ = xp.linalg.svd(m, full_matrices=False)
        u, spectra[k] = u[..., : bonds[k]], s[..., : bonds[k]]
        left.append(xp.reshape(u, lead + (ends[k], modes[k], bonds[k])))
        rest = xp.matmul(adjoint(u), m)
    for k in range(n - 1, at, -1):
        m = xp.reshape(rest, lead + (-1, modes[k] * ends[k + 1]))
        _, s, vh = xp.linalg.svd(m, full_matrices=False)
        vh, spectra[k - 1] = vh[..., : bonds[k - 1], :], s[..., : bonds[k - 1]]
        right.insert(0, xp.reshape(vh, lead + (bonds[k - 1], modes[k], ends[k + 1])))
        rest = xp.matmul(m, adjoint(vh))
    centre = xp.reshape(rest, lead + (ends[at], modes[at], ends[at + 1]))
    # One step of iterative refinement: a float32 SVD leaves isometries that are orthogonal to 1e-6 only, and what they
    # miss of w comes back here (2.4e-6 → 4e-7 relative on 2048 × 1152 with MKL, for two GEMMs).
    missed = w - xp.reshape(_expand(centre, left, right), w.shape)
    centre = centre + xp.reshape(_project(missed, left, right), centre.shape)
    return [*left, centre, *right], spectra


def balance(factors: Sequence[Array], spectra: Sequence[Array], at: int) -> list[Array]:
    """Split the Schmidt values evenly over each bond: T_k ← D_{k-1} T_k D_k.

    Bond k is scaled by g_k = `even`(λ) on the side away from the peak and 1/g_k on the other: the surroundings of the peak
    stay invertible, below the floor too.
    """
    factors = list(factors)
    for k, values in enumerate(spectra):
        g = even(values)
        outward, inward = (k, k + 1) if k < at else (k + 1, k)
        factors[outward] = _scale(factors[outward], g, last=outward == k)
        factors[inward] = _scale(factors[inward], 1 / g, last=inward == k)
    return factors


def even(values: Array) -> Array:
    """√max(λ, FLOOR·λ_max) of descending λ (*lead, d): √λ but for those below the floor, and 1 where all are zero.

    A floor that is no normal number counts as zero: its inverse may be infinite.
    """
    xp, floor = namespace(values), FLOOR * values[..., :1]
    usual = floor >= xp.finfo(floor.dtype).smallest_normal
    return xp.sqrt(xp.maximum(values, xp.where(usual, floor, xp.ones_like(floor))))


def _project(w: Array, left: Sequence[Array], right: Sequence[Array]) -> Array:
    """The centre of w seen through the isometries: L₁ᴴ … w … R_nᴴ."""
    xp = namespace(w)
    lead = tuple(w.shape[:-1])
    for a in left:
        matrix = _tall(a)
        w = xp.matmul(adjoint(matrix), xp.reshape(w, lead + (matrix.shape[-2], -1)))
    for b in reversed(right):
        matrix = _wide(b)
        w = xp.matmul(xp.reshape(w, lead + (-1, matrix.shape[-1])), adjoint(matrix))
    return w


def _expand(centre: Array, left: Sequence[Array], right: Sequence[Array]) -> Array:
    """The adjoint of `_project`: the tensor that the isometries and the centre contract to."""
    xp, lead = namespace(centre), tuple(centre.shape[:-3])
    w = centre
    for b in right:
        matrix = _wide(b)
        w = xp.matmul(xp.reshape(w, lead + (-1, matrix.shape[-2])), matrix)
    for a in reversed(left):
        matrix = _tall(a)
        w = xp.matmul(matrix, xp.reshape(w, lead + (matrix.shape[-1], -1)))
    return w


def _tall(factor: Array) -> Array:
    *lead, a, m, b = factor.shape
    return namespace(factor).reshape(factor, (*lead, a * m, b))


def _wide(factor: Array) -> Array:
    *lead, a, m, b = factor.shape
    return namespace(factor).reshape(factor, (*lead, a, m * b))


def _as(factor: Array, matrix: Array) -> Array:
    return namespace(factor).reshape(matrix, factor.shape)


def _times(matrix: Array, factor: Array) -> Array:
    return _as(factor, namespace(factor).matmul(matrix, _wide(factor)))


def _lead_matrix(matrix: Array) -> Array:
    """(*lead, b, c) → (*lead, 1, b, c), to multiply the last axis of a stack of matrices."""
    return matrix[..., None, :, :]


def _scale(factor: Array, g: Array, *, last: bool) -> Array:
    return factor * (g[..., None, None, :] if last else g[..., :, None, None])
