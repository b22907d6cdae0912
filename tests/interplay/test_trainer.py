"""Hugging Face Trainer, with the user's own optimiser through `optimizers=`."""

import pytest
import torch
from interplay.encoders import (
    classifier,
    is_contracted,
    largest_difference,
    logits,
    same,
    train,
    weights,
    wrapped,
)
from interplay.trainers import Rows, trainer
from transformers import BertForSequenceClassification

import tensornet as tn
import tensornet_torch as tnt


@pytest.mark.row("HF `Trainer`: your optimiser through `optimizers=`")
def test_own_optimiser(tmp_path):
    model = classifier()
    optimizer = wrapped(model)
    before = weights(model)
    trainer(tmp_path, model, optimizer, max_steps=4, lr_scheduler_type="linear").train()
    moved = weights(model)
    assert not any(torch.equal(before[n], moved[n]) for n in optimizer.plan)
    assert is_contracted(model, optimizer)
    optimizer.state_dict()  # reads the learning rate through
    assert [g["lr"] for g in optimizer.inner.param_groups] == [0.0]  # the Trainer's linear schedule has come to its end


@pytest.mark.row("HF `Trainer`: checkpoint and resume", limit="bit-identical, dropout and schedule included")
def test_resume(tmp_path):
    options = {"save_strategy": "steps", "save_steps": 3, "seed": 1}
    whole, half = classifier(hidden_dropout_prob=0.1), classifier(5, hidden_dropout_prob=0.1)
    trainer(tmp_path / "whole", whole, wrapped(whole), **options).train()
    resumed = trainer(tmp_path / "half", half, wrapped(half, lr=0.5), **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    assert same(whole, half)


@pytest.mark.row("HF `from_pretrained(checkpoint-N)`", limit="0 missing, 0 unexpected keys")
def test_checkpoint_is_the_dense_student(tmp_path):
    model = classifier()
    trainer(tmp_path, model, wrapped(model), max_steps=2, save_strategy="steps", save_steps=2).train()
    loaded, info = BertForSequenceClassification.from_pretrained(tmp_path / "checkpoint-2", output_loading_info=True)
    assert not any(info.values())
    assert same(loaded, model)
    assert torch.equal(logits(loaded), logits(model))


@pytest.mark.row(
    "HF `Trainer`: `load_best_model_at_end`",
    limit="the factors are those of the last step: to train on, `optimizer.resync()`, which the next step asks for",
)
@pytest.mark.parametrize("guard", ["values", "versions"])
def test_best_model(tmp_path, guard):
    model = classifier()
    optimizer = wrapped(model, guard=guard)
    every = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2}
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": True}
    run = trainer(tmp_path, model, optimizer, data=Rows(label=1), **every, **best)
    run.train()
    assert run.state.best_global_step == 2  # the loss falls, and the largest was asked for
    assert same(model, BertForSequenceClassification.from_pretrained(tmp_path / "checkpoint-2"))
    chosen = weights(model)
    with pytest.raises(tn.TensorNetError, match=r"somebody else wrote .*optimizer.resync\(\)"):
        train(model, optimizer, range(1))
    assert largest_difference(weights(model), chosen) == 0
    optimizer.resync()
    assert largest_difference(weights(model), chosen) < 1e-6
    train(model, optimizer, range(1))
    assert is_contracted(model, optimizer)


@pytest.mark.row("HF `Trainer`: `bf16=True`", limit="factors, contraction and gradients of factors stay float32")
def test_bf16(tmp_path):
    model = classifier()
    optimizer = wrapped(model)
    seen = []
    model.classifier.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    trainer(tmp_path, model, optimizer, bf16=True).train()
    assert set(seen) == {torch.bfloat16}
    assert all(f.dtype == torch.float32 for n in optimizer.plan for f in optimizer.factors(n))
    assert is_contracted(model, optimizer)


@pytest.mark.row("HF `Trainer`: gradient accumulation", limit="the factors step once for all micro-batches of a step")
def test_accumulation(tmp_path):
    """BERT's loss ignores the Trainer's count of items, so that the gradient of 4 parts is 4 times that of their mean."""

    def moved(lr, **options):
        model, steps = classifier(), []
        inner = torch.optim.SGD(model.parameters(), lr=lr)
        optimizer = tnt.overparameterize(inner, model, tnt.plan(model, cores=3))
        inner.register_step_post_hook(lambda *_: steps.append(1))
        trainer(tmp_path, model, optimizer, **options, max_steps=3, max_grad_norm=0.0).train()
        assert len(steps) == 3
        start, end = weights(classifier()), weights(model)
        return {name: end[name] - start[name] for name in optimizer.plan}

    one = moved(0.1, per_device_train_batch_size=8)
    four = moved(0.1 / 4, per_device_train_batch_size=2, gradient_accumulation_steps=4)
    for name, step in one.items():
        assert torch.linalg.norm(four[name] - step) < 1e-3 * torch.linalg.norm(step), name


@pytest.mark.row("HF `Trainer`: `torch_compile=True`", limit="its checkpoints too are the dense student's")
def test_torch_compile(tmp_path):
    compiled, eager = classifier(), classifier()
    trainer(tmp_path, eager, wrapped(eager), max_steps=3).train()
    # aot_eager traces forward and backward as inductor does, and leaves out the C++ compiler, which takes a minute
    compiler = {"torch_compile": True, "torch_compile_backend": "aot_eager"}
    saving = {"save_strategy": "steps", "save_steps": 3}
    run = trainer(tmp_path, compiled, wrapped(compiled), max_steps=3, **compiler, **saving)
    torch._dynamo.utils.counters.clear()
    run.train()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert largest_difference(weights(compiled), weights(eager)) < 1e-5
    loaded, info = BertForSequenceClassification.from_pretrained(tmp_path / "checkpoint-3", output_loading_info=True)
    assert not any(info.values())
    assert same(loaded, compiled)
