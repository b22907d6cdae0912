"""Accelerate: it wraps the optimiser, and saves and loads its state straight after construction."""

import pytest
import torch
from accelerate import Accelerator
from interplay.encoders import batch, classifier, is_contracted, largest_difference, same, weights, wrapped


def prepared(model, optimizer, **options):
    accelerator = Accelerator(cpu=True, **options)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=20)
    return accelerator, *accelerator.prepare(model, optimizer, scheduler)


def train(accelerator, model, optimizer, scheduler, steps):
    for step in steps:
        with accelerator.accumulate(model):
            accelerator.backward(model(**batch(step)).loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()


@pytest.mark.row("Accelerate: `prepare`, `accumulate`, clipping", limit="clipping acts on the dense gradient")
def test_accumulate():
    """The same as the loop that Accelerate writes for its user."""
    ours, plain = classifier(), classifier()
    optimizer = wrapped(ours)
    run = prepared(ours, optimizer, gradient_accumulation_steps=2)
    train(*run, range(6))
    by_hand = wrapped(plain)
    scheduler = torch.optim.lr_scheduler.LinearLR(by_hand, total_iters=20)
    for step in range(6):
        (plain(**batch(step)).loss / 2).backward()
        if step % 2:
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
            by_hand.step()
            scheduler.step()
            by_hand.zero_grad()
    assert largest_difference(weights(ours), weights(plain)) == 0
    assert is_contracted(ours, optimizer)
    assert not torch.equal(ours.bert.pooler.dense.weight, classifier().bert.pooler.dense.weight)


@pytest.mark.row("Accelerate: `save_state`, `load_state`", limit="bit-identical")
@pytest.mark.parametrize("low_memory", [False, True])
def test_save_and_load(tmp_path, low_memory):
    whole, other = classifier(), classifier(5)
    run = prepared(whole, wrapped(whole, low_memory=low_memory))
    train(*run, range(3))
    run[0].save_state(tmp_path)
    train(*run, range(3, 6))
    resumed = prepared(other, wrapped(other, lr=0.5, low_memory=low_memory))
    resumed[0].load_state(tmp_path)
    train(*resumed, range(3, 6))
    assert same(whole, other)


@pytest.mark.row("Accelerate: `mixed_precision='bf16'`", limit="factors and contraction stay float32")
def test_bf16():
    model = classifier()
    optimizer = wrapped(model)
    run = prepared(model, optimizer, mixed_precision="bf16")
    seen = []
    model.classifier.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    train(*run, range(3))
    assert set(seen) == {torch.bfloat16}
    assert is_contracted(model, optimizer)
