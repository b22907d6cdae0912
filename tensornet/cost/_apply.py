"""x @ W.T from the factors of W, the way that a Choice takes."""

import math
import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from array_api_compat import device, is_array_api_obj

from .._arrays import Array, constant, filled, is_complex, namespace
from .._cached import untraced
from .._contract import advance, contract, finish, squeezed
from .._errors import TensorNetError
from .._network import Network
from .._path import Order, Path
from ._choice import Choice, choose
from ._machine import Machine

if TYPE_CHECKING:
    from ._applicable import Applicable

KEPT = 256  # paths of a format, one for each number of rows


def explain(fmt: "Applicable", batch: int, *, lead: int = 1, itemsize: int = 4, **options: Any) -> Choice:
    """The choice for a format, whose matrix may be smaller than what its network contracts to."""
    return choose(fmt.network, **_asked(fmt, batch, lead, itemsize), **options)


def _asked(fmt: "Applicable", batch: int, lead: int, itemsize: int) -> dict[str, Any]:
    """What `choose` is told of a format and of x (batch, in)."""
    padded = fmt.matrix_shape != fmt.network.shape
    beside = lead * itemsize * batch * sum(fmt.matrix_shape) if padded else 0  # x and y without their padding
    who = f"{type(fmt).__name__}.apply"
    return {"batch": batch, "who": who, "lead": lead, "itemsize": itemsize, "beside": beside}


def apply(
    fmt: "Applicable",
    factors: Sequence[Array],
    x: Array,
    *,
    memory: int | None = None,
    gradients: bool = True,
    machine: Machine | None = None,
) -> Array:
    """`Applicable.apply`. Paths are kept in a plain dict: torch.compile looks through the cache of Path into its search."""
    lead = fmt.check_factors(factors)
    _check(fmt, x, lead)
    xp, axes = namespace(x, *factors), tuple(x.shape[len(lead) : -1])
    batch = operator.index(math.prod([*axes]))  # a number, also where torch.compile has a symbol
    volume = math.prod([*lead])
    if batch * volume == 0:
        return xp.zeros((*lead, *axes, fmt.matrix_shape[0]), dtype=x.dtype, device=device(x))
    size = itemsize(x)  # dtypes of two libraries are not to be compared, as keys are
    key, known = (batch, volume, size, memory, gradients, machine), fmt._choices
    if key not in known:
        if len(known) >= KEPT:  # where every batch is of another size, the oldest goes
            known.pop(next(iter(known)), None)
        n, options = fmt.network, {"memory": memory, "gradients": gradients, "machine": machine}
        order = _order((n.factors, n.rows, n.cols, n.sizes), **_asked(fmt, batch, volume, size), **options)
        known[key] = Path.of_product(n, batch, order)
    path = known[key]
    y = contract(path, (*factors, _folded(fmt, x, path, len(lead))))
    return _unfolded(fmt, y, (*lead, *axes))


@untraced
def _order(network: tuple[Any, ...], **options: Any) -> Order:
    """Of the choice, for the fields of a network: of an object made while it traces, torch.compile has no copy to give."""
    return choose(Network(*network), **options).chosen.order


@dataclass(frozen=True)
class Applied:
    """x ↦ x @ W.T with everything done that depends on constant factors alone. Made by `Applicable.prepare`.

    fmt        the format
    choice     the way it was prepared for; as text, why
    parts      what the constant factors have been contracted to, by number in the path
    """

    fmt: "Applicable"
    choice: Choice
    parts: dict[int, Array]
    lead: tuple[int, ...]

    def __call__(self, x: Array, /, *varying: Array) -> Array:
        """y (*lead, …, out) for x (*lead, …, in) and the factors that are not constant, in their order.

        x of any number of rows; the way round stays the one that was chosen
        """
        numbers = [k for k in range(len(self.fmt.shapes)) if k not in self.choice.constant]
        needed = [(*self.lead, *self.fmt.shapes[k]) for k in numbers]
        got = [tuple(f.shape) for f in varying]
        if got != needed:
            raise TensorNetError(
                f"{type(self.fmt).__name__}.prepare: called with factors of shapes {got}, needed {needed}, those of factors "
                f"{numbers}, which are not constant; pass x first, then them in their order"
            )
        _check(self.fmt, x, self.lead)
        axes = tuple(x.shape[len(self.lead) : -1])
        if 0 in x.shape:
            return namespace(x).zeros((*self.lead, *axes, self.fmt.matrix_shape[0]), dtype=x.dtype, device=device(x))
        path = Path.of_product(self.fmt.network, math.prod([*axes]), self.choice.chosen.order)
        given = dict(zip(numbers, varying, strict=True))
        given[len(self.fmt.shapes)] = _folded(self.fmt, x, path, len(self.lead))
        return _unfolded(self.fmt, finish(path, advance(path, self.parts | squeezed(path, given))), (*self.lead, *axes))


def prepare(
    fmt: "Applicable",
    factors: Sequence[Array],
    *,
    batch: int,
    calls: int,
    fixed: Collection[int] | None,
    **options: Any,
) -> Applied:
    """`Applicable.prepare`."""
    lead, n = fmt.check_factors(factors), len(fmt.shapes)
    fixed = tuple(range(n)) if fixed is None else tuple(fixed)
    if batch < 1 or calls < 1 or not set(fixed) <= set(range(n)):
        raise TensorNetError(
            f"{type(fmt).__name__}.prepare: batch={batch}, calls={calls}, constant={fixed}, needed at least one row and one "
            f"call, and numbers of factors in 0…{n - 1}, because what is done once is shared among the calls; pass such"
        )
    size = itemsize(factors[0])
    choice = explain(fmt, batch, lead=math.prod([*lead]), itemsize=size, constant=fixed, calls=calls, **options)
    path = choice.chosen.path
    parts = advance(path, squeezed(path, {k: constant(factors[k]) for k in fixed}))
    return Applied(fmt, choice, parts, lead)


def itemsize(x: Array) -> int:
    return int(namespace(x).finfo(x.dtype).bits) // 8 * (2 if is_complex(x) else 1)


def _check(fmt: "Applicable", x: Array, lead: tuple[int, ...]) -> None:
    if not (is_array_api_obj(x) and namespace(x).isdtype(x.dtype, ("real floating", "complex floating"))):
        raise TensorNetError(
            f"{type(fmt).__name__}.apply: x is {getattr(x, 'dtype', type(x).__name__)}, needed an array of floats, as the "
            f"factors are, because it is multiplied by them; convert it, e.g. xp.astype(x, factors[0].dtype)"
        )
    got, (_, cols) = tuple(x.shape), fmt.matrix_shape
    if got[-1:] != (cols,):
        raise TensorNetError(
            f"{type(fmt).__name__}.apply: x has {got[-1] if got else 'no'} features, the matrix has {cols} columns; x must be "
            f"(…, {cols}), because apply is x @ W.T with W (out, in); transpose x or use the format of W.T"
        )
    if got[: len(lead)] != lead or len(got) <= len(lead):
        raise TensorNetError(
            f"{type(fmt).__name__}.apply: x has shape {got}, needed {lead} before its own axes, because the factors are of a "
            f"stack {lead} of matrices, each with its x; for one x in all of them, broadcast it to {(*lead, *got)}"
        )


def _folded(fmt: "Applicable", x: Array, path: Path, lead: int) -> Array:
    """x (*lead, …, in) as the last operand (*lead, batch, *cols), filled up with zeros where the network is padded."""
    return namespace(x).reshape(filled(x, fmt.network.shape[1:]), (*x.shape[:lead], *path.full_shapes[-1]))


def _unfolded(fmt: "Applicable", y: Array, axes: tuple[int, ...]) -> Array:
    rows = fmt.matrix_shape[0]
    return namespace(y).reshape(y[..., :rows] if rows != y.shape[-1] else y, (*axes, rows))
