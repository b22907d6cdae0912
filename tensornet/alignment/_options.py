"""What to align with, and how: shared by both adapters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._errors import TensorNetError
from ._align import check_gauge

Pairs = str | Mapping[int, int | None] | Mapping[str, str | None] | Callable[[str], str | None]


def checked_options(options: Any) -> "Alignment":
    """`options`, if they are an Alignment: a teacher passed in its place is an easy mistake."""
    if not isinstance(options, Alignment):
        raise TensorNetError(
            f"overparameterize: alignment is a {type(options).__name__}, needed an Alignment, which says how; pass "
            f"Alignment(teacher, weight=…)"
        )
    return options


@dataclass(frozen=True)
class Alignment:
    """Pull a student's factors towards its teacher's while it trains; needs no data and no teacher forward.

    teacher  the teacher's model or parameters, as the adapter takes them; its weights are constants
    pairs    which teacher weight belongs to a student weight: "uniform" (student layer i of n ↔ teacher layer
             (i+1)·N/n − 1 of N, the paper's 2i + 1 for 6 of 12), "skip", "last", "first", a dict layer → layer, name → name or
             expression → name, or a function name → name | None; see `tensornet.planning.pair_names`
    weight   λ in  L = L_distill + λ Σ_pairs L_Aux, or a function of the optimiser's step, counted from 0. The paper gives
             none; Eq. 5 averages over entries, so that useful values are large when factors are (units: loss per squared
             entry)
    gauge    "procrustes" | "none" (Eq. 5 as printed) | "invariant"; see `tensornet.align`
    every    optimiser steps between two computations of the Procrustes rotations
    """

    teacher: Any
    pairs: Pairs = "uniform"
    weight: float | Callable[[Any], Any] = 1e-2
    gauge: str = "procrustes"
    every: int = 100

    def __post_init__(self) -> None:
        check_gauge("Alignment", self.gauge)
        if not callable(self.weight) and (isinstance(self.weight, str) or not self.weight >= 0):
            raise TensorNetError(
                f"Alignment: weight={self.weight!r}, needed a number ≥ 0, because a negative one repels; pass one"
            )
        if not (isinstance(self.every, int) and self.every > 0):
            raise TensorNetError(f"Alignment: every={self.every!r}, needed an integer ≥ 1, a number of steps; pass one")

    def weight_at(self, step: Any) -> Any:
        """λ of a step: an integer, or an array that is traced."""
        return self.weight(step) if callable(self.weight) else self.weight
