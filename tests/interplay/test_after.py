"""What is done with the student beside and after training: copies, averages, adapters, quantisation, export."""

import copy
import io

import onnxruntime
import pytest
import torch
from interplay.encoders import classifier, is_contracted, logits, same, tokens, train, weights, wrapped
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchao.quantization import Int8WeightOnlyConfig, quantize_

import tensornet as tn
import tensornet_torch as tnt


def trained():
    """A student whose weights are not those that it began with, and are the contraction of their factors."""
    model, before = classifier(), weights(classifier())
    optimizer = wrapped(model)
    train(model, optimizer, range(3))
    assert is_contracted(model, optimizer)
    assert all((model.get_parameter(n) - before[n]).abs().max() > 1e-3 for n in optimizer.plan)
    return model, optimizer


@pytest.mark.row("`deepcopy(model)`", limit="an independent dense model; the optimiser itself refuses to be copied")
def test_deepcopy():
    model, optimizer = trained()
    twin = copy.deepcopy(model)
    assert same(twin, model)
    assert type(twin) is type(model)
    before = weights(twin)
    train(model, optimizer, range(1))
    assert all(torch.equal(before[n], p) for n, p in twin.named_parameters())
    with pytest.raises(tn.TensorNetError, match=r"cannot be copied"):
        copy.deepcopy(optimizer)
    train(twin, wrapped(twin), range(1))
    assert not same(twin, classifier())


@pytest.mark.row("`torch.save(model)`", limit="the file needs none of our packages")
def test_save_whole_model():
    model, _ = trained()
    file = io.BytesIO()
    torch.save(model, file)
    assert b"tensornet" not in file.getvalue()
    file.seek(0)
    assert same(torch.load(file, weights_only=False), model)


@pytest.mark.row(
    "EMA: `AveragedModel`",
    limit="averages dense weights; put the old ones back before the next step, or `optimizer.resync()` to train on from "
    "the average",
)
@pytest.mark.parametrize("guard", ["values", "versions"])
def test_ema(guard):
    model, twin = classifier(), classifier()
    optimizer, undisturbed = wrapped(model, guard=guard), wrapped(twin)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    ema.update_parameters(model)  # the first call copies
    mean = weights(model)
    for step in range(3):
        train(model, optimizer, range(step, step + 1))
        ema.update_parameters(model)
        mean = {n: 0.5 * mean[n] + 0.5 * w for n, w in weights(model).items()}
    assert all(torch.allclose(mean[n], p, rtol=1e-5, atol=1e-7) for n, p in ema.module.named_parameters())

    own = copy.deepcopy(model.state_dict())
    model.load_state_dict(ema.module.state_dict())
    with pytest.raises(tn.TensorNetError, match=r"an EMA swap"):
        train(model, optimizer, range(1))
    model.load_state_dict(own)
    train(model, optimizer, range(3, 5))
    train(twin, undisturbed, range(5))
    assert same(model, twin)  # the swap left no trace

    model.load_state_dict(ema.module.state_dict())
    optimizer.resync()
    assert torch.allclose(logits(model), logits(ema.module), atol=1e-5)
    train(model, optimizer, range(1))
    assert is_contracted(model, optimizer)


@pytest.mark.row(
    "PEFT: LoRA added after", limit="merges without loss; on a PEFT model, `plan` leaves the frozen base out"
)
@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning:transformers"
)  # asked by PEFT
def test_peft():
    student, _ = trained()
    keys = list(student.state_dict())
    adapted = get_peft_model(student, LoraConfig(r=4, target_modules=["query", "value"], init_lora_weights=False))
    assert all("lora" in name for name in tnt.plan(adapted, cores=3))
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1e-2)
    train(adapted, optimizer, range(3))
    with_adapter = logits(adapted)
    merged = adapted.merge_and_unload()
    assert list(merged.state_dict()) == keys
    assert torch.allclose(logits(merged), with_adapter, atol=1e-5)
    assert not torch.allclose(logits(merged), logits(trained()[0]), atol=1e-3)  # the adapter did something


@pytest.mark.row("torchao: `quantize_` after", limit="before, it is refused: 8-bit weights are frozen")
def test_torchao():
    student, _ = trained()
    plain = copy.deepcopy(student)
    quantize_(student, Int8WeightOnlyConfig())
    quantised = [m.weight for m in student.modules() if isinstance(m, nn.Linear)]
    assert quantised
    assert all(type(w) is not nn.Parameter for w in quantised)
    difference = (logits(student) - logits(plain)).abs().max()
    assert 0 < difference < 0.05 * logits(plain).abs().max()
    with pytest.raises(tn.TensorNetError, match=r"matches no weight.*left out: frozen"):
        tnt.plan(student, cores=3)


@pytest.mark.row("`torch.export`", limit="the exported program holds the weights of that moment")
def test_export():
    student, _ = trained()
    program = torch.export.export(student.eval(), (tokens(99),))
    assert torch.equal(program.module()(tokens(99)).logits, logits(student))
    assert not torch.allclose(logits(student), logits(classifier()), atol=1e-4)


@pytest.mark.row("ONNX", limit="run by onnxruntime: 1e-5")
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning")  # torch by torch
def test_onnx(tmp_path):
    student, _ = trained()
    file = str(tmp_path / "student.onnx")
    torch.onnx.export(student.eval(), (tokens(99),), file, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {session.get_inputs()[0].name: tokens(99).numpy()})
    assert torch.allclose(torch.from_numpy(said), logits(student), atol=1e-5)
    assert not torch.allclose(logits(student), logits(classifier()), atol=1e-4)
