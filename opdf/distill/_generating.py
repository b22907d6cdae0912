"""Weight Distillation in PyTorch's runs: the generators of a student."""

from torch import nn

import tensornet as tn
import tensornet_torch as tnt

from ._phases import other_heads

COUNTS = ("num_attention_heads", "num_heads", "n_heads", "n_head", "nhead")  # as modules of attention call it


def generators(student: nn.Module, teacher: nn.Module) -> tn.Generators:
    """From which weights of the teacher each trainable one of the student is generated; other numbers of heads are seen to."""
    return tnt.generators(student, teacher, heads=other_heads(_heads(teacher), _heads(student)))


def _heads(model: nn.Module) -> int | None:
    """Of its attention, where all of it has as many."""
    counts = {n for m in model.modules() for key in COUNTS if type(n := getattr(m, key, None)) is int}
    return counts.pop() if len(counts) == 1 else None
