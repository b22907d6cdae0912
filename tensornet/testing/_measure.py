"""Norms and distances as plain floats, safe for numbers whose squares over- or underflow."""

from collections.abc import Sequence

from .._arrays import Array, abs2, conj, namespace, nonzero


def largest(x: Array) -> float:
    return float(namespace(x).max(namespace(x).abs(x)))


def norm(x: Array) -> float:
    """The Frobenius norm."""
    return float(_norm(x))


def relative(got: Array, want: Array) -> float:
    """‖got − want‖ / ‖want‖; where want is zero, ‖got‖; of no entries, 0."""
    return 0.0 if 0 in got.shape else float(_relative(got, want))


def inner(a: Array, b: Array) -> float:
    """Re⟨a, b⟩."""
    xp = namespace(a, b)
    return float(xp.sum(a * b) if xp.isdtype(a.dtype, "real floating") else xp.sum(xp.real(conj(a) * b)))


def total_norm(arrays: Sequence[Array]) -> float:
    return sum(norm(a) ** 2 for a in arrays) ** 0.5


def equal(a: Array, b: Array) -> bool:
    """To the last bit (and no NaN)."""
    return bool(namespace(a, b).all(a == b))


def snapshot(x: Array) -> Array:
    return namespace(x).asarray(x, copy=True)


# Arrays in, arrays out: what a compiler can take as a whole.


def _norm(x: Array) -> Array:
    unit = _unit(x)
    return unit * namespace(x).sqrt(namespace(x).sum(abs2(x / unit)))


def _relative(got: Array, want: Array) -> Array:
    unit = _unit(want)
    return _norm(got / unit - want / unit) / nonzero(_norm(want / unit))


def _unit(x: Array) -> Array:
    """The largest absolute entry, or 1 where all are zero."""
    xp = namespace(x)
    return nonzero(xp.max(xp.abs(x)))
