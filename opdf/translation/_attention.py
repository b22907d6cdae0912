"""Attention over keys and values that can be kept from step to step."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

KeysValues = tuple[Tensor, Tensor]  # (b, heads, t, d/heads) each


class Attention(nn.Module):
    """softmax(q kᵀ/√(d/h)) v of each of h heads, then `out`                              (Vaswani et al. 2017, Eq. 1)"""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_attention_heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def keys_values(self, context: Tensor) -> KeysValues:
        """Of what is attended to, (b, t, d)."""
        return self._split(self.key(context)), self._split(self.value(context))

    def forward(self, hidden: Tensor, context: KeysValues, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """(b, u, d) → (b, u, d).

        mask    (b, 1, 1, t) booleans, True for what may be attended to
        causal  place u sees places up to u alone
        """
        mixed = scaled_dot_product_attention(
            self._split(self.query(hidden)), *context, attn_mask=mask, is_causal=causal
        )
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)
