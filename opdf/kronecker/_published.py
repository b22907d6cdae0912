"""The shapes of the paper's Table 1, at any width.

               W_Q, W_K, W_V, W_O     W_1                  W_2                  embedding
    _8         d/2 × d/2  ⊗  2 × 2    8 × 2 ⊗ f/8 × d/2    2 × 8 ⊗ d/2 × f/8    v × d/8  ⊗ 1 × 8
    _21        d/2 × d/16 ⊗  2 × 16   16 × 2 ⊗ f/16 × d/2  2 × 16 ⊗ d/2 × f/16  v × d/16 ⊗ 1 × 16

for width d, feed-forward width f, vocabulary v; one product each. KroneckerBERT_5 is not here: four products of 384 × 384 for
768 × 768, as it is printed, are more parameters than the weight has.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

import tensornet as tn
from tensornet import TensorNetError

from ._kinds import Shape, plan_of, shape_of, split, swapped, weights


@dataclass(frozen=True)
class Row:
    """attention  shape of B
    up         shape of A of W_1
    embedding  columns of B
    """

    attention: Shape
    up: Shape
    embedding: int


ROWS = {8: Row((2, 2), (8, 2), 8), 21: Row((2, 16), (16, 2), 16)}


def published(model: nn.Module, which: Literal[8, 21]) -> tn.Plan:
    """The plan of KroneckerBERT_8 or _21 for an encoder of any width; only shapes are looked at, a meta device will do.

    raises: TensorNetError for sizes that these shapes do not divide
    """
    who = "published"
    if which not in ROWS:
        raise TensorNetError(
            f"{who}: KroneckerBERT_{which}, needed one of {', '.join(map(str, ROWS))}, because those are the rows of Table 1 "
            f"that can be; for another size take `searched`"
        )
    row, found = ROWS[which], weights(who, model)
    (d_out, d_in), (v, d) = shape_of(found["attention"]), shape_of(found["embedding"])
    b, n = row.attention, row.embedding
    for kind, shape, part in (("attention", (d_out, d_in), b), ("embedding", (v, d), (1, n))):
        split(who, kind, shape, part)  # B divides as A does, and is what the table names
    up = split(who, "up", shape_of(found["up"]), row.up)
    return plan_of(
        found,
        model,
        {
            "embedding": split(who, "embedding", (v, d), (v, d // n)),
            "attention": split(who, "attention", (d_out, d_in), (d_out // b[0], d_in // b[1])),
            "up": up,
            "down": swapped(up),
        },
    )
