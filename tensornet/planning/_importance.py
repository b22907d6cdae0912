"""Importance: which weights to factorise where not all of them can be, the rule of OPF (Gao et al., ACL 2023)."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from .._arrays import Array, conj, constant, is_complex, namespace, widest
from .._errors import TensorNetError
from ._pairs import kind_of


def importance(weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> dict[str, float]:
    """|⟨∂L/∂W, W⟩| of each weight: to first order, how much the loss L would change if W were zero.

        I_W = |L_W − L_{W=0}|     (OPF, eq. 6)
            ≈ |Σ ∂L/∂W ⊙ W|      (eq. 7, the first-order Taylor expansion of eq. 6 about W)

    The absolute value is of the sum, as the expansion has it. OPF adds such scores up over batches; so may you, since the
    loss of all batches together may be flat where that of each is not.

    weights    name → W, of any shape and array library
    gradients  name → ∂L/∂W of the same shape; complex ones as in `Format.pullback`
    returns: name → score, ≥ 0, in the order of `weights`
    raises: TensorNetError if a weight has no gradient, a gradient no weight, or their shapes differ
    """
    alone = sorted({n for n in {*weights, *gradients} if weights.get(n) is None or gradients.get(n) is None})
    if alone:
        raise TensorNetError(
            f"importance: {', '.join(alone)} {'has' if len(alone) == 1 else 'have'} no weight or no gradient, needed both, "
            f"because the score is of their product; leave out on both sides what takes no part in the loss"
        )
    return {name: _score(name, w, gradients[name]) for name, w in weights.items()}


def top(scores: Mapping[str, float], n: int, *, per: Callable[[str], str] | None = None) -> list[str]:
    """The names of the n highest scores of each kind of weight, as a list that `plan` takes as its rules.

    "Kind" is OPF's module type, of which each layer has one: the name without its numbers, so that
    encoder.layer.0.fc1.weight competes with encoder.layer.5.fc1.weight and not with fc2. Equal scores go by name. Of a kind
    with at most n weights all are taken.

    scores  name → score, e.g. from `importance`
    n       weights of each kind
    per     function name → kind, where numbers in names do not count layers
    returns: kind by kind as `scores` first names them, the highest score first
    raises: TensorNetError if there are no scores, one is no number, or n is below 1

    >>> top({"layer.0.fc": 1.0, "layer.1.fc": 3.0, "layer.2.fc": 2.0, "head": 0.0}, 2)
    ['layer.1.fc', 'layer.2.fc', 'head']
    """
    if not (isinstance(n, int) and not isinstance(n, bool) and n >= 1):
        raise TensorNetError(
            f"top: n={n!r}, needed an integer of at least 1, because a plan of nothing is none; pass one"
        )
    bad = [f"{name}: {score!r}" for name, score in scores.items() if not _is_number(score)]
    if bad or not scores:
        raise TensorNetError(
            f"top: got the scores {', '.join(bad) or 'of no weight'}, needed a number that is not NaN for each of one or more "
            f"weights, because they are ranked; a NaN comes from a loss that diverged"
        )
    kinds: dict[str, list[str]] = {}
    for name in scores:
        kinds.setdefault((per or kind_of)(name), []).append(name)
    return [name for kind in kinds.values() for name in sorted(kind, key=lambda m: (-scores[m], m))[:n]]


def _score(name: str, w: Array, gradient: Array) -> float:
    if tuple(w.shape) != tuple(gradient.shape):
        raise TensorNetError(
            f"importance: {name} has shape {tuple(w.shape)} and its gradient {tuple(gradient.shape)}, needed the same, because "
            f"entry is multiplied by entry; transpose one of them, or pair the right ones"
        )
    xp = namespace(w, gradient)
    product = conj(widest(constant(gradient))) * constant(w)
    return abs(float(xp.sum(xp.real(product) if is_complex(product) else product)))


def _is_number(score: Any) -> bool:
    try:
        return not math.isnan(score)
    except TypeError:
        return False
