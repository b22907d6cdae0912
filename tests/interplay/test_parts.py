"""Parts of models: what a plan takes of them, and that training leaves them what they are."""

import pytest
import torch
from interplay.encoders import (
    CORES,
    classifier,
    config,
    is_contracted,
    logits,
    masked_lm,
    tokens,
    train,
    weights,
    wrapped,
)
from safetensors import safe_open
from torch import nn
from transformers import BertForMaskedLM, BertForSequenceClassification, GPT2Config, GPT2Model, ViTConfig, ViTModel

import tensornet as tn
import tensornet_torch as tnt


def step_on(model, optimizer, output):
    """One step that lowers the mean square of an output."""
    optimizer.zero_grad()
    output().square().mean().backward()
    optimizer.step()


@pytest.mark.row(
    "choosing weights: regex, list, `'all-linear'`, dict, function",
    limit="names of parameters (`query.weight`), where PEFT has names of modules (`query`)",
)
def test_rules():
    model = classifier()
    two = {f"bert.encoder.layer.{n}.attention.self.query.weight" for n in range(2)}
    shape = (32, 32)

    def chosen(rules, **options):
        return set(tnt.plan(model, rules, **options))

    assert chosen(r".*\.query\.weight", cores=3) == two  # a regular expression for the whole name
    assert chosen(["query.weight"], cores=3) == two  # the end of a name
    assert chosen({r".*\.query\.weight": tn.LowRank(*shape, rank=4)}) == two
    assert chosen(lambda name, shape: tn.MPO.for_shape(shape) if name in two else None) == two
    assert chosen("all-linear", cores=3) == {
        f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Linear) and n != "classifier"
    }  # 3 labels do not split


@pytest.mark.row(
    "choosing weights: an entry that matches nothing", limit="an error that names it, in a list and in a dict"
)
@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (r"query\.weight", r"'query\\\\.weight'"),  # the whole name must match
        (["query.weight", "qeury.weight"], "'qeury.weight'"),
        ({r".*query\.weight": tn.MPO, r".*qeury\.weight": tn.MPO}, "qeury"),
        (lambda name, shape: None, "the function"),
    ],
)
def test_a_rule_that_matches_nothing(rules, named):
    with pytest.raises(tn.TensorNetError, match=rf"plan: .*{named}.* matches no weight"):
        tnt.plan(classifier(), rules)


@pytest.mark.row("exact at start", limit="1e-6 of the outputs; to the last bit with `gauge='identity'`")
def test_exact_at_start():
    model, plain = classifier(), classifier()
    wrapped(model)
    assert not torch.equal(weights(model)["bert.pooler.dense.weight"], weights(plain)["bert.pooler.dense.weight"])
    assert (logits(model) - logits(plain)).abs().max() < 1e-6
    exact = classifier()
    wrapped(exact, gauge="identity")
    assert torch.equal(logits(exact), logits(plain))


@pytest.mark.row("`state_dict` during training: keys, their order, types of modules", limit="nothing to fold or merge")
def test_the_model_stays():
    def looks(model):
        return [(n, t.shape, t.dtype) for n, t in model.state_dict().items()], [type(m) for m in model.modules()]

    model, fresh = classifier(), classifier(3)
    before, parameters = looks(model), list(model.parameters())
    places = [p.data_ptr() for p in parameters]
    optimizer = wrapped(model)
    for step in range(2):
        assert looks(model) == before
        assert [id(p) for p in model.parameters()] == [id(p) for p in parameters]
        assert [p.data_ptr() for p in model.parameters()] == places  # what holds their storage goes on seeing them
        assert [id(p) for g in optimizer.param_groups for p in g["params"]] == [id(p) for p in parameters]
        train(model, optimizer, range(step, step + 1))
    fresh.load_state_dict(model.state_dict(), strict=True)
    assert torch.equal(logits(fresh), logits(model))


@pytest.mark.row("frozen parts", limit="left out, and the plan says so; frozen later, a weight stays as it is")
def test_frozen():
    model = classifier()
    model.bert.embeddings.requires_grad_(False)
    model.bert.encoder.layer[0].requires_grad_(False)
    before = weights(model)
    optimizer = wrapped(model)
    assert not any(".layer.0." in n for n in optimizer.plan)
    assert "skipped: frozen" in str(optimizer.plan)
    train(model, optimizer, range(2))
    later = "bert.pooler.dense.weight"
    model.bert.pooler.requires_grad_(False)
    between = weights(model)
    train(model, optimizer, range(2, 4))
    after = weights(model)
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert all(torch.equal(between[n], after[n]) for n in frozen)
    assert all(torch.equal(before[n], after[n]) for n in frozen if "pooler" not in n)
    assert not torch.equal(before[later], after[later])
    assert not any(torch.equal(between[n], after[n]) for n in optimizer.plan if n != later)


@pytest.mark.row(
    "tied embeddings (masked-LM head)",
    limit="one weight under the embedding's name; its padding row, which has no gradient of its own, moves with the rest",
)
def test_tied(tmp_path):
    model = masked_lm()
    name = "bert.embeddings.word_embeddings.weight"
    optimizer = wrapped(model)
    assert [n for n in optimizer.plan if "embedding" in n or "decoder" in n] == [name]
    for step in range(3):
        optimizer.zero_grad()
        model(input_ids=tokens(step), labels=tokens(step + 1)).loss.backward()
        optimizer.step()
    table = model.bert.embeddings.word_embeddings.weight
    assert model.cls.predictions.decoder.weight is table
    assert is_contracted(model, optimizer)
    padding = model.config.pad_token_id
    assert not masked_lm().get_parameter(name)[padding].any()
    assert table[padding].any()
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert [k for k in file.keys() if "word_embeddings" in k or "decoder.weight" in k] == [name]  # noqa: SIM118
    loaded = BertForMaskedLM.from_pretrained(tmp_path)
    assert loaded.cls.predictions.decoder.weight is loaded.bert.embeddings.word_embeddings.weight
    assert torch.equal(logits(loaded), logits(model))


@pytest.mark.row(
    "`nn.MultiheadAttention.in_proj_weight`", limit="by its name: it is no `nn.Linear`, so not in `'all-linear'`"
)
def test_in_proj_weight():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    x = torch.randn(2, 5, 32)
    assert set(tnt.plan(layer, cores=CORES)) == {"self_attn.out_proj.weight", "linear1.weight", "linear2.weight"}
    optimizer = wrapped(layer, ["in_proj_weight", "out_proj.weight"])
    assert optimizer.plan["self_attn.in_proj_weight"].shape == (96, 32)
    before = weights(layer)
    step_on(layer, optimizer, lambda: layer(x))
    assert is_contracted(layer, optimizer)
    assert not torch.equal(before["self_attn.in_proj_weight"], layer.self_attn.in_proj_weight)
    slow = layer.train()(x)
    with torch.no_grad():
        fast = layer.eval()(x)  # one fused kernel, which reads the weights themselves
    assert torch.allclose(fast, slow, atol=1e-5)


@pytest.mark.row("HF `Conv1D` (GPT-2)", limit="in `'all-linear'`, as (in, out); to align, the teacher's must be so too")
def test_conv1d():
    torch.manual_seed(0)
    small = GPT2Config(vocab_size=100, n_positions=16, n_embd=32, n_layer=1, n_head=4, resid_pdrop=0, attn_pdrop=0)
    model, teacher = GPT2Model(small), GPT2Model(small)
    plan = tnt.plan(model, cores=CORES)
    assert {n: f.shape for n, f in plan.items()} == {
        "h.0.attn.c_attn.weight": (32, 96),
        "h.0.attn.c_proj.weight": (32, 32),
        "h.0.mlp.c_fc.weight": (32, 128),
        "h.0.mlp.c_proj.weight": (128, 32),
    }
    inner = torch.optim.AdamW(model.parameters(), lr=1e-3)
    optimizer = tnt.overparameterize(inner, model, plan, alignment=tnt.Alignment(teacher, weight=1.0))
    losses = []
    for _ in range(5):
        step_on(model, optimizer, lambda: model(tokens()).last_hidden_state)
        losses.append(optimizer.alignment_loss.item())
    assert is_contracted(model, optimizer)
    assert losses[-1] < losses[0]


@pytest.mark.row("convolutions", limit="by name; `format='conv_mpo'`, whose factors keep the kernel apart")
def test_convolution():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = ViTModel(ViTConfig(**sizes, image_size=16, patch_size=4, num_channels=4), add_pooling_layer=False)
    name = "embeddings.patch_embeddings.projection.weight"
    assert tnt.plan(model, cores=CORES).skipped[name] == "not the weight of an nn.Linear"
    plan = tnt.plan(model, [name], format="conv_mpo")
    assert plan[name].shape == (32, 4, 4, 4)
    optimizer = tnt.overparameterize(torch.optim.AdamW(model.parameters(), lr=1e-3), model, plan)
    before = weights(model)
    step_on(model, optimizer, lambda: model(pixel_values=torch.ones(2, 4, 16, 16)).last_hidden_state)
    assert is_contracted(model, optimizer)
    assert not torch.equal(before[name], model.get_parameter(name))


@pytest.mark.row("meta device", limit="the same plan without memory; training a model that has no values is refused")
def test_meta():
    with torch.device("meta"):
        empty = BertForSequenceClassification(config())
    plan = tnt.plan(empty, cores=CORES)
    assert plan == tnt.plan(classifier(), cores=CORES)
    with pytest.raises(
        tn.TensorNetError, match=r"overparameterize: bert.* is on the meta device, needed one with values"
    ):
        tnt.overparameterize(torch.optim.AdamW(empty.parameters()), empty, plan)
