"""How far each factor's step moves W, and the multiplier that makes it as far as a dense step."""

from collections.abc import Callable, Sequence
from typing import Any

from .._arrays import Array, namespace, nonzero
from .._errors import TensorNetError
from .._format import Format
from .._precise import frobenius
from ._probe import probe

RULES = ("sign", "gradient")


def check_rule(who: str, rule: Any) -> None:
    if rule not in RULES:
        raise TensorNetError(
            f"{who}: unknown rule {rule!r} of steps, needed one of {', '.join(RULES)}, because the step of a factor is "
            f"measured by it; take 'sign' for Adam and its kin, 'gradient' for SGD"
        )


def step_scales(fmt: Format, factors: Sequence[Array], /, *, rule: str = "sign") -> tuple[Array, ...]:
    """m_k: what to multiply the step of factor k by, so that one step moves W as far as a dense step at the same rate.

        m_k = 1/(n c_k),   c_k = RMS(contract(T_1 … S_k … T_n)) / RMS(S),   n the number of factors with c_k > 0

    for a fixed G that looks random: S_k is the step that `rule` takes on ∂⟨G, W⟩/∂T_k, and S the one it takes on G. Each
    factor then moves W by an n-th of a dense step, and all of them together by one where their shares agree, by less where
    they do not (0.8 to 1 was seen). A stack of matrices has scales of its own for each.

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
    dense = frobenius(step(g), 0)
    c = [
        frobenius(fmt.contract([*factors[:k], step(p), *factors[k + 1 :]]), lead) / dense for k, p in enumerate(pulled)
    ]
    return _inverse(c)


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


def _stacked(g: Array, like: Array, lead: int) -> Array:
    """The same G for each matrix of a stack, in the dtype of the factors."""
    xp = namespace(g)
    g = xp.astype(g, like.dtype, copy=False)
    return xp.broadcast_to(g, (*like.shape[:lead], *g.shape)) if lead else g


def _spread(scalar: Array, factor: Array) -> Array:
    """(*lead,) → (*lead, 1 … 1), to multiply a factor by."""
    return namespace(scalar).reshape(scalar, (*scalar.shape, *[1] * (factor.ndim - scalar.ndim)))
