"""The teacher's inside: embeddings, hidden states, feed-forward parts, attention scores; projections for a gap in width."""

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

    Attention scores are asked for at each step instead: heads · t² numbers for each example are too many to keep. So is what
    feed-forward parts say, of which a compressed student wants all layers, mostly beside the scores.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, task: Task, options: KD) -> None:
        self.teacher = teacher
        self.weights = {"hidden": options.hidden, "embeddings": options.embedding}
        self.weights |= {"scores": options.attention, "ffn": options.ffn}
        self.wanted = tuple(name for name, weight in self.weights.items() if weight > 0)
        self.asked = tuple(name for name in self.wanted if name in _AT_EACH_STEP)
        self.map = layer_pairs(student, teacher) if {"hidden", *self.asked} & set(self.wanted) else ()
        states = [f"hidden.{i}" for i in range(len(self.map))] if "hidden" in self.wanted else []
        self.taught = (*states, *(["embeddings"] if "embeddings" in self.wanted else []))
        self.projections = self._fitted(student, task) if set(self.wanted) - {"scores"} else {}

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The teacher's logits and all of `taught`."""
        said = asked(self.teacher, inputs, "logits", *(n for n in self.wanted if n not in self.asked))
        return {"logits": said["logits"], **self._named(said, self.map)}

    def terms(self, said: Mapping[str, Any], batch: Batch) -> dict[str, Tensor]:
        """Weighted; `said` are the student's `outputs`."""
        mask = batch.inputs.get("attention_mask")
        now = asked(self.teacher, batch.inputs, *self.asked) if self.asked else {}
        theirs = {**batch.teacher, **self._named(now, self.map)}
        far = {
            name: hidden(ours, theirs[name], mask, self.projections.get(_PROJECTION + name))
            for name, ours in self._named(said, range(len(self.map))).items()
        }
        terms = {}
        if "embeddings" in far:
            terms["embeddings"] = far.pop("embeddings")
        for name in (name for name in _STATES if name in said):
            terms[name] = torch.stack([far[f"{name}.{i}"] for i in range(len(self.map))]).mean()
        if "scores" in self.wanted:
            pairs = zip(said["scores"], self.map, strict=True)
            terms["scores"] = torch.stack([attention(ours, now["scores"][j], mask) for ours, j in pairs]).mean()
        return {name: self.weights[name] * terms[name] for name in self.weights if name in terms}

    @torch.no_grad()
    def refit(self, student: nn.Module, task: Task) -> None:
        """Begin with the projections that fit a student that was written since."""
        for name, fitted in (self._fitted(student, task) if self.projections else {}).items():
            self.projections[name].copy_(fitted)

    def _named(self, said: Mapping[str, Any], chosen: Any) -> dict[str, Tensor]:
        """Of `outputs`, as "hidden.i", "ffn.i", "embeddings"; `chosen` are the model's layers, one for each of the student."""
        states = {f"{name}.{i}": said[name][j] for name in _STATES if name in said for i, j in enumerate(chosen)}
        return states | {k: said[k] for k in ("embeddings",) if k in said}

    def _fitted(self, student: nn.Module, task: Task) -> dict[str, nn.Parameter]:
        """A projection for each state that the student says in another width."""
        inputs, _ = some(task.train, range(min(len(task.train), _SAMPLE)), student)
        wanted = [n for n in self.wanted if n != "scores"]
        ours = self._named(asked(student, inputs, *wanted), range(len(self.map)))
        theirs = self._named(asked(self.teacher, inputs, *wanted), self.map)
        mask = inputs.get("attention_mask")
        return {
            _PROJECTION + name: nn.Parameter(fitted_projection(h, theirs[name], mask))
            for name, h in ours.items()
            if h.shape[-1] != theirs[name].shape[-1]
        }


_STATES = ("hidden", "ffn")  # (b, t, d) of each layer
_AT_EACH_STEP = ("scores", "ffn")
_PROJECTION = "projection of "  # no name of a student's parameter has spaces
