"""What a distillation method is to a run: the loss of a batch, and little else.

A host knows nothing of tensor networks. It sees a student with dense weights and leaves gradients on them; whether an optimiser
then moves those weights or their factors is none of its business, so that every host takes OPDF by one flag.
"""

import abc
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..models.networks import outputs
from ..tasks import Examples, Task


@dataclass(frozen=True)
class Batch:
    """Examples of a step.

    inputs   what a model's forward takes by name: input_ids (b, t), attention_mask, token_type_ids; or pixels (b, …)
    labels   (b,) classes as int64, or numbers as float32; of translations the pieces of all, one after another
    teacher  what `Host.teach` said of them, read from the cache; per token padded with 0 to (b, t, …)
    """

    inputs: Mapping[str, Tensor]
    labels: Tensor
    teacher: Mapping[str, Tensor]


class Host(abc.ABC):
    """A distillation method on a student and, mostly, its teacher."""

    taught: ClassVar[tuple[str, ...]] = ("logits",)
    """Names of what `teach` returns."""
    per_token: ClassVar[frozenset[str]] = frozenset()
    """Those of them that have an axis of tokens after the batch's; it is cut to each example's length in the cache."""

    smoothing: float = 0.0
    """ε of the cross-entropy with labels; the engine sets it, of translations alone."""
    bfloat16: bool = False
    """Whether the student computes in 16 bits while it learns; the engine sets it. See `said`."""
    lr: float = math.nan
    """The student's learning rate of the step at hand; the loop sets it before `before`."""

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        """
        options  the section of the configuration of this host
        steps    that the run will take, for schedules
        """
        self.student, self.teacher, self.task, self.options, self.steps = student, teacher, task, options, steps

    @classmethod
    def examples(cls, task: Task, options: Any) -> Examples:
        """What the student learns from: all of train, but where a method that teaches nothing before holds some of it out."""
        return task.train

    def begin(self) -> None:  # noqa: B027  # nothing depends on it, mostly
        """The student has been written since it was given, before its training; called before `load`."""

    def parameters(self) -> dict[str, nn.Parameter]:
        """Name → what the optimiser trains: of the student by its own names, and any that belong to training alone."""
        return {name: p for name, p in self.student.named_parameters() if p.requires_grad}

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the teacher says of a batch: (b, …) each, without gradients; worked out once for each example of train."""
        raise NotImplementedError

    def before(self, batch: Batch, step: int) -> dict[str, float]:
        """What is to happen before the student's step: nothing, but where the teacher learns too. Figures for the log."""
        return {}

    @abc.abstractmethod
    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Name → weighted term; the student's loss is their sum."""

    def said(self, inputs: Mapping[str, Tensor], wanted: Collection[str] = ("logits",)) -> dict[str, Any]:
        """`outputs` of the student while it learns; under autocast where `bfloat16`, and that is all that is."""
        with torch.autocast(next(iter(inputs.values())).device.type, torch.bfloat16, enabled=self.bfloat16):
            return outputs(self.student, inputs, wanted)

    def state(self) -> dict[str, Tensor]:
        """What of the host changes in training beside the student; a run is resumed from it to the last bit."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027  # nothing to take, where `state` is empty
        """Take `state()` of an earlier run."""

    def fingerprint(self) -> str:
        """What `teach` depends on beside the teacher's weights and the examples; part of the cache's key."""
        return type(self).__name__


def seeded(seed: int, step: int) -> None:
    """Set torch's generators for a step: all chance is a function of (seed, step), so resuming needs no state of them."""
    # mixed, because the CPU's generator reads the lower 32 bits alone
    torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]))
