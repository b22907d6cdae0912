"""Half-precision parameters, loss scaling, and what a thousand steps or savings add up to."""

import io

import pytest
import torch
from interplay.encoders import (
    CORES,
    batch,
    classifier,
    is_contracted,
    largest_difference,
    same,
    train,
    weights,
    wrapped,
)
from torch import nn

import tensornet_torch as tnt

STEPS, LR = 1000, 1e-4


def layer(dtype, seed=0):
    """One weight whose entries bfloat16 can hold, so that both dtypes start at the same."""
    torch.manual_seed(seed)
    linear = nn.Linear(32, 16, bias=False)
    return linear.to(torch.bfloat16).to(dtype)


def beside(linear):
    inner = torch.optim.SGD(linear.parameters(), lr=LR, momentum=0.9)
    return tnt.overparameterize(inner, linear, tnt.plan(linear, cores=CORES))


def gradients(steps, seed=1):
    """What bfloat16 can hold, small enough that many a step is below half of its unit in the last place."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(16, 32, generator=generator) / 32
    for _ in range(steps):
        yield (drift + 0.1 * torch.randn(16, 32, generator=generator)).to(torch.bfloat16)


def relative(ours, theirs):
    return (torch.linalg.norm(ours.float() - theirs.float()) / torch.linalg.norm(theirs.float())).item()


@pytest.mark.row(
    "bf16 parameters, 1,000 write-backs",
    limit="no drift: factors equal to the last bit those beside a float32 weight, which is rounded to bf16 once a step",
)
def test_bf16_write_backs_do_not_drift():
    """The same gradients for a bf16 weight, its float32 twin, and a bf16 weight that is trained in place."""
    half, full, in_place, master = map(layer, [torch.bfloat16, torch.float32] * 2)
    ours, twin = beside(half), beside(full)
    plain, exact = (torch.optim.SGD(m.parameters(), lr=LR, momentum=0.9) for m in (in_place, master))
    apart = []
    for gradient in gradients(STEPS):
        for linear, optimizer in ((half, ours), (full, twin), (in_place, plain), (master, exact)):
            linear.weight.grad = gradient.to(linear.weight.dtype)
            optimizer.step()
        apart.append(relative(half.weight, full.weight))
    assert all(torch.equal(a, b) for a, b in zip(ours.factors("weight"), twin.factors("weight"), strict=True))
    assert torch.equal(half.weight, full.weight.to(torch.bfloat16))
    assert max(apart) < 2**-8  # one rounding, after one step and after a thousand
    assert relative(full.weight, layer(torch.float32).weight) > 0.05  # it went somewhere
    # the yardstick can see drift: in bf16 itself, steps below half a unit in the last place are lost
    assert relative(in_place.weight, master.weight) > 0.05


@pytest.mark.row("1,000 save / load / resume cycles", limit="bf16 parameters; bit-identical to 1,000 steps without")
def test_saving_does_not_drift():
    whole, linear = layer(torch.bfloat16), layer(torch.bfloat16)
    optimizer, resumed = beside(whole), beside(linear)
    for gradient in gradients(STEPS):
        whole.weight.grad, linear.weight.grad = gradient, gradient
        optimizer.step()
        resumed.step()
        file = io.BytesIO()
        torch.save({"model": linear.state_dict(), "optimizer": resumed.state_dict()}, file)
        saved = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
        linear = layer(torch.bfloat16, seed=7)
        linear.load_state_dict(saved["model"])
        resumed = beside(linear)
        resumed.load_state_dict(saved["optimizer"])
    assert same(linear, whole)
    assert relative(whole.weight, layer(torch.bfloat16).weight) > 0.05


@pytest.mark.row("`GradScaler`: `unscale_`, clipping", limit="equal to the last bit to a loss that is not scaled")
@pytest.mark.parametrize("fused", [False, True])
def test_scaled_loss(fused):
    def run(scale):
        model = classifier()
        inner = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)
        optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=CORES))
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scale > 1)
        for step in range(3):
            optimizer.zero_grad()
            scaler.scale(model(**batch(step)).loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
        return model

    assert same(run(2.0**10), run(1.0))
    assert not same(run(1.0), classifier())


@pytest.mark.row("`GradScaler`: a step with inf is skipped", limit="factors, inner state and weights stay")
def test_inf_is_skipped():
    model, twin = classifier(), classifier()
    optimizer, spared = wrapped(model), wrapped(twin)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for step in range(4):
        optimizer.zero_grad()
        scaler.scale(model(**batch(step)).loss).backward()
        if step == 2:
            model.bert.pooler.dense.weight.grad[0, 0] = torch.inf
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 2.0**9
    train(twin, spared, [0, 1, 3])
    assert same(model, twin)
    assert is_contracted(model, optimizer)


@pytest.mark.row("fp16 autocast with `GradScaler`", limit="factors and contraction stay float32")
def test_fp16():
    model, full = classifier(), classifier()
    train(full, wrapped(full), range(3))
    optimizer, scaler = wrapped(model), torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for step in range(3):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            output = model(**batch(step))
            assert output.logits.dtype == torch.float16
            scaler.scale(output.loss).backward()
            scaler.step(optimizer)  # inside autocast too, where a matmul would give float16
        scaler.update()
    assert is_contracted(model, optimizer)
    assert all(f.dtype == torch.float32 for n in optimizer.plan for f in optimizer.factors(n))
    assert 0 < largest_difference(weights(model), weights(full)) < 3 * 2e-3  # AdamW moves a weight by lr a step
