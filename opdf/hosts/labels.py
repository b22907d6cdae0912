"""The labels alone: what every method is compared with."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from ._answers import supervised as supervised
from ._host import Batch, Host


class Labels(Host):
    """Cross-entropy, or the squared error of a number; no teacher."""

    taught: ClassVar[tuple[str, ...]] = ()

    def teach(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {}

    def terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        return {"labels": supervised(self.said(batch.inputs)["logits"], batch.labels, self.smoothing)}
