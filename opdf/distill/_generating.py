"""Weight Distillation in a run: the optimiser of its first phase, and where the second begins."""

import torch
from torch import nn

import tensornet as tn
import tensornet_torch as tnt

from ._config import Generator

COUNTS = ("num_attention_heads", "num_heads")  # as modules of attention call it


def generators(student: nn.Module, teacher: nn.Module) -> tn.Generators:
    """From which weights of the teacher each trainable one of the student is generated; other numbers of heads are seen to."""
    theirs, ours = _heads(teacher), _heads(student)
    return tnt.generators(student, teacher, heads=(theirs, ours) if theirs and ours and theirs != ours else None)


def generated(
    inner: torch.optim.Optimizer,
    student: nn.Module,
    plan: tn.Generators,
    teacher: nn.Module,
    options: Generator,
    seed: int,
) -> tnt.Overparameterized:
    """`inner` on the generators; a published start is drawn from a stream of its own."""
    if options.start == "teacher":
        return tnt.generate(inner, student, plan, teacher)
    stream = torch.Generator().manual_seed(seed)
    return tnt.generate(
        inner, student, plan, teacher, start="published", normal=lambda s: torch.randn(s, generator=stream)
    )


def switch(options: Generator, steps: int) -> int:
    """The steps of phase 1, of `steps` in all: at least one, and none of phase 2 where `share` is 1."""
    return max(1, round(options.share * steps)) if options.on else 0


def _heads(model: nn.Module) -> int | None:
    """Of its attention, where all of it has as many."""
    counts = {n for m in model.modules() for key in COUNTS if type(n := getattr(m, key, None)) is int}
    return counts.pop() if len(counts) == 1 else None
