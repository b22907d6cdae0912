"""Which weights of an encoder become Kronecker products, by kind: all of a kind have the same shapes."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from torch import nn

import tensornet as tn
from tensornet import Kronecker, TensorNetError

Kind = Literal["embedding", "attention", "up", "down"]
Shape = tuple[int, int]

# the names that every encoder of opdf.models has; positions, types, pooler, head, norms and biases stay dense, as published
KINDS: dict[Kind, str] = {
    "embedding": r"(.*\.)?embeddings\.word_embeddings\.weight",
    "attention": r".*\.attention\.(self\.(query|key|value)|output\.dense)\.weight",
    "up": r".*\.intermediate\.dense\.weight",  # W_1
    "down": r".*\.layer\.\d+\.output\.dense\.weight",  # W_2
}


def weights(who: str, model: nn.Module) -> dict[Kind, dict[str, nn.Parameter]]:
    """Kind → name → weight.

    raises: TensorNetError for a model without some kind, or with several shapes of one
    """
    named = dict(model.named_parameters())
    found: dict[Kind, dict[str, nn.Parameter]] = {
        kind: {name: p for name, p in named.items() if re.fullmatch(pattern, name)} for kind, pattern in KINDS.items()
    }
    if lacking := [kind for kind, of in found.items() if not of]:
        raise TensorNetError(
            f"{who}: a {type(model).__name__} without weights for {', '.join(lacking)}, needed an encoder with BERT's names, "
            f"because each kind of weight has its own shapes; give one, or plan by rules with tensornet_torch.plan"
        )
    for kind, of in found.items():
        if len(shapes := {tuple(p.shape) for p in of.values()}) > 1:
            raise TensorNetError(
                f"{who}: {kind} weights of shapes {sorted(shapes)}, needed one, because all of a kind are split alike; plan by "
                f"rules with tensornet_torch.plan"
            )
    return found


def shape_of(of: Mapping[str, Any]) -> Shape:
    rows, cols = next(iter(of.values())).shape
    return rows, cols


def split(who: str, kind: str, shape: Shape, left: Shape, terms: int = 1) -> Kronecker:
    """Σ A ⊗ B of `shape` with A of shape `left`."""
    if any(part < 1 or n % part for n, part in zip(shape, left, strict=True)):
        raise TensorNetError(
            f"{who}: {kind} weights are {shape[0]}×{shape[1]} and are to be split by {left[0]}×{left[1]}, needed divisors, "
            f"because A ⊗ B has rows and columns of A times those of B; take `searched`, which splits by what divides, or "
            f"another model"
        )
    return Kronecker(left, (shape[0] // left[0], shape[1] // left[1]), terms)


def swapped(fmt: Kronecker) -> Kronecker:
    """Of the transpose: W_2 has the shapes of W_1 the other way round."""
    return Kronecker(fmt.left[::-1], fmt.right[::-1], fmt.terms)


def plan_of(found: Mapping[Kind, Mapping[str, Any]], model: nn.Module, formats: Mapping[Kind, Kronecker]) -> tn.Plan:
    """Of frozen weights too: `compress` takes them, and a model is smaller whatever is trained of it."""
    of: dict[str, Kronecker] = {name: formats[kind] for kind, names in found.items() for name in names}
    return tn.plan({name: tuple(p.shape) for name, p in model.named_parameters()}, lambda name, _: of.get(name))
