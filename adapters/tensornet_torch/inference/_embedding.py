"""FactorizedEmbedding: rows of a table from its factors, without the table."""

from typing import Any, Self, final

import torch
from torch import Tensor, nn

from tensornet import Format, TensorNetError

from .._weight import full_precision
from ._factorized import Factorized
from ._rows import Rows


@final
class FactorizedEmbedding(Factorized):
    """In the place of an nn.Embedding.

    format       of the table (num_embeddings, embedding_dim)
    padding_idx  this row gets no gradient
    padding      the row itself, as it was in the table: factors move with the other rows. None where the table is tied to
                 another module, which trains that row too
    """

    padding: Tensor | None

    def __init__(
        self,
        format: Format,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(format, device=device, dtype=dtype)
        self.num_embeddings, self.embedding_dim = format.shape
        if padding_idx is not None and not -self.num_embeddings <= padding_idx < self.num_embeddings:
            raise TensorNetError(
                f"FactorizedEmbedding: padding_idx={padding_idx}, needed one of the {self.num_embeddings} rows, because it "
                f"is the number of the row that stays as it is; pass one, or None"
            )
        self.origin, self.padding_idx = nn.Embedding, None if padding_idx is None else padding_idx % self.num_embeddings
        self._rows, self._beyond = Rows.of(format), format.network.shape[0]
        row = None if padding_idx is None else torch.zeros(self.embedding_dim, device=device, dtype=dtype)
        self.register_buffer("padding", row)
        self.reset_parameters()

    @classmethod
    def like(cls, module: nn.Embedding, format: Format, weight: Tensor, *, tied: bool) -> Self:
        """Without values, but for the row of padding."""
        if module.max_norm is not None or module.scale_grad_by_freq or module.sparse:
            raise TensorNetError(
                f"compress: an nn.Embedding has max_norm={module.max_norm}, scale_grad_by_freq={module.scale_grad_by_freq}, "
                f"sparse={module.sparse}, needed none of them, because a row of a factorised table has no entries and no "
                f"gradient of its own; switch them off, or leave the table out of the plan"
            )
        made = cls(format, module.padding_idx, device="meta")
        made.padding = None
        if module.padding_idx is not None and not tied:
            made.padding = weight.detach()[module.padding_idx].clone()
        return made

    def reset_parameters(self) -> None:
        """As nn.Embedding: entries of variance 1, zeros in the row of padding."""
        self._sample(std=1.0)
        if self.padding is not None:
            self.padding.zero_()

    def forward(self, ids: Tensor) -> Tensor:
        """(*ids.shape, embedding_dim)."""
        factors = self._factors()
        if self._beyond > self.num_embeddings:  # out of the table for us is out of it for PyTorch too
            ids = torch.where(ids < self.num_embeddings, ids, self._beyond)
        try:
            with full_precision(factors[0]):
                rows = self._rows(factors, ids)
        except (
            IndexError
        ) as error:  # PyTorch looks for them on the CPU; looking first takes longer, and nothing traced can
            raise TensorNetError(
                f"FactorizedEmbedding: {error}; got an id outside the table, needed 0…{self.num_embeddings - 1}, because the "
                f"table has {self.num_embeddings} rows; map unknown ids to a row that exists"
            ) from error
        if self.padding_idx is None:
            return rows
        fixed = rows.detach() if self.padding is None else self.padding
        return torch.where((ids == self.padding_idx)[..., None], fixed, rows)

    def contracted(self, dtype: torch.dtype | None = None) -> Tensor:
        """The table, with its row of padding."""
        table = super().contracted(dtype)
        if self.padding is None:
            return table
        numbers = torch.arange(self.num_embeddings, device=table.device)
        return torch.where((numbers == self.padding_idx)[:, None], self.padding.to(table.dtype), table)  # type: ignore[index]

    @property
    def num_params(self) -> int:
        return super().num_params + (0 if self.padding is None else self.padding.numel())

    def to_dense(self, weight: nn.Parameter) -> nn.Module:
        made = nn.Embedding(self.num_embeddings, self.embedding_dim, self.padding_idx, device="meta")
        made.weight = weight
        return made

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return super().extra_repr() + padding
