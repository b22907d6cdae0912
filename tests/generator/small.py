"""A small Transformer whose depth and width are free: an embedding, encoder layers, a head tied to it or not."""

import torch
from torch import nn


class Small(nn.Module):
    def __init__(self, layers: int, d: int, *, heads: int = 2, bias: bool = True, tied: bool = False, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.words = nn.Embedding(11, d)
        one = {"dim_feedforward": 2 * d, "dropout": 0.0, "batch_first": True, "bias": bias}
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(d, heads, **one) for _ in range(layers))
        self.head = nn.Linear(d, 11, bias=bias)
        if tied:
            self.head.weight = self.words.weight

    def forward(self, ids):
        x = self.words(ids)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def batch(step: int):
    return torch.randint(11, (4, 6), generator=torch.Generator().manual_seed(step))


def loss_of(model: nn.Module, step: int):
    """Of saying other words for them."""
    ids = batch(step)
    return nn.functional.cross_entropy(model(ids).flatten(0, 1), said(ids).flatten())


def said(ids):
    return (3 * ids + 1) % 11


def train(model: nn.Module, optimizer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        optimizer.zero_grad()
        loss = loss_of(model, step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
