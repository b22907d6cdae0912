"""An encoder and a decoder, in plain modules of PyTorch.

    encoder   h = √d E_s[x] + p;  h ← layer(h);  m = norm(h)
    decoder   h = √d E_t[y] + p;  h ← layer(h, m);  logits = E_t norm(h)     (tied; else a matrix of its own)

p are sines and cosines, so that positions have no parameters. Source: Vaswani et al. 2017, arXiv 1706.03762.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..models._transformer import xavier
from ._architecture import Architecture
from ._attention import KeysValues
from ._layers import DecoderLayer, EncoderLayer


class Embedding(nn.Module):
    """√d E[ids] + p, (…, u) → (…, u, d)."""

    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(a.vocabulary, a.width) * a.width**-0.5)
        self.dropout = nn.Dropout(a.dropout)
        self.register_buffer("positions", sinusoids(a.positions, a.width), persistent=False)

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """start: the position of the first of them."""
        positions = self.get_buffer("positions")[start : start + ids.shape[-1]]
        return self.dropout(self.weight[ids] * self.weight.shape[1] ** 0.5 + positions)


class Encoder(nn.Module):
    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.embedding = Embedding(a)
        self.layers = nn.ModuleList(EncoderLayer(a) for _ in range(a.encoder))
        self.norm = nn.LayerNorm(a.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(b, t) → (b, t, d); mask (b, 1, 1, t)."""
        hidden = self.embedding(ids)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return self.norm(hidden)


class Decoder(nn.Module):
    def __init__(self, a: Architecture) -> None:
        super().__init__()
        self.embedding = Embedding(a)
        self.layers = nn.ModuleList(DecoderLayer(a) for _ in range(a.decoder))
        self.norm = nn.LayerNorm(a.width)
        self.output = None if a.tied else nn.Linear(a.width, a.vocabulary, bias=False)

    def forward(self, ids: Tensor, source: list[KeysValues], mask: Tensor) -> Tensor:
        """(b, u) → (b, u, d); source: of each layer, mask (b, 1, 1, t)."""
        hidden = self.embedding(ids)
        for layer, seen in zip(self.layers, source, strict=True):
            hidden = layer(hidden, seen, mask)
        return self.norm(hidden)

    def step(
        self, ids: Tensor, before: list[KeysValues], source: list[KeysValues], mask: Tensor
    ) -> tuple[Tensor, list[KeysValues]]:
        """The pieces (b·k,) of one place → (b·k, d), and what the next step takes for `before`; [] at the first."""
        hidden = self.embedding(ids[:, None], before[0][0].shape[2] if before else 0)
        seen = []
        for n, layer in enumerate(self.layers):
            hidden, kept = layer.step(hidden, before[n] if before else None, source[n], mask)  # type: ignore[operator]
            seen.append(kept)
        return self.norm(hidden)[:, 0], seen

    def source(self, memory: Tensor) -> list[KeysValues]:
        """What each layer attends to of what the encoder says, (b, t, d)."""
        return [layer.cross.keys_values(memory) for layer in self.layers]  # type: ignore[union-attr,operator]

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, d) → (…, vocabulary)."""
        return hidden @ self.embedding.weight.T if self.output is None else self.output(hidden)


class TranslationNetwork(nn.Module):
    """Reads a sentence and the beginning of its translation; says how the translation goes on."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.encoder, self.decoder = Encoder(architecture), Decoder(architecture)
        for layers in (self.encoder.layers, self.decoder.layers):
            xavier(layers)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Logits (Σ target lengths, vocabulary) of the places that are no padding, sentence after sentence.

        inputs  input_ids, attention_mask (b, t);  target_ids, target_mask (b, u), what the decoder reads
        """
        mask = seen(inputs["attention_mask"])
        source = self.decoder.source(self.encoder(inputs["input_ids"], mask))
        hidden = self.decoder(inputs["target_ids"], source, mask)
        return self.decoder.logits(hidden[inputs["target_mask"].bool()])


def seen(attention_mask: Tensor) -> Tensor:
    """(b, t) of 1 and 0 → (b, 1, 1, t) booleans."""
    return attention_mask.bool()[:, None, None]


def sinusoids(positions: int, width: int) -> Tensor:
    """p (positions, width): p[n, 2i] = sin(n/10000^(2i/d)), p[n, 2i + 1] the cosine."""
    angles = torch.arange(positions)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
