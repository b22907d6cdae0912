"""Laws of decompose: what it gives back, in which numbers, and in whose memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from array_api_compat import device as device_of

from .._arrays import Array
from ._case import Case
from ._law import require
from ._matrices import matrices
from ._measure import equal, relative, snapshot


def reconstructs(case: Case) -> str | None:
    """contract(decompose(W)) = W, for every matrix that the format can hold, in every gauge."""
    if case.fmt.iterative:
        return "decompose searches, which a law of its own holds to what a search can promise"
    for what, w in matrices(case):
        for gauge in case.gauges:
            error = relative(case.fmt.contract(case.fmt.decompose(w, gauge=gauge)), w)
            found = f"a {what} W in gauge {gauge!r} comes back with a relative error of {error:.1e}"
            require(error <= case.tolerance, found, f"at most {case.tolerance:.0e}")
    return None


def identity_is_exact(case: Case) -> str | None:
    """In the identity gauge, W comes back to the last bit."""
    if "identity" not in case.gauges:
        return "the format has no identity gauge"
    for what, w in matrices(case):
        back = case.fmt.contract(case.fmt.decompose(w, gauge="identity"))
        require(equal(back, w), f"a {what} W changes by {relative(back, w):.1e}", "the same bits")
    return None


def half_precision_taken(case: Case) -> str | None:
    """bfloat16 and float16 weights are decomposed in float32."""
    case = replace(case, dtype=case.real_dtype)
    kinds = [k for k in ("bfloat16", "float16") if hasattr(case.xp, k)]
    for kind in kinds:
        w = case.xp.astype(case.normal(*case.fmt.shape), getattr(case.xp, kind))
        wide = case.xp.astype(w, case.xp.float32)
        factors = case.fmt.decompose(w)
        require(all(f.dtype == case.xp.float32 for f in factors), f"{kind} gives {factors[0].dtype}", "float32")
        # Of a rounded matrix the format may hold only part: then the same part as of the float32 matrix of equal value.
        want = wide if case.is_full else case.fmt.contract(case.fmt.decompose(wide))
        error = relative(case.fmt.contract(factors), want)
        require(error <= 3e-6, f"a {kind} W comes back with a relative error of {error:.1e}", "at most 3e-6")
    return None if kinds else "the library has no 16-bit floats"


def dtype_and_device_kept(case: Case) -> None:
    """Nothing is promoted, and nothing leaves its device."""
    fmt, w = case.fmt, case.weight()
    for gauge in case.gauges:
        factors = fmt.decompose(w, gauge=gauge)
        x = case.normal(2, fmt.matrix_shape[1])
        results = [*factors, fmt.contract(factors), fmt.apply(factors, x), fmt.apply(factors, x[:0, :])]
        results += fmt.pullback(factors, w)
        for made in results:
            got, want = (made.dtype, device_of(made)), (w.dtype, device_of(w))
            require(got == want, f"gauge {gauge!r} gives {got}", f"{want}")


def owns_its_memory(case: Case) -> str | None:
    """What is made may be updated in place: factors, W and gradients share no memory, nor with what they are made of."""
    fmt, w = case.fmt, case.weight()
    if not _overwrite(snapshot(w), 0.0):
        return "arrays of this library do not change"
    for gauge in case.gauges:
        _check_memory(f"in gauge {gauge!r}, writing to factor {{}}", fmt.decompose(w, gauge=gauge), {"the weight": w})
    factors = fmt.decompose(w)
    given = {f"factor {k}": f for k, f in enumerate(factors)}
    made, pull = fmt.linearize(factors)
    for what, result in (("contract", fmt.contract(factors)), ("linearize", made)):
        _check_memory(f"writing to the result of {what}", [result], given)
    given["the gradient of W"] = w
    for what, pulled in (("pullback", fmt.pullback(factors, w)), ("linearize", pull(w))):
        _check_memory(f"writing to gradient {{}} of {what}", pulled, given)
    return None


def _check_memory(what: str, made: Sequence[Array], given: Mapping[str, Array]) -> None:
    """Writing to each of `made` changes no other of them, and nothing that was given."""
    kept, before = [snapshot(x) for x in made], {name: snapshot(x) for name, x in given.items()}
    for k, x in enumerate(made):
        x[...] = kept[k] + 1.0
        others = all(equal(y, o + 1.0 if n <= k else o) for n, (y, o) in enumerate(zip(made, kept, strict=True)))
        require(others, f"{what.format(k)} changes another", "memory of its own")
        for name, y in given.items():
            require(equal(y, before[name]), f"{what.format(k)} changes {name}", "a copy")


def _overwrite(x: Array, value: float) -> bool:
    try:
        x[...] = value
    except TypeError:
        return False
    return True
