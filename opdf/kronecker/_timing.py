"""How long a compact encoder takes beside the dense one, in one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of a batch of `rows` sequences of `tokens` each."""

    rows: int
    tokens: int
    dense_ms: float
    compact_ms: float

    @property
    def ratio(self) -> float:
        """Below 1 where the compact one is faster."""
        return self.compact_ms / self.dense_ms


def timed(
    dense: nn.Module, compact: nn.Module, rows: Sequence[int] = (1, 32), tokens: int = 64, rounds: int = 15
) -> list[Timing]:
    """Both models take turns, so that what disturbs the machine disturbs both: compare those of one row.

    dense, compact  encoders with a head for sequences, on the CPU, in evaluation while they are timed
    """
    from ..models.networks import latency  # loads Transformers, which plans do without

    generator = torch.Generator().manual_seed(0)
    found = []
    for n in rows:
        ids = torch.randint(cast(Any, dense).config.vocab_size, (n, tokens), generator=generator)
        slow, quick = latency((dense, compact), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, rounds)
        found.append(Timing(n, tokens, slow, quick))
    return found
