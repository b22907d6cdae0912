"""A small student, its teacher and data, for the tests of the PyTorch adapter."""

import torch
from torch import Tensor, nn

CORES = 5


class Student(nn.Module):
    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(12, 16, dtype=dtype), nn.Linear(16, 12, dtype=dtype)])
        self.norm = nn.LayerNorm(12, dtype=dtype)
        self.head = nn.Linear(12, 6, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(x + self.blocks[1](torch.tanh(self.blocks[0](x)))))


def student(seed: int, dtype: torch.dtype = torch.float32) -> Student:
    torch.manual_seed(seed)
    return Student(dtype)


def batch(step: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 + step)
    return torch.randn(32, 12, generator=generator, dtype=dtype), torch.randint(6, (32,), generator=generator)


def loss_of(model: nn.Module, step: int) -> Tensor:
    x, y = batch(step, next(model.parameters()).dtype)
    return nn.functional.cross_entropy(model(x), y)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        loss_of(model, step).backward()
        optimizer.step()
