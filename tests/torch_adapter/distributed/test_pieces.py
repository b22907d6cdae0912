"""Pieces of a weight, as DTensor cuts it."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.distributed.tensor import Partial, Replicate, Shard

from tensornet import TensorNetError
from tensornet_torch.distributed._pieces import Pieces


@dataclass(frozen=True)
class Mesh:
    mesh: torch.Tensor


@dataclass(frozen=True)
class Placed:
    """What of a DTensor says where it is."""

    device_mesh: Mesh
    placements: tuple[Any, ...]


def pieces(ranks, placements):
    mesh = torch.tensor(ranks)
    return Pieces.of("w", Placed(Mesh(mesh), placements), mesh.flatten().tolist())


@pytest.mark.parametrize("rows", [1, 2, 5, 7, 8])
@pytest.mark.parametrize("axis", [0, 1])
def test_chunks_are_those_of_torch(rows, axis):
    whole = torch.arange(rows * 3.0).reshape(rows, 3).movedim(0, axis)
    found = pieces([4, 5, 6, 7], (Shard(axis),))
    chunks = [*whole.chunk(4, axis)]
    for rank, chunk in zip(range(4, 8), chunks + [whole.narrow(axis, 0, 0)] * (4 - len(chunks)), strict=True):
        assert torch.equal(found.of_rank(whole, rank), chunk)


def test_hybrid_sharding_has_every_piece_on_each_row_of_the_mesh():
    whole = torch.arange(12.0).reshape(4, 3)
    found = pieces([[0, 1], [2, 3]], (Replicate(), Shard(0)))
    assert torch.equal(found.of_rank(whole, 2), whole[:2])
    assert torch.equal(found.of_rank(whole, 3), whole[2:])
    assert found.sources(owner=3) == [0]  # its own half is at hand; 0 and 2 hold the other one
    assert found.sources(owner=0) == [1]


def test_two_axes_cut_one_inside_the_other():
    whole = torch.arange(24.0).reshape(4, 6)
    found = pieces([[0, 1], [2, 3]], (Shard(0), Shard(1)))
    parts = [[found.of_rank(whole, rank) for rank in row] for row in ([0, 1], [2, 3])]
    assert torch.equal(torch.cat([torch.cat(row, 1) for row in parts]), whole)


def test_a_plain_tensor_is_whole_everywhere():
    found = Pieces.of("w", torch.zeros(2, 2), [0, 1])
    assert found.sources(owner=1) == []


def test_other_placements_and_other_processes_are_refused():
    with pytest.raises(TensorNetError, match=r"w is placed .*Partial.* needed Shard and Replicate"):
        pieces([0, 1], (Partial(),))
    with pytest.raises(TensorNetError, match=r"on processes \[0, 1\], needed .* of the group, \[0, 1, 2\]"):
        Pieces.of("w", Placed(Mesh(torch.tensor([0, 1])), (Shard(0),)), [0, 1, 2])
