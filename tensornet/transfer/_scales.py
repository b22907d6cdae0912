"""How much each factor's step does for W, and the multiplier that makes it as much as a dense step does."""

from collections.abc import Callable, Sequence
from typing import Any

from .._arrays import Array, conj, is_complex, namespace, nonzero
from .._errors import TensorNetError
from .._format import Format
from .._precise import frobenius
from ._bound import FURTHEST
from ._probe import probe

RULES = ("sign", "gradient")


def check_rule(who: str, rule: Any) -> None:
    if rule not in RULES:
        raise TensorNetError(
            f"{who}: unknown rule {rule!r} of steps, needed one of {', '.join(RULES)}, because the step of a factor is "
            f"measured by it; take 'sign' for Adam and its kin, 'gradient' for SGD"
        )


def step_scales(fmt: Format, factors: Sequence[Array], /, *, rule: str = "sign") -> tuple[Array, ...]:
    """m_k: what to multiply the step of factor k by, so that one step does as much as a dense step at the same rate.

        m_k = 1/(n c_k),   c_k = max(⟨S_k, ∂_k⟩ / ⟨S, G⟩, RMS(contract(T_1 … S_k … T_n)) / (FURTHEST · RMS(S))),
        ∂_k = ∂⟨G, W⟩/∂T_k,   n the number of factors with c_k > 0

    for a fixed G that looks random: S is the step that `rule` takes on G, and S_k the one it takes on ∂_k. To first order each
    factor then lowers ⟨G, W⟩ by an n-th of what a dense step does, and all of them together by as much; unless, as in a format
    that holds little of G, W would have to go more than FURTHEST times as far for that. A stack of matrices has scales of its
    own for each.

    Where c_k = 0, as beside a factor of zeros, a step of T_k moves W by nothing, and no multiplier would change that: m_k is 0,
    and the others do it all. So a zero weight begins with the one factor that can move; measure anew after the first steps.

    rule     "sign": S = sign, of a length that no gradient changes (Adam, AdamW, RMSprop, Lion); "gradient": S = G (SGD)
    factors  (*lead, *shape) for each of `fmt.shapes`
    returns: one array (*lead,) a factor, in its dtype; real. jit-safe
    raises: TensorNetError for an unknown rule, or factors of another format
    """
    check_rule("step_scales", rule)
    lead = len(fmt.check_factors(factors))
    g = probe(fmt.shape, factors[0])
    pulled = fmt.pullback(factors, _stacked(g, factors[0], lead))
    step: Callable[[Array], Array] = _sign if rule == "sign" else lambda x: x
    s, steps = step(g), [step(p) for p in pulled]
    slope, length = _inner(s, g, 0), FURTHEST * frobenius(s, 0)
    slopes = [_inner(u, p, lead) / slope for u, p in zip(steps, pulled, strict=True)]
    terms = (fmt.contract([*factors[:k], u, *factors[k + 1 :]]) for k, u in enumerate(steps))
    lengths = [frobenius(w, lead) / length for w in terms]
    return _inverse([namespace(a, b).maximum(a, b) for a, b in zip(slopes, lengths, strict=True)])


def lent(factors: Sequence[Array], scales: Sequence[Array], /) -> tuple[Array, ...]:
    """c_k T_k: the factors as the inner rule is to see them, whose step u_k is taken as T_k + m_k u_k.

    A rule that shrinks what it sees, u = −η λ c_k T_k, then shrinks T_k by η λ/n, and W by η λ, as weight decay of a dense
    weight does; so does one whose step grows with the norm of what it sees.
    """
    return tuple(f * _spread(c, f) for f, c in zip(factors, _inverse(scales), strict=True))


def moved(factors: Sequence[Array], scales: Sequence[Array], steps: Sequence[Array], /) -> tuple[Array, ...]:
    """T_k + m_k u_k."""
    return tuple(f + _spread(m, f) * u for f, m, u in zip(factors, scales, steps, strict=True))


def _inverse(x: Sequence[Array]) -> tuple[Array, ...]:
    """1/(n x_k) over the n of x that have an inverse, and 0 for the others; so c → m and back."""
    xp = namespace(*x)
    alive = [xp.astype(v >= xp.finfo(v.dtype).smallest_normal, v.dtype) for v in x]
    n = nonzero(sum(alive[1:], alive[0]))
    return tuple(a / (n * xp.where(a > 0, v, xp.ones_like(v))) for a, v in zip(alive, x, strict=True))


def _sign(x: Array) -> Array:
    """x/|x|, and 0 for 0; of complex numbers too."""
    return x / nonzero(namespace(x).abs(x))


def _inner(x: Array, y: Array, lead: int) -> Array:
    """Re⟨x, y⟩ (*lead,)"""
    xp, terms = namespace(x, y), conj(x) * y
    real = xp.real(terms) if is_complex(terms) else terms
    return xp.sum(real, axis=tuple(range(lead, x.ndim)))


def _stacked(g: Array, like: Array, lead: int) -> Array:
    """The same G for each matrix of a stack, in the dtype of the factors."""
    xp = namespace(g)
    g = xp.astype(g, like.dtype, copy=False)
    return xp.broadcast_to(g, (*like.shape[:lead], *g.shape)) if lead else g


def _spread(scalar: Array, factor: Array) -> Array:
    """(*lead,) → (*lead, 1 … 1), to multiply a factor by."""
    return namespace(scalar).reshape(scalar, (*scalar.shape, *[1] * (factor.ndim - scalar.ndim)))
