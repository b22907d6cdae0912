"""Weights whose sizes do not split, and kernels: padded or not, training them is training their factors."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.func import functional_call

import tensornet as tn
import tensornet_torch as tnt
from tensornet.formats import Padded

STEPS = 5


class Primes(nn.Module):
    """A table of 13 rows and layers of 7, 5 and 11: nothing here splits."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(13, 7)
        self.hidden = nn.Linear(7, 11)
        self.head = nn.Linear(11, 5)

    def forward(self, ids):
        return self.head(torch.tanh(self.hidden(self.table(ids))))


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, ids):
        x = torch.sin(torch.arange(6 * 25.0).reshape(6, 5, 5) * (1 + ids[:, :1, None, None]))
        return self.head(torch.tanh(self.conv(x.to(self.head.weight.dtype))).mean((-1, -2)))


def loss_of(call, step):
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(13, (16, 2), generator=generator)
    logits = call(ids)
    return nn.functional.cross_entropy(logits.reshape(-1, 5), ids.reshape(-1)[: logits.numel() // 5] % 5)


def model_of(cls):
    torch.manual_seed(0)
    return cls().double()


def check(cls, make_plan):
    """Five steps of the wrapped optimiser against five of the factors as leaves of autograd."""
    ours, theirs = model_of(cls), model_of(cls)
    plan = make_plan(ours)
    inner = torch.optim.AdamW(ours.parameters(), lr=1e-2)
    optimizer = tnt.overparameterize(inner, ours, plan, lr_transfer=False)
    factors = {n: [nn.Parameter(t) for t in plan[n].decompose(theirs.get_parameter(n).detach())] for n in plan}
    rest = {n: p for n, p in theirs.named_parameters() if n not in plan}
    reference = torch.optim.AdamW([*rest.values(), *(t for ts in factors.values() for t in ts)], lr=1e-2)

    def dense():
        return {**rest, **{n: plan[n].contract(ts) for n, ts in factors.items()}}

    for step in range(STEPS):
        optimizer.zero_grad()
        loss_of(ours, step).backward()
        optimizer.step()
        reference.zero_grad()
        weights = dense()
        loss_of(lambda ids, weights=weights: functional_call(theirs, weights, (ids,)), step).backward()
        reference.step()
    for name, w in dense().items():
        torch.testing.assert_close(ours.get_parameter(name).detach(), w.detach(), rtol=1e-11, atol=1e-12)
    return plan, ours, optimizer


@pytest.mark.parametrize("options", [{"cores": 3}, {"cores": 3, "rank": 3}, {"layout": "even", "cores": 2}], ids=str)
def test_padded_weights_train_as_their_factors(options):
    def make_plan(model):
        names = ["table.weight", "hidden.weight", "head.weight"]
        return tnt.plan(model, names, pad=True, **options)

    plan, model, optimizer = check(Primes, make_plan)
    assert all(isinstance(f, Padded) for f in plan.values())
    for name, fmt in plan.items():
        w, whole = model.get_parameter(name).detach(), fmt.inner.contract(optimizer.factors(name))
        assert torch.equal(w, whole[: w.shape[0], : w.shape[1]])


def test_the_padding_takes_no_part():
    """Factors that differ in the padding alone give the same weight and the same gradients where they agree."""
    fmt = Padded(tn.LowRank(8, 6), (7, 5))
    torch.manual_seed(0)
    u, v = (torch.randn(s) for s in fmt.shapes)
    other = torch.cat([u[:7], u[7:] + 1e6])
    gradient = torch.randn(7, 5)
    assert torch.equal(fmt.contract((u, v)), fmt.contract((other, v)))
    (du, dv), (du2, dv2) = fmt.pullback((u, v), gradient), fmt.pullback((other, v), gradient)
    assert not du[7:].any()
    assert not dv[:, 5:].any()
    assert torch.equal(du, du2)
    assert torch.equal(dv, dv2)


def test_kernels_are_left_out_of_all_linear():
    plan = tnt.plan(model_of(Convolution), cores=3, pad=True)
    assert list(plan) == ["head.weight"]
    assert plan.skipped["conv.weight"] == "not the weight of an nn.Linear"
    assert "of a matrix" in tnt.plan(model_of(Convolution), ".*weight", cores=3, pad=True).skipped["conv.weight"]


@tn.formats.register
@dataclass(frozen=True)
class RowBlock(tn.Format):
    """W (out, in, *kernel) = U V with a kernel's axes joined to the columns, of full rank."""

    name: ClassVar[str] = "test_row_block"

    size: tuple[int, ...]

    @classmethod
    def for_shape(cls, shape):
        return cls(shape)

    @property
    def shape(self):
        return self.size

    @property
    def network(self):
        return tn.LowRank(*self.matrix_shape).network

    def _fill(self, w, gauge):
        return tn.LowRank(*self.matrix_shape).decompose(w, gauge=gauge)


def test_kernels_train_as_their_factors():
    plan, model, optimizer = check(Convolution, lambda model: tnt.plan(model, "conv.weight", format=RowBlock))
    assert plan["conv.weight"].shape == (4, 6, 3, 3)
    with torch.no_grad():
        model.conv.weight[1, 2, 1, 1] += 1e-3
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote conv.weight"):
        optimizer.step()


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_entries_of_a_kernel_that_change_places_are_noticed(axis):
    model = model_of(Convolution)
    plan = tnt.plan(model, "conv.weight", format=RowBlock)
    optimizer = tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plan)
    with torch.no_grad():
        model.conv.weight.copy_(model.conv.weight.roll(1, axis))
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote conv.weight"):
        optimizer.step()


def test_kernels_are_aligned_with_the_teachers():
    model, teacher = model_of(Convolution), model_of(Convolution)
    plan = tnt.plan(model, "conv.weight", format=RowBlock)
    alignment = tnt.Alignment(teacher, weight=1.0, gauge="none")
    optimizer = tnt.overparameterize(torch.optim.SGD(model.parameters(), lr=0.1), model, plan, alignment=alignment)
    loss_of(model, 0).backward()
    optimizer.step()
    assert optimizer.plan.teachers == {"conv.weight": "conv.weight"}
    assert optimizer.alignment_loss == 0
