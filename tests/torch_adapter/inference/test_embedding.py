"""FactorizedEmbedding is a row of the table, in every format, and its row of padding stays."""

import pytest
import torch
from torch import nn
from torch_adapter.inference.layers import FORMATS, random

import tensornet as tn
import tensornet_torch as tnt
from tensornet_torch.inference._rows import Rows

FMT = tn.LowRank(30, 16, 4)


@pytest.mark.parametrize("fmt", [*FORMATS, tn.MPO((1, 1), (6, 2)), tn.LowRank(1, 6, 1)], ids=repr)
def test_rows_are_those_of_lookup(fmt):
    factors = random(fmt)
    for ids in (
        torch.arange(fmt.shape[0]),
        torch.randint(fmt.shape[0], (2, 3)),
        torch.tensor(0),
        torch.zeros(0, 4, dtype=int),
    ):
        assert torch.allclose(Rows.of(fmt)(factors, ids), fmt.lookup(factors, ids))


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_a_row_alone_without_gradients(fmt):
    """It has an order of products of its own."""
    factors = random(fmt)
    with torch.no_grad():
        for k in (0, fmt.shape[0] - 1):
            assert torch.allclose(Rows.of(fmt)(factors, torch.tensor([k])), fmt.lookup(factors, torch.tensor([k])))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_forward_and_gradients_are_those_of_the_table(dtype):
    made = tnt.FactorizedEmbedding(FMT, dtype=torch.float64)
    ids = torch.randint(30, (5, 7)).to(dtype)
    ours = torch.autograd.grad(made(ids).square().sum(), list(made.factors))
    table = FMT.contract(list(made.factors))
    assert torch.allclose(made(ids), table[ids.long()])
    theirs = torch.autograd.grad(nn.functional.embedding(ids, table).square().sum(), list(made.factors))
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_table_is_never_formed():
    """10¹² rows would not fit anywhere."""
    fmt = tn.MPO((10**6, 10**6), (4, 4), (2,))
    made = tnt.FactorizedEmbedding(fmt)
    assert made(torch.tensor([0, 10**12 - 1, 123_456_789_012])).shape == (3, 16)


def test_the_row_of_padding_stays_and_gets_no_gradient():
    torch.manual_seed(0)
    dense = nn.Embedding(30, 16, padding_idx=3)
    with torch.no_grad():
        dense.weight[3] = torch.randn(16)  # whatever it is
    row = dense.weight[3].detach().clone()
    small = tnt.compress(dense, tnt.plan(dense, "weight", format="low_rank", rank=2))
    ids = torch.tensor([[3, 5], [3, 3]])
    assert torch.equal(small(ids)[0, 0], row)
    optimizer = torch.optim.SGD(small.parameters(), lr=1.0)
    small(ids).sum().backward()
    optimizer.step()
    assert torch.equal(small(ids)[1, 1], row)
    assert torch.equal(small.weight[3], row)
    assert not torch.allclose(small(ids)[0, 1], dense(ids)[0, 1])
    small.zero_grad()
    small(torch.tensor([3, 3])).sum().backward()
    assert all(not p.grad.any() for p in small.parameters())


@pytest.mark.parametrize("bad", [-1, 30])
def test_ids_outside_the_table_are_refused(bad):
    made = tnt.FactorizedEmbedding(tn.Padded(tn.LowRank(32, 16, 4), (30, 16)))
    with pytest.raises(tn.TensorNetError, match="needed 0…29"):
        made(torch.tensor([0, bad]))


def test_compiled_in_one_graph_for_any_number_of_ids():
    made = tnt.FactorizedEmbedding(tn.MPO.for_shape((30, 16), cores=3), padding_idx=2)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    for n in (1, 3, 7):
        ids = torch.randint(30, (2, n))
        assert torch.allclose(compiled(ids), made(ids))
    with pytest.raises((IndexError, RuntimeError)):
        compiled(torch.tensor([[0, 30]]))


def test_autocast_leaves_rows_as_they_are():
    made, ids = tnt.FactorizedEmbedding(FMT), torch.arange(30)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(made(ids), made.to(torch.float32)(ids))
        assert made(ids).dtype == torch.float32


@pytest.mark.parametrize("option", [{"max_norm": 1.0}, {"sparse": True}, {"scale_grad_by_freq": True}])
def test_options_that_need_rows_of_their_own_are_refused(option):
    dense = nn.Embedding(30, 16, **option)
    with pytest.raises(tn.TensorNetError, match=f"{next(iter(option))}=.*needed none of them.*switch them off"):
        tnt.compress(dense, tnt.plan(dense, "weight", format="low_rank", rank=2))
