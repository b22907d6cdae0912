"""BERT-of-Theseus: the teacher's modules are replaced by the student's, plank by plank, until the ship is the student.

Xu, Zhou, Ge, Wei, Zhou, EMNLP 2020, arXiv 2002.02925:

    y_{i+1} = r_{i+1} scc_i(y_i) + (1 − r_{i+1}) prd_i(y_i),   r_{i+1} ~ Bernoulli(p_d), once for a batch     (eqs. 2, 3)
    p_d = min(1, k t + b)                                                                                     (eq. 6)

scc_i is the student's layer i, prd_i its group of the teacher's layers. The loss is the task's alone (eq. 4). Embeddings and
head are the teacher's, frozen from end to end: the student takes them over, whatever it started from, and trains its layers
alone, as in the authors' code; once p_d is 1 that is their successor fine-tuning.
Ours: the frozen teacher runs without dropout; a draw that replaces nothing would train nothing, so one group, drawn evenly,
is replaced then.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ..losses import Schedule
from ..models.networks import answer, embed, layers, run_layer
from ..tasks import Task
from ._groups import groups, needed
from ._host import Batch, Host
from .labels import supervised


class Theseus(Host):
    """The teacher is asked nothing: it is part of the network that is trained."""

    taught = ()

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        super().__init__(student, teacher, task, options, steps)
        predecessor = needed("theseus", teacher).eval().requires_grad_(False)
        _take_over(student, predecessor)
        stack = list(layers(predecessor))
        self.modules = [[stack[j] for j in group] for group in groups(student, predecessor)]
        # k = (1 − b)/steps of replacing
        replacing = round((1 - options.steady) * steps)
        self.rate = Schedule(options.replacing_rate, 1.0, replacing) if replacing else Schedule(1.0)

    def parameters(self) -> dict[str, nn.Parameter]:
        """The layers' alone, by the student's own names."""
        own = {id(p) for p in layers(self.student).parameters()}
        return {name: p for name, p in self.student.named_parameters() if id(p) in own}

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        hidden = embed(self.student, batch.inputs)
        for scc, prd, replaced in zip(layers(self.student), self.modules, self._drawn(step), strict=True):
            for layer in [scc] if replaced else prd:
                hidden = run_layer(layer, hidden, batch.inputs)
        return {"labels": supervised(answer(self.student, hidden, batch.inputs), batch.labels)}

    def _drawn(self, step: int) -> Sequence[bool]:
        """r of each group, from torch's generator, which is seeded anew for each step."""
        n = len(self.modules)
        draws, plank = torch.rand(n), int(torch.randint(n, ()))
        found = (draws < self.rate(step)).tolist()
        return found if any(found) else [i == plank for i in range(n)]


@torch.no_grad()
def _take_over(student: nn.Module, teacher: nn.Module) -> None:
    """The student's embeddings and head become copies of the teacher's."""
    theirs = _outside(teacher)
    for name, p in _outside(student).items():
        if name not in theirs or theirs[name].shape != p.shape:
            raise TensorNetError(
                f"theseus: {name} is {tuple(p.shape)} and {tuple(theirs[name].shape) if name in theirs else 'not'} in the "
                f"teacher, needed the same, because the student's layers stand in for the teacher's, between its embeddings "
                f"and head; take a student of the teacher's width and kind"
            )
        p.copy_(theirs[name])


def _outside(model: nn.Module) -> dict[str, Tensor]:
    """Name → parameter or buffer that is in no layer."""
    own = {id(t) for t in chain(layers(model).parameters(), layers(model).buffers())}
    return {name: t for name, t in chain(model.named_parameters(), model.named_buffers()) if id(t) not in own}
