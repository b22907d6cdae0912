"""Does a loss see only the matrix, or also the arbitrary gauge of its factors?"""

import math
import random
from collections.abc import Callable, Iterator, Sequence

from array_api_compat import device

from .._arrays import Array, namespace
from .._blocks import reshare, unshare
from .._errors import TensorNetError
from .._format import Format
from .._unfold import along
from ._law import LawError

KINDS = ("orthogonal", "invertible", "decompose")


def assert_gauge_invariant(
    loss: Callable[[Sequence[Array]], Array],
    fmt: Format,
    factors: Sequence[Array],
    /,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
) -> None:
    """Evaluate `loss` on factors of one and the same matrix in several gauges.

    loss     factors → a number
    factors  unbatched factors of `fmt`
    rtol     relative difference allowed; by default a thousand roundings of the factors' dtype
    kinds    "orthogonal" and "invertible": a random G on every bond at once; "decompose": the gauges of fmt.decompose
    raises: LawError with both values if the loss moves; TensorNetError for an unknown kind
    """
    xp = namespace(*factors)
    rtol = 1000 * float(xp.finfo(factors[0].dtype).eps) if rtol is None else rtol
    here = float(loss(factors))
    for what, moved in regauged(fmt, factors, kinds=kinds, seed=seed):
        there = float(loss(moved))
        if not abs(there - here) <= atol + rtol * max(abs(here), abs(there)):
            raise LawError(
                f"assert_gauge_invariant: {fmt!r}: the loss is {here!r} on the factors given and {there!r} in a gauge "
                f"of kind {what}, needed the same within {rtol:.0e} relative and {atol:.0e} absolute, because both are "
                f"the same matrix; compare contractions, Gram matrices or aligned factors instead of raw ones",
                "gauge invariance",
            )


def regauged(
    fmt: Format, factors: Sequence[Array], /, *, kinds: Sequence[str] = KINDS, seed: int = 0
) -> Iterator[tuple[str, tuple[Array, ...]]]:
    """(kind, factors of the same matrix) for other gauges."""
    for kind in kinds:
        if kind == "decompose":
            yield from _decomposed(fmt, factors)
        elif kind in KINDS:
            yield kind, random_gauge(fmt, factors, orthogonal=kind == "orthogonal", seed=seed)
        else:
            raise TensorNetError(
                f"assert_gauge_invariant: unknown kind of gauge {kind!r}; there are {', '.join(KINDS)}; choose "
                f"among them"
            )


def random_gauge(fmt: Format, factors: Sequence[Array], /, *, orthogonal: bool, seed: int = 0) -> tuple[Array, ...]:
    """The same matrix with a random G on one side of every bond and its inverse on the other; for each block its own."""
    network, moved = unshare(fmt.network, factors)
    draw, lead = random.Random(seed), tuple(fmt.network.size[i] for i in fmt.network.shared)
    for bond in network.bonds:
        g, inverse = _pairs(factors[0], lead, network.size[bond], draw, orthogonal=orthogonal)
        first, second = (k for k, f in enumerate(network.factors) if bond in f)
        for k, matrix in ((first, g), (second, namespace(g).matrix_transpose(inverse))):
            n = len(network.factors[k])
            moved[k] = along(moved[k], network.factors[k].index(bond) - n, n, matrix)
    return tuple(reshare(fmt.network, moved))


def _pairs(like: Array, lead: tuple[int, ...], d: int, draw: random.Random, *, orthogonal: bool) -> tuple[Array, Array]:
    """G and G⁻¹ (*lead, d, d), all different."""
    xp = namespace(like)
    pairs = [_pair(like, d, draw, orthogonal=orthogonal) for _ in range(math.prod([*lead]))]
    g, inverse = (xp.reshape(xp.stack(side), (*lead, d, d)) for side in zip(*pairs, strict=True))
    return g, inverse


def _pair(like: Array, d: int, draw: random.Random, *, orthogonal: bool) -> tuple[Array, Array]:
    """G = Q diag(s) Pᵀ and G⁻¹ = P diag(1/s) Qᵀ: exact, and never ill-conditioned."""
    xp = namespace(like)
    q, p = _rotation(like, d, draw), _rotation(like, d, draw)
    s = [1.0 if orthogonal else draw.uniform(0.5, 2.0) for _ in range(d)]
    stretch = xp.asarray(s, dtype=like.dtype, device=device(like))
    return xp.matmul(q * stretch, xp.matrix_transpose(p)), xp.matmul(p / stretch, xp.matrix_transpose(q))


def _rotation(like: Array, d: int, draw: random.Random) -> Array:
    xp = namespace(like)
    entries = [[draw.gauss(0.0, 1.0) for _ in range(d)] for _ in range(d)]
    signs = [draw.choice((-1.0, 1.0)) for _ in range(d)]  # QR of 1 × 1 never changes one
    entries, signs = (xp.asarray(x, dtype=like.dtype, device=device(like)) for x in (entries, signs))
    return xp.linalg.qr(entries)[0] * signs


def _decomposed(fmt: Format, factors: Sequence[Array]) -> Iterator[tuple[str, tuple[Array, ...]]]:
    for gauge in ("left", "right", "balanced"):
        try:
            yield f"decompose(gauge={gauge!r})", fmt.regauge(factors, gauge)
        except TensorNetError as error:
            if "gauge" not in str(error):  # a format may lack a gauge; any other refusal is news
                raise
