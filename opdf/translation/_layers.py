"""Pre-norm layers: h ← h + dropout(part(norm(h))) for each part           (Vaswani et al. 2017; Xiong et al. 2020, pre-norm)"""

from torch import Tensor, cat, nn
from torch.nn.functional import relu

from ._architecture import Architecture
from ._attention import Attention, KeysValues


class FeedForward(nn.Module):
    """W₂ max(0, W₁ h + b₁) + b₂                                                            (Vaswani et al. 2017, Eq. 2)"""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, units), nn.Linear(units, width)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.outer(relu(self.inner(hidden)))


class EncoderLayer(nn.Module):
    """Every piece of the source attends to all of it."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(a.width), Attention(a.width, a.heads)
        self.feed_forward_norm, self.feed_forward = nn.LayerNorm(a.width), FeedForward(a.width, a.feed_forward)
        self.dropout = nn.Dropout(a.dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(b, t, d) → (b, t, d); mask (b, 1, 1, t)."""
        normed = self.attention_norm(hidden)
        hidden = hidden + self.dropout(self.attention(normed, self.attention.keys_values(normed), mask))
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))


class DecoderLayer(nn.Module):
    """Every piece of the translation attends to those before it, and to all of the source."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(a.width), Attention(a.width, a.heads)
        self.cross_norm, self.cross = nn.LayerNorm(a.width), Attention(a.width, a.heads)
        self.feed_forward_norm, self.feed_forward = nn.LayerNorm(a.width), FeedForward(a.width, a.feed_forward)
        self.dropout = nn.Dropout(a.dropout)

    def forward(self, hidden: Tensor, source: KeysValues, mask: Tensor) -> Tensor:
        """(b, u, d) → (b, u, d). Padding is on the right, so that no place before it sees any.

        source  `cross.keys_values` of what the encoder says;  mask (b, 1, 1, t)
        """
        normed = self.attention_norm(hidden)
        hidden = hidden + self.dropout(self.attention(normed, self.attention.keys_values(normed), causal=True))
        return self._rest(hidden, source, mask)

    def step(
        self, hidden: Tensor, before: KeysValues | None, source: KeysValues, mask: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """One place more of k translations of each sentence: (b·k, 1, d) → (b·k, 1, d), and what the next step attends to.

        before  keys and values of the places before it, (b·k, heads, u, d/heads); None at the first
        source  as in `forward`, (b, heads, t, d/heads): the k translations are k places that attend to one source
        """
        normed = self.attention_norm(hidden)
        here = self.attention.keys_values(normed)
        seen = here if before is None else (cat([before[0], here[0]], 2), cat([before[1], here[1]], 2))
        hidden = hidden + self.attention(normed, seen)
        together = hidden.view(len(mask), -1, hidden.shape[-1])
        return self._rest(together, source, mask).view_as(hidden), seen

    def _rest(self, hidden: Tensor, source: KeysValues, mask: Tensor) -> Tensor:
        hidden = hidden + self.dropout(self.cross(self.cross_norm(hidden), source, mask))
        return hidden + self.dropout(self.feed_forward(self.feed_forward_norm(hidden)))
