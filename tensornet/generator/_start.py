"""What a generator begins with: as published, or from the teacher."""

from collections import Counter
from typing import TYPE_CHECKING

from array_api_compat import device

from .._arrays import Array, checked_weight, eye, namespace, working_dtype
from ._linear import mapped, mixed
from ._selection import selected

if TYPE_CHECKING:
    from ._generated import Generated
    from ._generator import Generator

STARTS = ("teacher", "published")


def begun(generated: "Generated", w: Array, *, check_finite: bool) -> tuple[Array, ...]:
    """The factors in the working dtype of w and on its device."""
    generator, xp = generated.generator, namespace(w)
    for name, t in zip(generator.sources, generated.layers, strict=True):
        checked_weight(f"Generated: {name}", t, check_finite=check_finite, takes_complex=False)
    one = xp.ones(generator.shape, dtype=working_dtype(w, xp), device=device(w))
    zero = xp.zeros_like(one)
    if generated.begins == "published":
        return (*_published(generated, one), one, zero)
    linear = _informed(generator, one)
    s = mapped(generator, linear, mixed(generator, generated.layers, [*linear, one, zero]), generator.order)
    bent = xp.tanh(s)
    # W = Ŝ/tanh Ŝ, and its limit 1 where Ŝ is 0
    return (*linear, xp.where(bent == 0, one, s / xp.where(bent == 0, one, bent)), zero)


def _published(generated: "Generated", like: Array) -> list[Array]:
    generator, normal, xp = generated.generator, generated.normal, namespace(like)
    assert normal is not None, "a published start has random numbers"
    squares = generator.shapes[: len(generator.mapped) + (generator.depth > 1)]
    made = [xp.asarray(normal(s), dtype=like.dtype, device=device(like)) * (2 / sum(s)) ** 0.5 for s in squares]
    n = generator.depth
    return made if n == 1 else [*made, xp.full((n,), 1 / n, dtype=like.dtype, device=device(like))]


def _informed(generator: "Generator", like: Array) -> list[Array]:
    """Maps that select, and w that takes the group's last layer: averaged layers are none, because their units do not
    correspond.
    """
    maps = [_map(generator, axis, like) for axis in generator.mapped]
    n, xp = generator.depth, namespace(like)
    last = xp.astype(xp.arange(n, device=device(like)) == n - 1, like.dtype)
    return [*maps, *([eye(n, n, like), last] if n > 1 else [])]


def _map(generator: "Generator", axis: int, like: Array) -> Array:
    """(t, s) with one entry in each column; what is read of a unit that is there c times is divided by c, as in Net2Net."""
    xp, t, s = namespace(like), generator.teacher[axis], generator.shape[axis]
    units = selected(t, s, generator.widths)
    times = Counter(units)
    reads = axis > 0 and not generator.table
    share = xp.asarray([1 / times[u] if reads else 1.0 for u in units], dtype=like.dtype, device=device(like))
    chosen = xp.asarray(units, device=device(like))[None, :] == xp.arange(t, device=device(like))[:, None]
    return xp.astype(chosen, like.dtype) * share
