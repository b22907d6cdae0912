"""Learning Good Teacher Matters: the teacher learns too, to teach what helps this student on examples held out of train.

Ren, Zhong, Shi, Zhu, Yuan, Li, ACL 2023, arXiv 2305.09651. With T and S the answers of teacher and student to a batch (x, y),
KD(T, S) = τ² KL(T ‖ S), of a number its squared error, and (x', y') held out:

    θ'   = θ_s − η_s ∇_θs [α KD(T, S(θ_s)) + (1 − α) CE(y, S(θ_s))]               the student's tentative step
    g    = ∇_θ' CE(y', S'(θ'))                                                    what is left to learn after it
    I    = ⟨g, ∇_θs KD(T, S(θ_s))⟩                                                the distillation influence of the batch
         ≈ [KD(T, S(θ_s + εg)) − KD(T, S(θ_s − εg))] / 2ε,   ε = 0.01/‖g‖         by finite differences
    θ_t ← θ_t − η_t ∇_θt [α_t KD(S, T) + (1 − α_t) CE(y, T) − β I(θ_t)]           the teacher's step

A teacher of greater I makes the step that lowers CE(y', S') more: dCE(y', S'(θ'))/dθ_t = −η_s α ∇_θt I. Then the student
learns from the teacher as it is now. Their code takes the difference of α_t KD(S, T), the teacher's own loss, for that of
KD(T, S), and η_t = 3e-5 for β, which leaves next to nothing of I; here β is an option. The tentative step is dense and plain
also where the student is trained in factors and by Adam (theirs is Adam's): it only says where to look for g.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ..models.networks import outputs
from ..tasks import Examples, Task
from ._asked import asked, some
from ._groups import needed
from ._host import Batch, Host
from .kd import answered
from .labels import supervised

_REACH = 0.01  # ε‖g‖


class LGTM(Host):
    """A copy of the teacher learns; nothing that it says can be kept, so nothing is taught before."""

    taught = ()

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        super().__init__(student, teacher, task, options, steps)
        self.learner = copy.deepcopy(needed("lgtm", teacher)).requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.learner.parameters(), lr=options.teacher_lr, weight_decay=0.0)
        self.held_out = task.train.take(_held_out(task, options.held_out))
        # takes steps in the place of the student, which stays where it is
        self._probe = copy.deepcopy(student).requires_grad_(True).eval()

    @classmethod
    def examples(cls, task: Task, options: Any) -> Examples:
        rest = np.setdiff1d(np.arange(len(task.train)), _held_out(task, options.held_out))
        return task.train.take(rest)

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        theirs = asked(self.learner, batch.inputs, "logits")["logits"]
        return self._mixed(outputs(self.student, batch.inputs)["logits"], theirs, batch.labels, self.options.alpha)

    def _mixed(self, logits: Tensor, others: Tensor, labels: Tensor, share: float) -> dict[str, Tensor]:
        """`share` of the loss to another model's answers, the rest to the labels."""
        far = answered(logits, others, self.options.temperature)
        return {"answers": share * far, "labels": (1 - share) * supervised(logits, labels)}

    # ---- the teacher's step -----------------------------------------------------------------------------------------

    def before(self, batch: Batch, step: int) -> dict[str, float]:
        o = self.options
        theirs = outputs(self.learner.train(), batch.inputs)["logits"]
        ours, held, g = self._left_to_learn(batch, theirs.detach())
        influence = self._influence(batch, theirs, g)
        loss = _total(self._mixed(theirs, ours, batch.labels, o.teacher_alpha))
        self.optimizer.zero_grad()
        (loss - o.influence * influence).backward()
        for group in self.optimizer.param_groups:
            group["lr"] = o.teacher_lr * (1 - step / self.steps)
        self.optimizer.step()
        figures = torch.stack([loss, influence, held]).detach().tolist()
        return dict(zip(("teacher_loss", "influence", "held_out_loss"), figures, strict=True))

    def _left_to_learn(self, batch: Batch, theirs: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """S(θ_s), CE(y', S'(θ')) and its gradient g."""
        probe = self._at([], 0.0)
        ours = outputs(probe, batch.inputs)["logits"]
        loss = _total(self._mixed(ours, theirs, batch.labels, self.options.alpha))
        self._at(self._gradients(loss), -self._rate())
        rows = torch.randint(len(self.held_out), (len(batch.labels),)).numpy()
        inputs, labels = some(self.held_out, rows, probe)
        held = supervised(outputs(probe, inputs)["logits"], labels)
        return ours.detach(), held, self._gradients(held)

    def _influence(self, batch: Batch, theirs: Tensor, g: Sequence[Tensor]) -> Tensor:
        """I, a function of the teacher alone. Both sides have the same `theirs`, so that its dropout cancels."""
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(x) for x in g]))
        eps = _REACH / norm.clamp(min=torch.finfo(norm.dtype).tiny ** 0.5)
        more, less = (
            answered(asked(self._at(g, sign * eps), batch.inputs, "logits")["logits"], theirs, self.options.temperature)
            for sign in (1, -1)
        )
        return (more - less) / (2 * eps)

    @torch.no_grad()
    def _at(self, direction: Sequence[Tensor], far: Any) -> nn.Module:
        """The probe with weights θ_s + far · direction; of no direction θ_s."""
        self._probe.load_state_dict(self.student.state_dict())
        for p, d in zip(self._probe.parameters(), direction, strict=False):
            p.add_(far * d)
        return self._probe

    def _gradients(self, loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(self._probe.parameters()), materialize_grads=True))

    def _rate(self) -> float:
        if not self.lr >= 0:
            raise TensorNetError(
                f"lgtm: the student's learning rate is {self.lr}, needed a number, because its tentative step is that long; "
                f"set `lr` of the host before each step"
            )
        return self.lr

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """The teacher's weights, and what its optimiser keeps of each."""
        found = {f"teacher.{name}": t for name, t in self.learner.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            found |= {f"adam.{number}.{key}": t for key, t in slots.items()}
        return {name: t.detach().clone() for name, t in found.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.learner.load_state_dict({name: state[f"teacher.{name}"] for name in self.learner.state_dict()})
        slots: dict[int, dict[str, Tensor]] = {}
        for name, t in state.items():
            if name.startswith("adam."):
                _, number, key = name.split(".")
                slots.setdefault(int(number), {})[key] = t
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})


def _total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def _held_out(task: Task, share: float) -> np.ndarray:
    """Positions in train, drawn once for all seeds, so that runs differ in nothing else; at least one, and one is left."""
    n = len(task.train)
    if n < 2:
        raise TensorNetError(
            f"lgtm: task {task.name} has {n} training example, needed two, because one is held out; take more of them"
        )
    return np.sort(np.random.default_rng(0).permutation(n)[: min(max(1, round(share * n)), n - 1)])
