"""A pre-norm transformer block, without dropout.

h ← h + out(attention(norm1(h)));   h ← h + fc2(gelu(fc1(norm2(h))))                      (Dosovitskiy et al. 2021, Eq. 2–3)
"""

from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


class Attention(nn.Module):
    """Every token attends to all; query and key are layers of their own, as in BERT, so that scores can be read."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_attention_heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, hidden: Tensor) -> Tensor:
        q, k, v = (f(hidden).unflatten(-1, (self.num_attention_heads, -1)) for f in (self.query, self.key, self.value))
        mixed = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width: int, feed_forward: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2, self.fc1, self.fc2 = (
            nn.LayerNorm(width),
            nn.Linear(width, feed_forward),
            nn.Linear(feed_forward, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self.attention(self.norm1(hidden))
        return hidden + self.fc2(gelu(self.fc1(self.norm2(hidden))))


def xavier(network: nn.Module) -> None:
    """Glorot's uniform weights and no biases for every linear layer, as ViT's authors do."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
