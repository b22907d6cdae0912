"""Gauges: which of the equivalent factorisations of one and the same matrix to take.

T_k → T_k G, T_{k+1} → G⁻¹ T_{k+1} leaves the contraction unchanged for every invertible G.
"""

from dataclasses import dataclass

from ._errors import TensorNetError

NAMES = ("identity", "left", "right", "balanced", "mixed")


@dataclass(frozen=True)
class Mixed:
    """Orthogonal form around one factor: left isometries before `centre`, right isometries after it."""

    centre: int


Gauge = str | Mixed


def orthogonal_centre(who: str, gauge: Gauge, n: int, central: int) -> int | None:
    """The factor that is no isometry in an orthogonal gauge of n factors, or None for the other gauges."""
    if isinstance(gauge, Mixed):
        if not (isinstance(gauge.centre, int) and 0 <= gauge.centre < n):
            raise TensorNetError(
                f"{who}: Mixed(centre={gauge.centre!r}) names no factor; there are {n}, so the centre must be in "
                f"0…{n - 1}, because it is the one factor that is not an isometry; choose one of them"
            )
        return gauge.centre
    if gauge not in NAMES:
        raise TensorNetError(
            f"{who}: unknown gauge {gauge!r}; the gauges are {', '.join(NAMES)} and Mixed(centre=k); choose one of them"
        )
    return {"left": n - 1, "right": 0, "mixed": central}.get(gauge)
