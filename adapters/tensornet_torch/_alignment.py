"""The alignment loss of all paired weights, and its gradient on their factors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import tensornet as tn
from tensornet.alignment import checked_options, distance_and_gradient, prepared, target

from ._weight import Weight, factors_of, full_precision
from ._wrapped import inside


class Aligner:
    """Teacher factors for each paired weight of `weights`, and the target they make for the student as it stands."""

    def __init__(
        self, options: tn.Alignment, plan: tn.Plan, weights: Mapping[str, Weight], gauge: str | tn.Mixed
    ) -> None:
        teacher = _matrices(checked_options(options).teacher)
        self.gauge = gauge
        self.options = options
        self.plan = plan.aligned({n: tuple(w.shape) for n, w in teacher.items()}, options.pairs)
        whole = {name: _whole(teacher[other], name in weights) for name, other in self.plan.teachers.items()}
        self.weights = {name: weights[name] for name in self.plan.teachers if name in weights}
        self.teacher = {name: self._factors(name, whole[name]) for name in self.weights}
        self.rotates = options.gauge == "procrustes"
        self.targets: dict[str, Any] = {
            name: prepared(self.plan.teacher_format(name), factors, options.gauge)
            for name, factors in self.teacher.items()
        }
        self.steps, self.stale = 0, True
        self.losses: dict[str, Tensor] = {}

    @torch.no_grad()
    def begin_step(self) -> None:
        """Rotate the teacher onto the student as it stands, if its turn has come."""
        if self.rotates and (self.stale or self.steps % self.options.every == 0):
            for name, w in self.weights.items():
                self.targets[name] = target(w.format, w.factors, self.teacher[name], self.options.gauge)
        self.steps, self.stale, self.losses = self.steps + 1, False, {}

    @property
    def weight(self) -> float:
        """λ of the step that has begun."""
        return self.options.weight_at(self.steps - 1)

    def restart(self) -> None:
        """The student's factors are new ones: rotate at the next step."""
        self.stale = True

    def add_gradients(self, names: Iterable[str]) -> Tensor:
        """Add λ dL_Aux/dT_k to the gradients of these weights' factors, but for frozen weights; returns Σ_pairs L_Aux."""
        paired = [self.weights[n] for n in names if n in self.weights]
        return total([self._add(w) for w in paired if w.parameter.requires_grad])

    def _add(self, w: Weight) -> Tensor:
        with full_precision(w.parameter):
            found = distance_and_gradient(w.format, w.factors, self.targets[w.name], self.options.gauge)
        loss: Tensor = found[0]
        self.losses[w.name] = loss.detach()
        for factor, part in zip(w.factors, found[1], strict=True):
            if part is not None:  # the central factor has none under Eq. 5
                pull = part * self.weight
                factor.grad = pull if factor.grad is None else factor.grad + pull
        return loss

    def state(self) -> dict[str, Any]:
        """The steps taken and the rotated targets; those of other gauges are the teacher's, which is at hand."""
        return {
            "steps": self.steps,
            "stale": self.stale,
            "targets": {n: list(t) for n, t in self.targets.items()} if self.rotates else {},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.steps, self.stale = state["steps"], state["stale"]
        if not self.rotates:
            return
        if self.targets and not state["targets"]:  # saved in a gauge that has none to save
            self.restart()
        for name in self.weights.keys() & state["targets"].keys():
            like = self.weights[name].factors[0]
            self.targets[name] = tuple(t.to(like.device, like.dtype) for t in state["targets"][name])

    def _factors(self, name: str, weight: Tensor) -> tuple[Tensor, ...]:
        like = self.weights[name].factors[0]
        fmt = self.plan.teacher_format(name)
        return factors_of(
            f"Alignment: teacher of {name}", fmt.decompose, weight.to(like.device, like.dtype), self.gauge
        )


def total(losses: Sequence[Tensor]) -> Tensor:
    """Their sum, on the device of the first."""
    return sum((x.to(losses[0].device) for x in losses[1:]), losses[0]) if losses else torch.zeros(())


def _whole(weight: Any, wanted: bool) -> Any:
    """All of a teacher's weight, if `wanted` here; every process of its mesh takes part where it is sharded."""
    whole = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
    return whole if wanted else None


def _matrices(teacher: Any) -> dict[str, Tensor]:
    if isinstance(teacher, nn.Module):
        teacher = dict(inside(teacher).named_parameters())
    if not isinstance(teacher, Mapping):
        raise tn.TensorNetError(
            f"Alignment: teacher is a {type(teacher).__name__}, needed an nn.Module or a mapping from name to tensor; pass "
            f"the teacher model or its state_dict()"
        )
    return {n: w.detach() for n, w in teacher.items() if isinstance(w, Tensor) and w.ndim >= 2}
