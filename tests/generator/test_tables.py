"""Tables that are bare parameters, told by their names."""

import torch
from torch import nn

import tensornet_torch as tnt


class Positioned(nn.Module):
    """An embedding, bare positions and a layer that reads their sum."""

    def __init__(self, d):
        super().__init__()
        self.words, self.positions = nn.Embedding(5, d), nn.Parameter(torch.randn(6, d))
        self.fc = nn.Linear(d, 3)

    def forward(self, ids):
        return self.fc(self.words(ids) + self.positions)


def test_positions_are_a_table():
    """They are written to the stream: a student of twice the width says what its teacher does."""
    teacher, student, ids = Positioned(4), Positioned(8), torch.randint(5, (2, 6))
    plan = tnt.generators(student, teacher)
    tnt.generate(torch.optim.Adam(student.parameters()), student, plan, teacher)
    assert plan["positions"].table
    torch.testing.assert_close(student(ids), teacher(ids))
    assert not tnt.generators(student, teacher, tables="none")["positions"].table
