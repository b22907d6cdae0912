"""The teacher's inside: hidden states, attention scores and embeddings, and the projections that a gap in width needs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..losses import attention, fitted_projection, hidden
from ..models.networks import layer_pairs
from ..tasks import Task
from ._asked import asked, some
from ._host import Batch
from ._options import KD

_SAMPLE = 64  # examples that a projection is fitted to at the start


class Inside:
    """The terms whose weights are above 0.

    wanted       of `outputs`, from the student
    taught       what comes of the teacher through the cache: "hidden.i", that of student layer i's own layer, and "embeddings"
    projections  name → (student's width, teacher's), trained with the student and no part of it

    Attention scores are asked for at each step instead: heads · t² numbers for each example are too many to keep.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, task: Task, options: KD) -> None:
        self.teacher = teacher
        self.weights = {"hidden": options.hidden, "embeddings": options.embedding, "scores": options.attention}
        self.wanted = tuple(name for name, weight in self.weights.items() if weight > 0)
        by_layer = {"hidden", "scores"} & set(self.wanted)
        self.map = layer_pairs(student, teacher) if by_layer else ()
        states = [f"hidden.{i}" for i in range(len(self.map))] if "hidden" in self.wanted else []
        self.taught = (*states, *(["embeddings"] if "embeddings" in self.wanted else []))
        self.projections = self._fitted(student, task) if self.taught else {}

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The teacher's logits and all of `taught`."""
        said = asked(self.teacher, inputs, "logits", *(n for n in self.wanted if n != "scores"))
        return {"logits": said["logits"], **self._named(said, self.map)}

    def terms(self, said: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Weighted; `said` are the student's `outputs`."""
        mask = batch.inputs.get("attention_mask")
        far = {
            name: hidden(ours, batch.teacher[name], mask, self.projections.get(_PROJECTION + name))
            for name, ours in self._named(said, range(len(self.map))).items()
        }
        terms = {}
        if "embeddings" in far:
            terms["embeddings"] = far.pop("embeddings")
        if far:
            terms["hidden"] = torch.stack(list(far.values())).mean()
        if "scores" in self.wanted:
            theirs = asked(self.teacher, batch.inputs, "scores")["scores"]
            pairs = zip(said["scores"], self.map, strict=True)
            terms["scores"] = torch.stack([attention(ours, theirs[j], mask) for ours, j in pairs]).mean()
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _named(self, said: Mapping[str, Any], chosen: Any) -> dict[str, Tensor]:
        """Of a model's `outputs`, by the names of `taught`; `chosen` are its layers, one for each of the student's."""
        states = [said["hidden"][j] for j in chosen] if "hidden" in said else []
        return {f"hidden.{i}": h for i, h in enumerate(states)} | {k: said[k] for k in ("embeddings",) if k in said}

    def _fitted(self, student: nn.Module, task: Task) -> dict[str, nn.Parameter]:
        """A projection for each of `taught` that the student says in another width."""
        inputs, _ = some(task.train, range(min(len(task.train), _SAMPLE)), student)
        wanted = [n for n in self.wanted if n != "scores"]
        ours, theirs = self._named(asked(student, inputs, *wanted), range(len(self.map))), self.teach(inputs)
        mask = inputs.get("attention_mask")
        return {
            _PROJECTION + name: nn.Parameter(fitted_projection(h, theirs[name], mask))
            for name, h in ours.items()
            if h.shape[-1] != theirs[name].shape[-1]
        }


_PROJECTION = "projection of "  # no name of a student's parameter has spaces
