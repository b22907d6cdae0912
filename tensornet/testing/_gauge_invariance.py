"""Does a loss see only the matrix, or also the arbitrary gauge of its factors?"""

import cmath
import math
import random
from collections.abc import Callable, Iterator, Sequence

from array_api_compat import device

from .._arrays import Array, adjoint, eye, is_complex, namespace
from .._blocks import reshare, unshare
from .._errors import TensorNetError
from .._format import Format
from .._unfold import along
from ._law import LawError
from ._measure import equal

KINDS = ("orthogonal", "invertible", "decompose")
TRIES = 64  # a sign is no other half of the time


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
    kinds    "orthogonal" and "invertible": a random G on every bond at once, and on an index that more factors share than
             two, permuted scales that cancel; "decompose": the gauges of fmt.decompose
    raises: LawError with both values if the loss moves; TensorNetError for an unknown kind, or if no gauge is another one
    """
    xp = namespace(*factors)
    rtol = 1000 * float(xp.finfo(factors[0].dtype).eps) if rtol is None else rtol
    here, others = float(loss(factors)), list(regauged(fmt, factors, kinds=kinds, seed=seed))
    if not any(_differ(factors, moved) for _, moved in others):
        raise TensorNetError(
            f"assert_gauge_invariant: {fmt!r}: none of the gauges of kinds {', '.join(kinds) or 'none'} moves these factors, "
            f"needed one that does, because any loss is invariant where nothing moves; take a format with an index that is "
            f"summed over, factors that are not zero, or more kinds"
        )
    for what, moved in others:
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
    """The same matrix with a random G on one side of every bond and its inverse on the other; for each block its own.

    An index that more factors share than two takes no G but a permutation and scales: signs, or phases, where `orthogonal`.
    """
    draw, moved = random.Random(seed), tuple(factors)
    for _ in range(TRIES):
        moved = _moved(fmt, factors, draw, orthogonal=orthogonal)
        if _differ(factors, moved):
            break
    return moved


def _differ(one: Sequence[Array], other: Sequence[Array]) -> bool:
    return not all(equal(a, b) for a, b in zip(one, other, strict=True))


def _moved(fmt: Format, factors: Sequence[Array], draw: random.Random, *, orthogonal: bool) -> tuple[Array, ...]:
    network, moved = unshare(fmt.network, factors)
    lead = tuple(fmt.network.size[i] for i in fmt.network.shared)
    for index in network.summed:
        holders, d = [k for k, f in enumerate(network.factors) if index in f], network.size[index]
        if index in network.bonds:
            g, inverse = _pairs(factors[0], lead, d, draw, orthogonal=orthogonal)
            sides = [g, namespace(g).matrix_transpose(inverse)]
        else:
            sides = _scales(factors[0], len(holders), d, draw, orthogonal=orthogonal)
        for k, matrix in zip(holders, sides, strict=True):
            n = len(network.factors[k])
            moved[k] = along(moved[k], network.factors[k].index(index) - n, n, matrix)
    return tuple(reshare(fmt.network, moved))


def _scales(like: Array, count: int, d: int, draw: random.Random, *, orthogonal: bool) -> list[Array]:
    """`count` matrices P diag(s_k) with one permutation P, which leaves nothing in its place; the product of all s_k is 1."""
    xp = namespace(like)
    permuted = xp.roll(eye(d, d, like), draw.randrange(1, d) if d > 1 else 0, axis=0)

    def scale() -> complex:
        return _sign(like, draw) * (1.0 if orthogonal else draw.uniform(0.5, 2.0))

    s = [[scale() for _ in range(d)] for _ in range(count - 1)]
    s.append([1 / math.prod(column) for column in zip(*s, strict=True)])
    return [permuted * xp.asarray(row, dtype=like.dtype, device=device(like)) for row in s]


def _pairs(like: Array, lead: tuple[int, ...], d: int, draw: random.Random, *, orthogonal: bool) -> tuple[Array, Array]:
    """G and G⁻¹ (*lead, d, d), all different."""
    xp = namespace(like)
    pairs = [_pair(like, d, draw, orthogonal=orthogonal) for _ in range(math.prod([*lead]))]
    g, inverse = (xp.reshape(xp.stack(side), (*lead, d, d)) for side in zip(*pairs, strict=True))
    return g, inverse


def _pair(like: Array, d: int, draw: random.Random, *, orthogonal: bool) -> tuple[Array, Array]:
    """G = Q diag(s) Pᴴ and G⁻¹ = P diag(1/s) Qᴴ: exact, and never ill-conditioned."""
    xp = namespace(like)
    q, p = _rotation(like, d, draw), _rotation(like, d, draw)
    s = [1.0 if orthogonal else draw.uniform(0.5, 2.0) for _ in range(d)]
    stretch = xp.asarray(s, dtype=like.dtype, device=device(like))
    return xp.matmul(q * stretch, adjoint(p)), xp.matmul(p / stretch, adjoint(q))


def _rotation(like: Array, d: int, draw: random.Random) -> Array:
    """Of complex factors a unitary that is not real: in no other does a conjugation show that is missing."""
    xp = namespace(like)

    def entry() -> complex:
        return complex(draw.gauss(0.0, 1.0), draw.gauss(0.0, 1.0)) if is_complex(like) else draw.gauss(0.0, 1.0)

    entries = [[entry() for _ in range(d)] for _ in range(d)]
    signs = [_sign(like, draw) for _ in range(d)]  # QR of 1 × 1 never changes one
    entries, signs = (xp.asarray(x, dtype=like.dtype, device=device(like)) for x in (entries, signs))
    return xp.linalg.qr(entries)[0] * signs


def _sign(like: Array, draw: random.Random) -> complex:
    """Of a complex array a phase."""
    return cmath.rect(1.0, draw.uniform(0.0, 2 * cmath.pi)) if is_complex(like) else draw.choice((-1.0, 1.0))


def _decomposed(fmt: Format, factors: Sequence[Array]) -> Iterator[tuple[str, tuple[Array, ...]]]:
    for gauge in ("left", "right", "balanced"):
        try:
            yield f"decompose(gauge={gauge!r})", fmt.regauge(factors, gauge)
        except TensorNetError as error:
            if "gauge" not in str(error):  # a format may lack a gauge; any other refusal is news
                raise
