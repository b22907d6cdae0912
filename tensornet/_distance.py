"""‖A − B‖ of two networks: one network of their difference, and its norm by QR.

The overlap formula ‖A‖² + ‖B‖² − 2 Re⟨A, B⟩ loses in float32 every distance below √eps·‖A‖ ≈ 3e-4 ‖A‖; this one resolves
eps·‖A‖, of factors that do not cancel.
"""

from collections.abc import Sequence

from array_api_compat import device

from ._arrays import Array, filled, namespace
from ._errors import TensorNetError
from ._format import Format, check_is_format
from ._network import Network
from ._norm import network_norm
from ._precise import frobenius, precise

SIDE = "@side"  # 0 is A, 1 is B


def distance(fmt_a: Format, a: Sequence[Array], fmt_b: Format, b: Sequence[Array], /) -> Array:
    """‖A − B‖_F (*lead,) of the weights that the factors contract to, whatever their gauges.

    Computed and returned in the widest real dtype of the arrays' library, with a rounding error of about eps·‖A‖ of that
    dtype, or of eps times the terms that the factors add up where those cancel (√Σ_j ‖A_j‖²‖M_j‖² over a bond j, where
    A = Σ_j A_j ⊗ M_j: `truncate` counts it); norms that overflow when squared are safe. Networks of one graph, whatever
    their bonds, are never contracted to the dense A and B. Those of unlike graphs, and formats that pad, are: the error is
    of the same size.
    A constant for automatic differentiation, because that of QR is infinite where the difference is rank-deficient.

    raises: TensorNetError for weights of unlike shapes, unlike batch axes, or factors of another format
    """
    _check(fmt_a, a, fmt_b, b)
    wide = precise([*a, *b])
    a, b = wide[: len(a)], wide[len(a) :]
    if _one_graph(fmt_a, fmt_b):
        return _direct_sum(fmt_a.network, a, fmt_b.network, b)
    return frobenius(fmt_a.contract(a) - fmt_b.contract(b), a[0].ndim - len(fmt_a.shapes[0]))


def _check(fmt_a: Format, a: Sequence[Array], fmt_b: Format, b: Sequence[Array]) -> None:
    check_is_format("distance", fmt_a)
    check_is_format("distance", fmt_b)
    if fmt_a.shape != fmt_b.shape:
        raise TensorNetError(
            f"distance: A is of shape {fmt_a.shape} and B of {fmt_b.shape}, needed two weights of one shape, because the "
            f"distance is the norm of their difference; transpose or slice one of them"
        )
    leads = fmt_a.check_factors(a), fmt_b.check_factors(b)
    if leads[0] != leads[1]:
        raise TensorNetError(
            f"distance: A has the leading batch axes {leads[0]} and B has {leads[1]}, needed the same, because members are "
            f"compared one by one; broadcast the factors of one of them"
        )


def _one_graph(fmt_a: Format, fmt_b: Format) -> bool:
    """Whether the two differ in nothing but the sizes of bonds, and pad nothing."""
    one, other = fmt_a.network, fmt_b.network
    return (
        (one.factors, one.rows, one.cols) == (other.factors, other.rows, other.cols)
        and all(one.size[i] == other.size[i] for i in one.output)
        and fmt_a.matrix_shape == one.shape
        and fmt_b.matrix_shape == other.shape
    )


def _direct_sum(one: Network, a: Sequence[Array], other: Network, b: Sequence[Array]) -> Array:
    """The norm of A − B = Σ_s σ_s Π_k T_k[s], σ = (1, −1), T_k[0] = A_k and T_k[1] = B_k, both filled up to one shape.

    An index s that all factors carry says in no more words what block-diagonal factors say, without their zeros.
    """
    xp, sizes = namespace(*a), {i: max(s, other.size[i]) for i, s in one.sizes}
    sizes[SIDE] = 2
    arrays = []
    for indices, x, y in zip(one.factors, a, b, strict=True):
        shape = [sizes[i] for i in indices]
        arrays.append(xp.stack([filled(x, shape), filled(y, shape)], axis=x.ndim - len(indices)))
    lead = (1,) * (a[0].ndim - len(one.factors[0]))
    sign = xp.reshape(xp.asarray([1.0, -1.0], dtype=a[0].dtype, device=device(a[0])), (*lead, 2))
    sides = [(SIDE, *indices) for indices in one.factors]
    return network_norm([*sides, (SIDE,)], one.output, sizes, [*arrays, sign])
