"""Plain knowledge distillation, from the teacher's answers and, if asked for, from its inside and its weights.

    L = α τ² KL(softmax(z_t/τ) ‖ softmax(z_s/τ)) + (1 − α) CE(z_s, y)            Hinton et al. 2015, arXiv 1503.02531
      + β_h 1/L Σ_l MSE(h_l P_l, h_t,m(l)) + β_a 1/L Σ_l MSE(A_l, A_t,m(l)) + β_e MSE(e P, e_t)    TinyBERT, arXiv 1909.10351
      + β_f 1/L Σ_l MSE(f_l P_l, f_t,m(l))                                       KroneckerBERT, arXiv 2109.06243
      + β_w Σ_W MSE(W_s, W_t)                                                    the control for L_Aux

m(l) is the uniform layer map. DKD (arXiv 2203.08679) may take the place of τ² KL; of a number it is (z_s − z_t)².
Of translations z are the logits of every piece, given the true ones before it. The teacher is asked at each step: those
of all of train are too many to keep, and the likeliest few of them are another target.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ..tasks import Task
from ._answers import answered as answered
from ._answers import answers, check_answers
from ._asked import asked
from ._groups import needed
from ._host import Batch, Host
from ._inside import Inside
from ._paired import PairedWeights


class KD(Host):
    """Each term where its weight is above 0."""

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        super().__init__(student, teacher, task, options, steps)
        check_answers(options, task)
        self.inside = Inside(student, needed("kd", teacher), task, options)
        self.weights: PairedWeights | None = None
        if options.weights > 0:
            self.weights = PairedWeights(student, needed("kd", teacher), options.weights_outside)
        self.live = task.kind == "translation"
        self.taught = () if self.live else ("logits", *self.inside.taught)  # type: ignore[misc]  # as these options have it
        self.per_token = frozenset(self.inside.taught if task.kind == "text" else ())  # type: ignore[misc]

    def parameters(self) -> dict[str, nn.Parameter]:
        return super().parameters() | self.inside.projections

    def begin(self) -> None:
        self.inside.refit(self.student, self.task)

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.inside.teach(inputs)

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        said = self.said(batch.inputs, ("logits", *self.inside.wanted))
        theirs = asked(self.inside.teacher, batch.inputs, "logits") if self.live else batch.teacher
        terms = answers(self.options, said["logits"], theirs["logits"], batch.labels, self.smoothing)
        terms |= self.inside.terms(said, batch)
        if self.weights:
            terms["weights"] = self.options.weights * self.weights.distance()
        return terms

    def fingerprint(self) -> str:
        return f"layers {self.inside.map}"
