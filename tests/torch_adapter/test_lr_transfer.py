"""A learning rate that transfers: a step does for W what a dense step does, whatever its format."""

import copy
import io

import pytest
import torch
from torch import nn
from torch_adapter.students import student, train

import tensornet as tn
import tensornet_torch as tnt

SHAPE = (24, 36)
FORMATS = {
    **{f"mpo {n}": tn.MPO.for_shape(SHAPE, cores=n) for n in (2, 3, 5, 10)},
    "low rank": tn.LowRank(*SHAPE, 6),
    "kronecker": tn.Kronecker((4, 6), (6, 6), 3),
    "tucker": tn.Tucker.for_shape(SHAPE, rank=4),
    "ring": tn.TensorRing((4, 6), (6, 6), 3),
}
EACH = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def alone(fmt, optimizer=torch.optim.AdamW, lr_transfer=True, w=None, dtype=torch.float64, **options):
    """A linear layer whose weight is planned; what its factors cannot hold of it is gone at once."""
    torch.manual_seed(0)
    model = nn.Linear(SHAPE[1], SHAPE[0], bias=False, dtype=dtype)
    if w is not None:
        with torch.no_grad():
            model.weight.copy_(w)
    made = tnt.overparameterize(
        optimizer(model.parameters(), **options),
        model,
        tn.plan({"weight": SHAPE}, {"weight": fmt}),
        lr_transfer=lr_transfer,
    )
    return model, made


def rms(x):
    return x.detach().square().mean().sqrt().item()


def step(model, optimizer, gradient):
    before = model.weight.detach().clone()
    model.weight.grad = gradient.to(model.weight.dtype)
    optimizer.step()
    return model.weight.detach() - before


@EACH
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_the_first_step_does_what_a_dense_one_does(fmt, kind):
    """Per unit of the learning rate: how far along the gradient, and how far at all. Formats that hold little of a gradient
    follow it less.
    """
    for rank in (1, 24):
        torch.manual_seed(1)
        gradient = (torch.randn(SHAPE[0], rank) @ torch.randn(rank, SHAPE[1])).double()
        dense = gradient.sign() if kind is torch.optim.AdamW else gradient
        model, optimizer = alone(fmt, kind, lr=1e-4, weight_decay=0.0)
        moved = -step(model, optimizer, gradient) / 1e-4
        progress = ((moved * gradient).sum() / (dense * gradient).sum()).item()
        assert 0.85 * fmt.exact < progress < 1.5
        assert progress > 0.2
        assert 0.8 < rms(moved) / rms(dense) < 1.7


@EACH
@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
def test_w_decays_as_a_dense_weight(fmt, kind):
    """η λ W goes in a step beside what the gradient does, whatever the number of factors."""
    torch.manual_seed(1)
    gradient, moved = torch.randn(SHAPE), {}
    for decay in (0.0, 0.1):
        model, optimizer = alone(fmt, kind, lr=1e-4, weight_decay=decay)
        before = model.weight.detach().clone()
        moved[decay] = step(model, optimizer, gradient)
    torch.testing.assert_close(moved[0.1] - moved[0.0], -1e-5 * before, rtol=0.02, atol=1e-8)


@EACH
def test_the_longest_step_of_w_is_twice_the_learning_rate(fmt):
    """At a rate of 0.5, many times the size of W, where the product of moved factors is far away."""
    model, optimizer = alone(fmt, lr=0.5, weight_decay=0.0)
    torch.manual_seed(1)
    lengths = [rms(step(model, optimizer, torch.randn(SHAPE))) for _ in range(6)]
    assert 0.85 * 2 * 0.5 < max(lengths) < 1.05 * 2 * 0.5  # the bound holds, and is reached


@EACH
@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5, 1e-9])
def test_weights_that_are_small_beside_the_rate_go_as_far_as_others(fmt, size):
    """There products of the factors' steps have the most of the step: twelve dense steps would go 0.12 far."""
    torch.manual_seed(1)
    start, gradient = torch.randn(SHAPE, dtype=torch.float64), torch.randn(SHAPE)
    model, optimizer = alone(fmt, w=size * start, dtype=torch.float32, lr=1e-2, weight_decay=0.0)
    before = model.weight.detach().clone()
    for _ in range(12):
        step(model, optimizer, gradient)
    along = -((model.weight.detach() - before) * gradient).sum() / gradient.abs().sum()  # over that of a dense step
    assert along > 0.4 * 0.12


def residual(lr_transfer, lr, steps=60, dense=False):
    torch.manual_seed(0)
    layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))
    head = nn.Linear(16, 4)
    model = nn.ModuleList([layers, head])
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    if not dense:
        plan = tnt.plan(model, r"0.*weight", cores=5)
        optimizer = tnt.overparameterize(optimizer, model, plan, lr_transfer=lr_transfer)
    x, y = torch.randn(64, 16), torch.randint(4, (64,))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        h = x
        for layer in layers:
            h = h + torch.relu(layer(h))
        losses.append(nn.functional.cross_entropy(head(h), y))
        losses[-1].backward()
        optimizer.step()
    return losses[-1].item()


def test_training_that_explodes_without_the_bound_learns_with_it():
    """Dense weights learn at this rate, factors with a plain step do not."""
    dense, plain, transferred = residual(False, 0.1, dense=True), residual(False, 0.1), residual(True, 0.1)
    assert dense < 0.01
    assert not plain < 1
    assert transferred < 0.1


def test_a_zero_weight_begins_as_a_dense_one_and_learns():
    model, optimizer = alone(FORMATS["mpo 5"], w=torch.zeros(SHAPE), lr=1e-2, weight_decay=0.0)
    scales = optimizer.state_dict()["lr_transfer"]["scales"]["weight"]
    assert (scales > 0).sum() == 1
    torch.manual_seed(1)
    target = torch.randn(SHAPE, dtype=torch.float64) / 10
    assert 0.009 < rms(step(model, optimizer, -target)) < 0.013
    assert (optimizer.state_dict()["lr_transfer"]["scales"]["weight"] > 0).all()  # measured anew: now all can move it
    for _ in range(40):
        step(model, optimizer, model.weight.detach() - target)
    assert rms(model.weight - target) < 0.4 * rms(target)


def test_scales_are_measured_after_1_2_4_8_steps():
    model, optimizer = alone(FORMATS["mpo 3"], lr=1e-2)
    torch.manual_seed(1)
    measured, held = [], optimizer.state_dict()["lr_transfer"]["scales"]["weight"]
    for n in range(1, 12):
        step(model, optimizer, torch.randn(SHAPE))
        now = optimizer.state_dict()["lr_transfer"]["scales"]["weight"]
        if not torch.equal(now, held):
            measured.append(n)
            expected = tn.step_scales(FORMATS["mpo 3"], optimizer.factors("weight"))
            torch.testing.assert_close(list(now), list(expected))
        held = now.clone()
    assert measured == [1, 2, 4, 8]


def test_without_it_training_is_explicit_training_of_the_factors():
    """A step of Adam moves every entry of a factor by the learning rate."""
    model, optimizer = alone(FORMATS["mpo 3"], lr_transfer=False, lr=1e-3, weight_decay=0.0)
    before = optimizer.factors("weight")
    step(model, optimizer, torch.ones(SHAPE))
    for a, b in zip(optimizer.factors("weight"), before, strict=True):
        torch.testing.assert_close((a - b).abs(), torch.full_like(a, 1e-3), rtol=1e-3, atol=0)
    assert "lr_transfer" not in optimizer.state_dict()


# ---- what else an optimiser does ------------------------------------------------------------------------------------


def wrapped(model, optimizer=None, **options):
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=3e-2, weight_decay=0.1)
    options = {"lr_transfer": True, "alignment": tnt.Alignment(student(9), every=2, weight=1.0)} | options
    return tnt.overparameterize(optimizer, model, tnt.plan(model, r"blocks.*weight", cores=3), **options)


@pytest.mark.parametrize("options", [{}, {"low_memory": True}], ids=str)
def test_resumes_bit_for_bit(options):
    model, twin = student(0), student(1)
    optimizer, again = wrapped(model, **options), wrapped(twin, **options)
    train(model, optimizer, range(5))
    buffer = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)
    buffer.seek(0)
    saved = torch.load(buffer, weights_only=True)
    twin.load_state_dict(saved["model"])
    again.load_state_dict(saved["optimizer"])
    train(model, optimizer, range(5, 10))
    train(twin, again, range(5, 10))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_memory_is_the_same_to_the_bit(dtype):
    models = [student(0).to(dtype) for _ in range(2)]
    for model, low_memory in zip(models, (False, True), strict=True):
        train(model, wrapped(model, alignment=None, low_memory=low_memory), range(5))
    assert all(torch.equal(p, q) for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_what_is_not_planned_keeps_the_learning_rate():
    plain, model = student(0), student(0)
    inner = [torch.optim.AdamW(m.parameters(), lr=1e-3) for m in (plain, model)]
    optimizer = tnt.overparameterize(inner[1], model, tnt.plan(model, ["blocks.0.weight"], cores=3), lr_transfer=True)
    for m in (plain, model):
        for p in m.parameters():
            p.grad = torch.ones_like(p)
    inner[0].step()
    optimizer.step()
    for (name, a), b in zip(plain.named_parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b) == (name != "blocks.0.weight")


def test_small_steps_of_bfloat16_weights_are_bounded_by_their_factors():
    """Far below the rounding of the weight itself, which must not be taken for a step."""
    torch.manual_seed(1)
    gradient, found = torch.randn(SHAPE), {}
    for dtype in (torch.float32, torch.bfloat16):
        model, optimizer = alone(FORMATS["mpo 3"], dtype=dtype, w=torch.ones(SHAPE).bfloat16(), lr=1e-5)
        for _ in range(3):
            step(model, optimizer, gradient.bfloat16())
        found[dtype] = optimizer.factors("weight")
    for a, b in zip(*found.values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


def test_a_weight_without_a_gradient_stays():
    model = student(0)
    optimizer = wrapped(model, alignment=None)
    before = copy.deepcopy(model.state_dict())
    model.blocks[0].weight.grad = torch.ones(16, 12)
    optimizer.step()
    moved = [n for n, p in model.state_dict().items() if not torch.equal(p, before[n])]
    assert moved == ["blocks.0.weight"]


@pytest.mark.parametrize("low_memory", [False, True])
def test_after_a_step_that_failed_half_way_the_factors_are_as_before(low_memory, monkeypatch):
    model = student(0)
    optimizer = wrapped(model, alignment=None, low_memory=low_memory)
    train(model, optimizer, range(2))
    before = {n: optimizer.factors(n) for n in optimizer.plan}
    params = [p.detach().clone() for p in model.parameters()]
    counted = optimizer.state_dict()["lr_transfer"]["steps"]
    monkeypatch.setattr(optimizer.inner, "step", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(model, optimizer, range(2, 3))
    monkeypatch.undo()
    assert optimizer.state_dict()["lr_transfer"]["steps"] == counted == 2
    for name, old in before.items():
        assert all(torch.equal(a, b) for a, b in zip(optimizer.factors(name), old, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), params, strict=True))
    train(model, optimizer, range(3, 4))


def test_resync_measures_anew():
    model, optimizer = alone(FORMATS["mpo 3"], lr=1e-2)
    with torch.no_grad():
        model.weight.mul_(8)
    optimizer.resync()
    state = optimizer.state_dict()["lr_transfer"]
    assert state["steps"] == 0
    torch.testing.assert_close(
        list(state["scales"]["weight"]), list(tn.step_scales(FORMATS["mpo 3"], optimizer.factors("weight")))
    )


def test_a_run_keeps_the_scales(tmp_path):
    model, twin = student(0), student(1)
    optimizer, again = wrapped(model, alignment=None), wrapped(twin, alignment=None)
    train(model, optimizer, range(5))
    tnt.to_run(optimizer).save(tmp_path / "run")
    tnt.from_run(tn.files.Run.load(tmp_path / "run", framework="torch"), again)
    train(model, optimizer, range(5, 10))
    train(twin, again, range(5, 10))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    other = wrapped(student(2), alignment=None, lr_transfer=False)
    with pytest.raises(tn.TensorNetError, match=r"Run: it is with lr_transfer, .* is not; .*pass lr_transfer"):
        tnt.from_run(tnt.to_run(optimizer), other)


class Mine(torch.optim.SGD):
    pass


@pytest.mark.parametrize(
    ("kind", "rule"), [(torch.optim.SGD, "gradient"), (Mine, "gradient"), (torch.optim.Adam, "sign")], ids=str
)
def test_it_is_the_default_by_the_rule_of_the_optimisers_class(kind, rule):
    """And trains as that rule spelled out, not as the other."""
    trained = {}
    for options in ({}, {"lr_transfer": "sign"}, {"lr_transfer": "gradient"}):
        model = student(0)
        optimizer = tnt.overparameterize(kind(model.parameters(), lr=1e-2), model, tnt.plan(model, cores=3), **options)
        train(model, optimizer, range(3))
        trained[options.get("lr_transfer", "default")] = model.head.weight.detach()
        assert optimizer.state_dict()["lr_transfer"]["rule"] == options.get("lr_transfer", rule)
    other = next(iter(set(trained) - {"default", rule}))
    assert torch.equal(trained["default"], trained[rule])
    assert not torch.allclose(trained["default"], trained[other], rtol=1e-3)


def test_refusals():
    model = student(0)
    with pytest.raises(tn.TensorNetError, match=r"overparameterize: lr_transfer: unknown rule 'adam'.*take 'sign'"):
        wrapped(model, lr_transfer="adam")
    with pytest.raises(tn.TensorNetError, match=r"lr_transfer=True with LBFGS, needed .*; pass lr_transfer=False"):
        wrapped(model, torch.optim.LBFGS(model.parameters()))
    state = wrapped(model).state_dict()
    with pytest.raises(
        tn.TensorNetError, match=r"saved with lr_transfer='sign', this optimiser has False; .* made then"
    ):
        wrapped(student(1), lr_transfer=False).load_state_dict(state)


def test_a_closure_is_evaluated_once():
    model, calls = student(0), []
    optimizer = wrapped(model, alignment=None)

    def closure():
        calls.append(1)
        loss = model(torch.ones(2, 12)).square().mean()
        loss.backward()
        return loss.detach()

    assert torch.isfinite(optimizer.step(closure))
    assert calls == [1]
