"""Targets of a truncation: how far to cut each bond."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, SupportsIndex

from .._arrays import Array, namespace
from .._errors import TensorNetError
from .._format import Format, check_is_format
from .._sweep import Choose, Sweep, squared_tails
from ._precision import Precision
from ._ranks import Cuts, Tails, capped, within_error, within_params


@dataclass(frozen=True)
class Target:
    """One of eps, max_bond, num_params and to, checked."""

    who: str
    fmt: Format
    kind: str
    value: Any

    @staticmethod
    def of(who: str, fmt: Format, **goals: Any) -> "Target":
        check_is_format(who, fmt)
        given = {k: v for k, v in goals.items() if v is not None}
        if len(given) != 1:
            raise TensorNetError(
                f"{who}: got {given or 'no goal'}, needed exactly one of {', '.join(goals)}, because each decides all bonds; "
                f"pass one"
            )
        ((kind, value),) = given.items()
        needed = "a format" if kind == "to" else "a positive number" if kind == "eps" else "a positive integer"
        good = {"to": isinstance(value, Format), "eps": isinstance(value, int | float) and value > 0}
        if not good.get(kind, isinstance(value, SupportsIndex) and int(value) > 0):
            raise TensorNetError(
                f"{who}: {kind}={value!r}, needed {needed}, because nothing else can be kept; pass one"
            )
        if kind == "to":
            _check_smaller(who, fmt, value)
        return Target(who, fmt, kind, value)

    def choice(self, sweep: Sweep, precision: Precision, noise: Array, square: Array) -> Choose:
        """How many values of each bond to keep.

        noise: (*lead,) the relative error that rounding may add
        square: (*lead,) the squared norm
        """
        if self.kind == "max_bond":
            return lambda bond, tails: int(self.value)
        if self.kind == "to":
            return lambda bond, tails: self.value.network.size[bond]
        tails = {b: relative(squared_tails(s), square) for b, s in sweep.spectra().items()}
        highest = worst(self.who, tails)
        if self.kind == "num_params":
            return self._by_params(highest)
        most = float(namespace(noise).max(noise))
        if self.value <= 2 * most:
            cancel = " for factors that cancel as these do" if most > 2 * precision.noise else ""
            raise TensorNetError(
                f"{self.who}: eps={self.value!r}, needed more than {2 * most:.1e}, because rounding alone may cost "
                f"{most:.1e} in {precision.dtype}{cancel}; allow more, or bring a wider dtype"
            )
        return self._by_error(highest, tails, ((self.value - most) / (1 + most)) ** 2, square)

    def _by_error(self, highest: Tails, tails: Mapping[str, Array], budget: float, square: Array) -> Choose:
        """Bonds chosen together; each may spend what those before it have left over."""
        sizes = within_error(self.fmt.network, highest, budget)
        planned = {b: t[..., sizes[b]] for b, t in tails.items()}
        spare = [budget - sum(planned.values())]

        def choose(bond: str, tails: Array) -> int:
            xp, found = namespace(tails), relative(tails, square)
            allowed = planned[bond] + spare[0]
            needed = xp.sum(xp.astype(found > allowed[..., None], xp.int32), axis=-1)
            keep = min(max(1, int(xp.max(needed))), found.shape[-1] - 1)
            spare[0] = allowed - found[..., keep]
            return keep

        return choose

    def _by_params(self, tails: Tails) -> Choose:
        network = self.fmt.network
        least = self.fmt.resized({b: 1 for b in network.bonds}).num_params
        if self.value < least:
            raise TensorNetError(
                f"{self.who}: num_params={self.value}, needed at least {least}, because that is what {type(self.fmt).__name__} "
                f"has with all bonds 1; allow more, or take a format with smaller factors"
            )
        greedy, uniform = Cuts(network, tails), Cuts(network, tails)
        within_params([greedy], self.value)
        if capped([uniform], self.value) and uniform.error < greedy.error:
            greedy = uniform
        sizes = greedy.sizes
        return lambda bond, tails: sizes[bond]


def relative(squares: Array, square: Array) -> Array:
    """squares (*lead, *shared, d) summed over the blocks of a stack, over `square` (*lead,): (*lead, d)."""
    axes = tuple(range(square.ndim, squares.ndim - 1))
    return (namespace(squares).sum(squares, axis=axes) if axes else squares) / square[..., None]


def worst(who: str, tails: Mapping[str, Array]) -> dict[str, list[float]]:
    """The largest of a stack, as plain floats."""
    try:
        return {bond: _floats(t) for bond, t in tails.items()}
    except (TypeError, RuntimeError) as error:  # a traced value has no number
        raise TensorNetError(
            f"{who}: got traced factors, whose Schmidt values cannot be looked at, as eps and num_params must; call it outside "
            f"jit and vmap, or pass max_bond or to, which are static"
        ) from error


def _floats(tails: Array) -> list[float]:
    xp = namespace(tails)
    highest = xp.max(xp.reshape(tails, (-1, tails.shape[-1])), axis=0)
    return [float(highest[k]) for k in range(highest.shape[0])]


def _check_smaller(who: str, fmt: Format, to: Format) -> None:
    one, other = fmt.network, to.network
    alike = type(to) is type(fmt) and one.factors == other.factors and to.shape == fmt.shape
    if not alike or any(other.size[b] > one.size[b] for b in one.summed) or to != fmt.resized(_bonds(to)):
        raise TensorNetError(
            f"{who}: to={to!r}, needed {fmt!r} with bonds that are not larger, because truncation changes nothing else; make "
            f"it with resized(sizes)"
        )


def _bonds(fmt: Format) -> dict[str, int]:
    return {b: fmt.network.size[b] for b in fmt.network.summed}
