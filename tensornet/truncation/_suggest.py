"""suggest: bonds for all weights of a model together, under one budget of parameters."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._arrays import Array, checked_weight, namespace
from .._errors import TensorNetError
from .._format import Format
from .._norm import norm
from .._precise import precise
from .._sweep import squared_tails
from .._tree import schmidt
from ..planning import Plan
from ._finite import refuse_nonfinite_parts
from ._ranks import Cuts, bridged, capped, within_params
from ._spectra import spectra_of


@dataclass(frozen=True)
class Suggestion:
    """Bonds for a whole plan.

    formats  name → format with the bonds to take: `truncate(fmt, factors, to=formats[name])`; a Plan if one was given
    error    bound of the error of the whole, √(Σ c_i ‖W_i − Ŵ_i‖² / Σ c_i ‖W_i‖²), c_i the importance of each
    uniform  whether one cap for all bonds was better than the greedy choice, and was taken
    """

    formats: Mapping[str, Format]
    error: float
    uniform: bool

    @property
    def num_params(self) -> int:
        """Of all layers of a stack."""
        return sum(copies * f.num_params for f, copies in _counted(self.formats).values())


def suggest(
    formats: Mapping[str, Format],
    weights: Mapping[str, Any],
    /,
    *,
    num_params: int,
    importance: Mapping[str, float] | None = None,
    relative: bool = False,
) -> Suggestion:
    """Spend `num_params` parameters where the spectra say, so that the error of the whole is small.

    formats     name → Format of a tree, e.g. a Plan; their bonds are upper limits. What a Plan has stacked counts so many times
    weights     name → factors of that format, or the weight itself, or its `spectra`
    importance  name → what a squared error of this weight counts; 1 where it is not named
    relative    count errors relative to the norm of each weight
    returns: by the bound that it predicts never worse than one cap for all bonds within the same budget
    raises: TensorNetError for a weight that is missing, NaN or Inf in one, a network with loops, or a budget that bonds of 1
        exceed

    Greedy: the Schmidt value whose square costs least for each parameter saved goes first, of all bonds of all weights.
    """
    found = {n: _spectrum(n, f, weights) for n, f in formats.items()}
    squares = {n: s.tails for n, s in found.items()}
    count = _counts(found, importance or {}, relative)
    counted = _counted(formats)
    least = sum(c * f.resized(dict.fromkeys(f.network.bonds, 1)).num_params for f, c in counted.values())
    if num_params < least:
        raise TensorNetError(
            f"suggest: num_params={num_params}, needed at least {least}, because that is what these formats have with all "
            f"bonds 1; allow more, or leave weights out"
        )
    greedy, caps = ([Cuts(f.network, squares[n], count[n], c) for n, (f, c) in counted.items()] for _ in range(2))
    within_params(greedy, num_params)
    capped(caps, num_params)
    candidates = [(_error(formats, parts), n, parts) for n, parts in enumerate((greedy, caps))]
    error, uniform, best = min(candidates, key=lambda c: c[:2])
    made: Mapping[str, Format] = {n: f.resized(_sizes(f, p)) for (n, f), p in zip(formats.items(), best, strict=True)}
    if isinstance(formats, Plan):
        made = dataclasses.replace(formats, formats=made)
    whole = sum(count[n] * found[n].whole for n in formats)
    return Suggestion(made, math.sqrt(error / whole) if whole else 0.0, bool(uniform))


def _counted(formats: Mapping[str, Format]) -> dict[str, tuple[Format, int]]:
    """name → format and how many layers there are of it."""
    stacked = formats.stacked if isinstance(formats, Plan) else {}
    return {n: (f, stacked.get(n, 1)) for n, f in formats.items()}


def _sizes(fmt: Format, cuts: Cuts) -> dict[str, int]:
    return bridged(fmt.network.unshared, cuts.sizes)


def _error(formats: Mapping[str, Format], parts: Sequence[Cuts]) -> float:
    return sum(p.error_at(_sizes(f, p)) for f, p in zip(formats.values(), parts, strict=True))


@dataclass(frozen=True)
class _Spectrum:
    """What is known of a weight W, in units in which no square overflows or vanishes.

    tails   bond → ε² of keeping 0, 1, … values, of a stack all together
    unit    the largest Schmidt value
    whole   ‖W‖²
    """

    tails: dict[str, list[float]]
    unit: float
    whole: float


def _counts(found: Mapping[str, _Spectrum], importance: Mapping[str, float], relative: bool) -> dict[str, float]:
    """What a squared error in the units of each weight counts."""
    unknown = sorted(set(importance) - set(found))
    bad = sorted(n for n, c in importance.items() if not 0 <= c < math.inf)
    if unknown or bad:
        raise TensorNetError(
            f"suggest: importance of {', '.join(unknown + bad)}, needed numbers ≥ 0 of weights that have a format, because it "
            f"says what their squared errors count; leave the others out"
        )
    top = max(s.unit for s in found.values())
    each = {n: 1 / (s.whole or 1.0) if relative else (s.unit / top) ** 2 for n, s in found.items()}
    return {n: importance.get(n, 1.0) * c for n, c in each.items()}


def _spectrum(name: str, fmt: Format, weights: Mapping[str, Any]) -> _Spectrum:
    if name not in weights:
        raise TensorNetError(
            f"suggest: {name} has a format, but no weight was given; there are {', '.join(weights) or 'none'}; bring its "
            f"factors, the weight or its spectra"
        )
    given = weights[name]
    if not isinstance(given, Mapping | Sequence):
        given = spectra_of(
            fmt, *precise([checked_weight("suggest", given, check_finite=True, takes_complex=fmt.complex)])
        )
    parts = given.items() if isinstance(given, Mapping) else enumerate(given)
    kind = "the spectrum" if isinstance(given, Mapping) else "factor"
    refuse_nonfinite_parts("suggest", {f"{kind} {k} of {name}": x for k, x in parts})
    values = given if isinstance(given, Mapping) else schmidt(fmt.network, precise(given))
    unit = max([float(namespace(v).max(v)) for v in values.values()], default=0.0) or 1.0
    tails = {b: _tails(values[b] / unit) for b in fmt.network.bonds}
    whole = max((t[0] for t in tails.values()), default=0.0)  # of no bonds 0: nothing can be cut
    if isinstance(given, Sequence) and fmt.matrix_shape != fmt.network.shape:
        whole = _square(norm(fmt, given) / unit)  # errors in the padding are an upper limit, its norm is none of W
    return _Spectrum(tails, unit, whole)


def _tails(values: Array) -> list[float]:
    xp, tails = namespace(values), squared_tails(values)
    summed = xp.sum(xp.reshape(tails, (-1, tails.shape[-1])), axis=0)
    return [float(summed[k]) for k in range(summed.shape[0])]


def _square(x: Array) -> float:
    return float(namespace(x).sum(x * x))
