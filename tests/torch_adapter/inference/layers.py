"""Formats of one table, a model with all kinds of layers, and its data."""

import torch
from torch import Tensor, nn

import tensornet as tn
import tensornet_torch as tnt

SHAPE = (60, 48)
FORMATS = [
    tn.MPO.for_shape(SHAPE, cores=5),
    tn.MPO.for_shape(SHAPE, cores=4, layout="even", rank=6),
    tn.MPO((60,), (48,)),
    tn.LowRank(*SHAPE, 5),
    tn.Monarch.for_shape(SHAPE),
    tn.BlockTensorTrain.for_shape(SHAPE, rank=2),
    tn.Kronecker((30, 3), (2, 16), terms=1),
    tn.Kronecker((2, 16), (30, 3), terms=1),
    tn.Kronecker((1, 4), (60, 12), terms=3),
    tn.Kronecker.for_shape(SHAPE, rank=3),
    tn.Tucker.for_shape(SHAPE, rank=6),
    tn.CP.for_shape(SHAPE, rank=4),
    tn.TensorRing.for_shape(SHAPE, rank=3),
    tn.Padded.for_shape((59, 47), inner="mpo", cores=3),
]


class Tied(nn.Module):
    """Tokens to logits: an embedding with padding tied to the decoder, and linear layers between."""

    def __init__(self, *, tied: bool = True, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 16, padding_idx=3, dtype=dtype)
        self.blocks = nn.ModuleList([nn.Linear(16, 24, dtype=dtype), nn.Linear(24, 16, bias=False, dtype=dtype)])
        self.norm = nn.LayerNorm(16, dtype=dtype)
        self.decoder = nn.Linear(16, 30, dtype=dtype)
        self.register_buffer("steps", torch.tensor(7))
        if tied:
            self.decoder.weight = self.embedding.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids)
        return self.decoder(self.norm(x + self.blocks[1](torch.tanh(self.blocks[0](x)))))


def tied(seed: int = 0, **options) -> Tied:
    torch.manual_seed(seed)
    return Tied(**options)


def tokens(seed: int = 0) -> Tensor:
    return torch.randint(30, (4, 9), generator=torch.Generator().manual_seed(seed))


def plan(model: nn.Module, rank: int | None = None) -> tn.Plan:
    return tnt.plan(model, r"(embedding|blocks\.\d)\.weight", format="low_rank", rank=rank)


def random(fmt: tn.Format, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(s, dtype=dtype) for s in fmt.shapes]
