"""Shapes for a size that is asked for: of all splits by divisors, those that miss least, or reach most with least work."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from torch import nn

import tensornet as tn
from tensornet import Kronecker, TensorNetError

from ._cost import flops
from ._kinds import Kind, Shape, plan_of, shape_of, swapped, weights
from ._nearest import missed

AROUND = 4.0  # each kind of weight shrinks within this factor of what all planned weights together are to shrink by
NEAR = 0.9  # share of what the budget allows that a choice must have: fewest operations alone would be nothing
# kinds that are split alike, the second swapped
GROUPS: tuple[tuple[Kind, ...], ...] = (("embedding",), ("attention",), ("up", "down"))
Weights = Mapping[Kind, Mapping[str, nn.Parameter]]


@dataclass(frozen=True)
class Choice:
    """Formats of some kinds of weights, and what they cost: their parameters, and what is minimised."""

    formats: tuple[tuple[Kind, Kronecker], ...]
    params: int
    cost: float


def searched(model: nn.Module, ratio: float, *, terms: int = 1, by: Literal["error", "flops"] | None = None) -> tn.Plan:
    """The plan with which `model` has at least `ratio` times fewer parameters, and nearly no fewer than that asks for.

    All weights of a kind are split alike, and W_2 as W_1 the other way round, as published.

    ratio  of the whole model, all that stays dense included
    terms  products in a sum, at most
    by     "error": least ‖W − Σ A ⊗ B‖²_F, summed over the weights; every split is tried on every weight, which takes seconds
           "flops": fewest operations for a token (Eq. 7) and for each dimension that is reached, which only shapes are needed
           for. Rank(A ⊗ B) is that of A times that of B: fewest operations alone would be products of the lowest rank
           None: "error" where the weights have values, "flops" on a meta device
    raises: TensorNetError for a ratio that no split by divisors reaches
    """
    who = "searched"
    found = weights(who, model)
    total = sum(p.numel() for p in model.parameters())
    if not (ratio > 1 and math.isfinite(ratio) and terms >= 1):
        raise TensorNetError(
            f"{who}: ratio={ratio}, terms={terms}; needed a ratio above 1 and at least one term, because a model is to become "
            f"smaller; correct them"
        )
    meta = any(p.is_meta for of in found.values() for p in of.values())
    by = by or ("flops" if meta else "error")
    if meta and by == "error":
        raise TensorNetError(
            f"{who}: by='error' of a model on the meta device, needed values, because they are compared with what the products "
            f"make; load the weights, or take by='flops'"
        )
    planned = sum(p.numel() for of in found.values() for p in of.values())
    budget = int(total / ratio) - (total - planned)
    kinds = [list(choices(found, group, planned / budget, terms, by)) for group in GROUPS] if budget > 0 else []
    chosen = _best(kinds, budget) if kinds else None
    if chosen is None:
        raise TensorNetError(
            f"{who}: ratio={ratio:g} of {total:,} parameters, of which {total - planned:,} stay dense, needed one that "
            f"products with sizes that divide {_shapes(found)} reach, because rows and columns are those of A times those "
            f"of B; ask for less, or take another width"
        )
    return plan_of(found, model, dict(chosen))


def choices(found: Weights, group: tuple[Kind, ...], ratio: float, terms: int, by: str) -> Iterator[Choice]:
    """Of each number of parameters the cheapest formats; `ratio` is that of the planned weights."""
    cheapest: dict[int, Choice] = {}
    for fmt in splits(shape_of(found[group[0]]), ratio, terms, rows=group != ("embedding",)):
        formats = tuple(zip(group, (fmt, swapped(fmt)), strict=False))
        for made in _priced(found, formats, by):
            if made.params not in cheapest or made.cost < cheapest[made.params].cost:
                cheapest[made.params] = made
    yield from cheapest.values()


def splits(shape: Shape, ratio: float, terms: int, *, rows: bool) -> Iterator[Kronecker]:
    """All by divisors, with as many terms as may be; without `rows` A keeps all of them: rows of a table are looked up."""
    m, n = shape
    for a, c in product(_divisors(m) if rows else [m], _divisors(n)):
        small = min(a * c, m * n // (a * c))  # with one term, about by how much the weight shrinks
        if ratio / AROUND <= small <= AROUND * ratio * terms:
            yield Kronecker((a, c), (m // a, n // c), min(terms, small))


def _priced(found: Weights, formats: tuple[tuple[Kind, Kronecker], ...], by: str) -> Iterator[Choice]:
    """The choice with 1, 2, … terms."""
    sums = [0.0] * formats[0][1].terms
    if by == "error":
        for kind, fmt in formats:
            for w in found[kind].values():
                sums = [s + e for s, e in zip(sums, missed(w, fmt), strict=True)]
    for r in range(1, len(sums) + 1):
        made = tuple((kind, Kronecker(fmt.left, fmt.right, r)) for kind, fmt in formats)
        params = sum(len(found[kind]) * fmt.num_params for kind, fmt in made)
        cost = sums[r - 1] if by == "error" else sum(len(found[kind]) * work(kind, fmt) for kind, fmt in made)
        yield Choice(made, params, cost)


def work(kind: Kind, fmt: Kronecker) -> float:
    """Operations for a token and for each dimension that is reached; looking up a row takes one for each entry and term."""
    return (fmt.terms * fmt.shape[1] if kind == "embedding" else flops(fmt)) / reached(fmt)


def _best(kinds: list[list[Choice]], budget: int) -> tuple[tuple[Kind, Kronecker], ...] | None:
    """The cheapest of one choice from each, among those within the budget and near it."""
    within = [c for c in product(*kinds) if sum(x.params for x in c) <= budget]
    if not within:
        return None
    enough = NEAR * max(sum(x.params for x in c) for c in within)
    best = min((c for c in within if sum(x.params for x in c) >= enough), key=lambda c: sum(x.cost for x in c))
    return tuple(pair for choice in best for pair in choice.formats)


def _shapes(found: Weights) -> str:
    return ", ".join(f"{m}×{n}" for m, n in dict.fromkeys(shape_of(of) for of in found.values()))


def reached(fmt: Kronecker) -> int:
    """The largest rank that Σ A ⊗ B can have."""
    return min(fmt.terms * min(fmt.left) * min(fmt.right), *fmt.shape)


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]
