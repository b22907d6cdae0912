"""Attribution-driven distillation: the student is to owe its answer to the tokens that its teacher owes it to.

    L = (1 − α) CE(z_s, y) + α τ² KL(softmax(z_t/τ) ‖ softmax(z_s/τ)) + β L_attr,    L_attr = 1/n Σ_i Σ_c (a_t,ic − a_s,ic)²

over the n tokens i of a batch and all classes c, not the label's alone ("multi-view"). a_ic is the norm of token i's integrated
gradients of class c, the teacher's over its K strongest dimensions; all of an example together are scaled to norm 1
(`_attribution`). Of a regression there is one view. Wu, Chen, Quan, Wang, Wang, ACL 2023, arXiv 2305.10010.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tensornet import TensorNetError

from ..tasks import Task
from ._attribution import attribution_map, integrated_gradients
from ._groups import needed
from ._host import Batch, Host
from ._options import ADKD as Options
from .kd import answered
from .labels import supervised


class ADKD(Host):
    """Answers and attributions; the teacher's are worked out once for each example, the student's at each step."""

    options: Options
    taught: ClassVar[tuple[str, ...]] = ("logits", "attributions")
    per_token: ClassVar[frozenset[str]] = frozenset({"attributions"})

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        super().__init__(student, teacher, task, options, steps)
        self.mentor = needed("adkd", teacher)
        if task.kind != "text":
            raise TensorNetError(
                f"adkd: task {task.name} is of {task.kind}, needed text, because attributions are compared token by token, and "
                f"patches of pixels have no embedding to start from; distil with kd"
            )

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        training = self.mentor.training
        self.mentor.eval()
        try:
            with torch.enable_grad():
                found, logits = integrated_gradients(self.mentor, inputs, self.options.steps)
        finally:
            self.mentor.train(training)
        return {"logits": logits, "attributions": attribution_map(found, inputs["attention_mask"], self.options.top)}

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        o, mask = self.options, batch.inputs["attention_mask"]
        found, logits = integrated_gradients(self.student, batch.inputs, o.steps, keep_graph=True)
        gap = attribution_map(found, mask) - batch.teacher["attributions"]
        return {
            "labels": (1 - o.alpha) * supervised(logits, batch.labels),
            "answers": o.alpha * answered(logits, batch.teacher["logits"], o.temperature),
            "attributions": o.beta * gap.square().sum() / mask.sum(),
        }

    def fingerprint(self) -> str:
        return f"logits, attributions over {self.options.steps} points, top {self.options.top}"
