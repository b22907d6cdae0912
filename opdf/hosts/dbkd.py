"""Decision-based distillation: the teacher says which class, and nothing else.

    L = (1 − α) CE(z_s, y) + α τ² KL(softmax(ẑ/τ) ‖ softmax(z_s/τ))

with ẑ estimated from decisions on perturbed copies of the example (`_decisions`). Zhou, Yang, Li, Liu, ACL 2023, arXiv
2306.08909. In their copies words are swapped, inserted, deleted or replaced by WordNet's synonyms; here tokens are masked, for
which neither text nor dictionary is needed. As theirs, one of the samples is the example itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tensornet import TensorNetError

from ..models.networks import outputs
from ..tasks import Task
from ._asked import asked
from ._decisions import estimated_logits
from ._groups import needed
from ._host import Batch, Host
from ._options import DBKD as Options
from .kd import answered
from .labels import supervised


class DBKD(Host):
    """Decisions under noise in place of the teacher's logits, which are never read."""

    options: Options

    def __init__(self, student: nn.Module, teacher: nn.Module | None, task: Task, options: Any, steps: int) -> None:
        super().__init__(student, teacher, task, options, steps)
        self.oracle = needed("dbkd", teacher)
        self.tokenizer: Any = task.tokenizer
        if task.classes == 1:
            raise TensorNetError(
                f"dbkd: task {task.name} predicts a number, needed classes, because a number is no decision between any; "
                f"distil with kd, or with labels alone"
            )
        if task.kind == "text" and getattr(self.tokenizer, "mask_token_id", None) is None:
            raise TensorNetError(
                f"dbkd: the tokenizer of task {task.name} has no mask token, needed one, because copies of an example have "
                f"tokens masked; take an encoder trained with masks, as BERT's are"
            )

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        counts: Any = 0
        for copy in self._copies(inputs):
            decided = asked(self.oracle, copy, "logits")["logits"].argmax(1)
            counts = counts + torch.nn.functional.one_hot(decided, self.task.classes)
        return {"logits": estimated_logits(counts, self.options.sigma).float()}

    def _copies(self, inputs: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
        """The batch as it is, and samples − 1 times perturbed."""
        yield inputs
        name = "input_ids" if self.task.kind == "text" else "pixels"
        x = inputs[name]
        noise = self._masks(inputs) if self.task.kind == "text" else self._gaussian(x)
        for change in torch.from_numpy(noise).to(x.device):
            moved = x.masked_fill(change, self.tokenizer.mask_token_id) if change.dtype == torch.bool else x + change
            yield {**inputs, name: moved}

    def _masks(self, inputs: Mapping[str, Tensor]) -> NDArray[np.bool_]:
        """(samples − 1, b, t): `noise` of each example's tokens, one at least, and none of the special ones."""
        ids, real = inputs["input_ids"].cpu().numpy(), inputs["attention_mask"].cpu().numpy() == 1
        free = real & ~np.isin(ids, self.tokenizer.all_special_ids)
        masks = np.zeros((self.options.samples - 1, *ids.shape), bool)
        for n, row in enumerate(ids):
            places = np.flatnonzero(free[n])
            order = self._generator(row[real[n]]).permuted(np.tile(places, (len(masks), 1)), axis=1)
            some = order[:, : max(1, round(self.options.noise * len(places)))]
            masks[np.arange(len(masks))[:, None], n, some] = True
        return masks

    def _gaussian(self, pixels: Tensor) -> NDArray[np.float32]:
        """(samples − 1, b, …), `noise` the standard deviation."""
        size = (self.options.samples - 1, *pixels.shape[1:])
        drawn = [self._generator(image).standard_normal(size, np.float32) for image in pixels.cpu().numpy()]
        return np.float32(self.options.noise) * np.stack(drawn, 1)

    def _generator(self, example: NDArray[Any]) -> np.random.Generator:
        """Of the example's own content and the seed, so that neither its place nor its neighbours in a batch matter."""
        digest = hashlib.blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest()
        return np.random.default_rng([self.options.seed, int.from_bytes(digest, "little")])

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        o, logits = self.options, outputs(self.student, batch.inputs, {"logits"})["logits"]
        return {
            "labels": (1 - o.alpha) * supervised(logits, batch.labels),
            "answers": o.alpha * answered(logits, batch.teacher["logits"], o.temperature),
        }

    def fingerprint(self) -> str:
        o = self.options
        return f"decisions of {o.samples} copies, noise {o.noise}, sigma {o.sigma}, seed {o.seed}"
