"""What the core asks of an array library, beyond the Python array API standard."""

import sys
from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace, device, is_jax_array, is_torch_array

from ._errors import TensorNetError

Array = Any  # any array of any library that array_api_compat knows


def namespace(*arrays: Array) -> Any:
    """The array-API namespace that all of `arrays` belong to; mixing libraries is an error."""
    try:
        return array_namespace(*arrays)
    except TypeError as error:
        kinds = sorted({f"{type(a).__module__}.{type(a).__qualname__}" for a in arrays})
        raise TensorNetError(
            f"tensornet: got {', '.join(kinds)}; all arrays of one call must come from one array library, because the "
            f"result has to; convert them first, e.g. with xp.from_dlpack"
        ) from error


def is_complex(x: Array) -> bool:
    return bool(namespace(x).isdtype(x.dtype, "complex floating"))


def conj(x: Array) -> Array:
    """x̄; of a real array, itself."""
    return namespace(x).conj(x) if is_complex(x) else x


def adjoint(x: Array) -> Array:
    """xᴴ of a stack of matrices."""
    return conj(namespace(x).matrix_transpose(x))


def abs2(x: Array) -> Array:
    """|x|², real."""
    return namespace(x).real(x * conj(x)) if is_complex(x) else x * x


def widest(x: Array) -> Array:
    """`x` in the most precise dtype of its kind that its library has on its device: float64 where there is one.

    JAX without x64 has float32 only, and so may an accelerator.
    """
    xp = namespace(x)
    kind = "complex floating" if is_complex(x) else "real floating"
    known = xp.__array_namespace_info__().dtypes(kind=kind, device=device(x))
    name = "complex128" if is_complex(x) else "float64"
    return xp.astype(x, known.get(name, working_dtype(x, xp)), copy=False)


def working_dtype(x: Array, xp: Any) -> Any:
    """The dtype to factorise `x` in: its own, or float32 for 16-bit floats, which no SVD or QR accepts."""
    return xp.float32 if xp.finfo(x.dtype).bits < 32 else x.dtype


def checked_weight(who: str, w: Array, *, check_finite: bool, takes_complex: bool = True) -> Array:
    """A constant copy of `w` in its working dtype, or an error that says what is wrong with it."""
    xp = namespace(w)
    if 0 in w.shape:
        raise TensorNetError(
            f"{who}: got a weight of shape {tuple(w.shape)}, needed at least one entry, because there is nothing in it to "
            f"factorise; leave it out"
        )
    kinds = ("real floating", "complex floating") if takes_complex else ("real floating",)
    if not xp.isdtype(w.dtype, kinds):
        raise TensorNetError(
            f"{who}: got a weight of dtype {w.dtype}, needed a {' or '.join(kinds)} dtype, because factors of other numbers "
            f"are not of their kind; convert it first, e.g. xp.astype(w, xp.float32)"
        )
    if check_finite:
        refuse_nonfinite(who, w, xp)
    return xp.astype(constant(w), working_dtype(w, xp), copy=not is_jax_array(w))  # JAX arrays cannot be written to


def refuse_nonfinite(who: str, w: Array, xp: Any) -> None:
    finite = xp.isfinite(w)
    try:
        good = bool(xp.all(finite))
    except TypeError as error:  # a traced value has no truth: say what to do instead of failing deep inside
        raise TensorNetError(
            f"{who}: got a traced weight, whose values cannot be looked at for NaN and Inf; call it outside jit, or "
            f"pass check_finite=False and check the weight yourself"
        ) from error
    if not good:
        count = int(xp.sum(xp.astype(~finite, xp.int32)))
        raise TensorNetError(
            f"{who}: the weight of shape {tuple(w.shape)} has {count} NaN or Inf entries; a factorisation would spread "
            f"them over every factor; repair the weight (a diverged checkpoint?) before decomposing it"
        )


def eye(n: int, m: int, like: Array, lead: tuple[int, ...] = ()) -> Array:
    """Identity (*lead, n, m) with the dtype and device of `like`."""
    xp = namespace(like)
    identity = xp.eye(n, m, dtype=like.dtype, device=device(like))
    return identity + xp.zeros(lead + (1, 1), dtype=like.dtype, device=device(like)) if lead else identity


def nonzero(x: Array) -> Array:
    """x > 0, and 1 where it is 0: what to divide by when 0/0 should be 0."""
    xp = namespace(x)
    return xp.where(x > 0, x, xp.ones_like(x))


def filled(x: Array, shape: Sequence[int]) -> Array:
    """x (*lead, …) with zeros after its entries, up to (*lead, *shape)."""
    xp, lead = namespace(x), x.ndim - len(shape)
    for axis, wanted in enumerate(shape, start=lead):
        if x.shape[axis] < wanted:
            missing = (*x.shape[:axis], wanted - x.shape[axis], *x.shape[axis + 1 :])
            x = xp.concat([x, xp.zeros(missing, dtype=x.dtype, device=device(x))], axis=axis)
    return x


def constant(x: Array) -> Array:
    """`x` with no gradient flowing through it.

    The array API knows no autograd. The two libraries that have one are reached through what the caller already loaded,
    so that nothing is imported here.
    """
    if is_torch_array(x):
        return x.detach()
    if is_jax_array(x):
        return sys.modules["jax"].lax.stop_gradient(x)
    return x
