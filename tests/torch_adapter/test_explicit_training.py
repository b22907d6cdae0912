"""Without lr_transfer the wrapped optimiser does exactly what explicit training of the factors through autograd does."""

from functools import partial

import pytest
import torch
from torch.func import functional_call
from torch_adapter.students import CORES, loss_of, student, train

import tensornet as tn
import tensornet_torch as tnt

STEPS = 10
# Every optimiser of torch.optim that trains a model like this one: not those for sparse gradients or matrices only, and
# LBFGS has a test of its own.
NAMES = sorted(
    name
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type)
    and issubclass(cls, torch.optim.Optimizer)
    and name not in ("Optimizer", "SparseAdam", "Muon", "LBFGS")
)
OPTIMIZERS = {name: partial(getattr(torch.optim, name), lr=1e-3) for name in NAMES} | {
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=1e-2, amsgrad=True, foreach=True),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
}


def explicit(model, plan, make, gauge, dtype, alignment=None):
    """Factors as leaves of autograd, W contracted in every forward: the textbook way, with none of the adapter's code."""
    factors = {
        n: [torch.nn.Parameter(t) for t in f.decompose(dict(model.named_parameters())[n].detach(), gauge=gauge)]
        for n, f in plan.items()
    }
    rest = {n: p for n, p in model.named_parameters() if n not in plan}
    order = [f for n, _ in model.named_parameters() for f in (factors.get(n) or [rest[n]])]
    optimizer = make(order)
    for step in range(STEPS):
        weights = {n: plan[n].contract(f) for n, f in factors.items()}
        optimizer.zero_grad()
        loss = loss_of(_Called(model, {**rest, **weights}), step)
        if alignment is not None:
            loss = loss + alignment(factors)
        loss.backward()
        optimizer.step()
    return {**rest, **{n: plan[n].contract(f) for n, f in factors.items()}}


class _Called(torch.nn.Module):
    def __init__(self, model, values):
        super().__init__()
        self.model, self.values = model, values
        self.weight = torch.nn.Parameter(next(iter(values.values())).detach())  # for the dtype only

    def forward(self, x):
        return functional_call(self.model, self.values, (x,))


def distance(a, b):
    return max(((x - y).norm() / y.norm().clamp_min(1e-30)).item() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("gauge", ["balanced", "identity", "left", "right", "mixed", tn.Mixed(1)])
def test_ten_adamw_steps(dtype, bound, gauge):
    check("AdamW", dtype, bound, gauge)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_any_optimizer(name):
    check(name, torch.float64, 1e-12, "balanced")


def check(name, dtype, bound, gauge):
    ours, theirs = student(0, dtype), student(0, dtype)
    plan = tnt.plan(ours, "all-linear", cores=CORES)
    inner = OPTIMIZERS[name](ours.parameters())
    train(ours, tnt.overparameterize(inner, ours, plan, gauge=gauge, lr_transfer=False), range(STEPS))
    expected = explicit(theirs, plan, OPTIMIZERS[name], gauge, dtype)
    names = [n for n, _ in ours.named_parameters()]
    assert distance([dict(ours.named_parameters())[n] for n in names], [expected[n] for n in names]) < bound


@pytest.mark.parametrize("gauge", ["none", "invariant", "procrustes"])
def test_alignment_is_one_more_term_of_the_loss(gauge):
    dtype = torch.float64
    ours, theirs, teacher = student(0, dtype), student(0, dtype), student(1, dtype)
    plan = tnt.plan(ours, "all-linear", cores=CORES)
    alignment = tnt.Alignment(teacher, weight=3.0, gauge=gauge, every=1)
    inner = OPTIMIZERS["AdamW"](ours.parameters())
    optimizer = tnt.overparameterize(inner, ours, plan, alignment=alignment, lr_transfer=False)
    train(ours, optimizer, range(STEPS))
    targets = {n: plan[n].decompose(dict(teacher.named_parameters())[n].detach()) for n in plan}
    expected = explicit(
        theirs,
        plan,
        OPTIMIZERS["AdamW"],
        "balanced",
        dtype,
        lambda factors: 3.0 * sum(tn.align(plan[n], factors[n], targets[n], gauge=gauge) for n in plan),
    )
    names = [n for n, _ in ours.named_parameters()]
    assert distance([dict(ours.named_parameters())[n] for n in names], [expected[n] for n in names]) < 1e-10
    assert optimizer.alignment_loss > 0


@pytest.mark.parametrize("aligned", [False, True])
def test_closures_see_the_weights_of_the_factors_they_are_called_at(aligned):
    """LBFGS evaluates the model several times within one step, and its line search compares the losses."""
    ours, theirs, teacher = (student(seed, torch.float64) for seed in (0, 0, 1))
    plan = tnt.plan(ours, "all-linear", cores=3)
    options = {"lr": 0.1, "max_iter": 5, "line_search_fn": "strong_wolfe"}
    alignment = tnt.Alignment(teacher, weight=3.0, gauge="none") if aligned else None
    inner = torch.optim.LBFGS(ours.parameters(), **options)
    optimizer = tnt.overparameterize(inner, ours, plan, alignment=alignment, lr_transfer=False)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(ours, 0)
        loss.backward()
        return loss

    factors = {
        n: [torch.nn.Parameter(t.contiguous()) for t in plan[n].decompose(theirs.get_parameter(n).detach())]
        for n in plan
    }
    targets = {n: plan[n].decompose(teacher.get_parameter(n).detach()) for n in plan}
    rest = {n: p for n, p in theirs.named_parameters() if n not in plan}
    reference = torch.optim.LBFGS(
        [f for n, _ in theirs.named_parameters() for f in (factors.get(n) or [rest[n]])], **options
    )

    def explicit_closure():
        reference.zero_grad()
        loss = loss_of(_Called(theirs, {**rest, **{n: plan[n].contract(f) for n, f in factors.items()}}), 0)
        if aligned:
            loss = loss + 3.0 * sum(tn.align(plan[n], factors[n], targets[n], gauge="none") for n in plan)
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        reference.step(explicit_closure)
    for n in plan:
        assert torch.allclose(ours.get_parameter(n), plan[n].contract(factors[n]), rtol=1e-8, atol=1e-10)
