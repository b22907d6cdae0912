"""The encoder in JAX beside Hugging Face's own: the same hidden states, files both ways, and training with alignment."""

import json
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx
from interplay.encoders import LENGTH, config, minilm, tokens
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertForMaskedLM, BertForSequenceClassification, BertModel
from transformers.activations import ACT2FN

import tensornet as tn
import tensornet_jax as tnj
from opdf import bert
from opdf.bert._config import ACTIVATIONS as NAMES
from opdf.bert._model import ACTIVATIONS

SMALL = bert.Config(100, 32, 2, 4, 64, max_position_embeddings=16)  # as `config()`, so that no more shapes are compiled
SENTENCES = ["A cat sits outside.", "The cat is out of doors, and so is the dog.", "Interest rates have fallen."]


def reference(kind=BertModel, **changes):
    """A model whose every parameter is random: biases and norms too, which start as zeros and ones."""
    torch.manual_seed(0)
    model = kind(config(**changes)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


@pytest.fixture(scope="module")
def model():
    return reference()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(saved):
    return bert.from_pretrained(saved)


def inputs():
    """Tokens of two segments, and padding at the end of the second row."""
    mask = torch.ones(4, LENGTH, dtype=torch.int64)
    mask[1, 5:] = 0
    return {"input_ids": tokens(0), "attention_mask": mask, "token_type_ids": (tokens(1) % 2)}


def as_jax(tensors):
    return {n: jnp.asarray(t.numpy()) for n, t in tensors.items()}


def parameters(encoder):
    return dict(nnx.to_flat_state(nnx.state(encoder, nnx.Param)))


def same(a, b):
    ours, theirs = parameters(a), parameters(b)
    return ours.keys() == theirs.keys() and all(jnp.array_equal(v[...], theirs[n][...]) for n, v in ours.items())


def close(encoder, model, given, bound=1e-5):
    with torch.no_grad():
        expected = model(**given, output_hidden_states=True)
    states = encoder(**as_jax(given))
    assert len(states) == len(expected.hidden_states)
    for ours, theirs in zip(states, expected.hidden_states, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=bound)
    return states, expected


# ---- what it computes ------------------------------------------------------------------------------------------------


def test_hidden_states_and_pooler(encoder, model):
    states, expected = close(encoder, model, inputs())
    np.testing.assert_allclose(encoder.pooled(states[-1]), expected.pooler_output.numpy(), rtol=0, atol=1e-5)
    close(encoder, model, {"input_ids": tokens(2)})


def test_a_trained_encoder():
    """all-MiniLM-L6-v2, of which every hidden state agrees within 1e-4 (3.5e-6 was found, of values up to 5.5)."""
    given = dict(AutoTokenizer.from_pretrained(minilm())(SENTENCES, padding=True, return_tensors="pt"))
    close(bert.from_pretrained(minilm()), BertModel.from_pretrained(minilm()).eval(), given, bound=1e-4)


def test_padding_does_not_matter(encoder):
    given = as_jax(inputs())
    others = {**given, "input_ids": given["input_ids"].at[1, 5:].set(7)}
    ours, theirs = encoder(**given)[-1], encoder(**others)[-1]
    np.testing.assert_allclose(ours[1, :5], theirs[1, :5], rtol=0, atol=1e-6)
    assert float(jnp.abs(ours[1, 5:] - theirs[1, 5:]).max()) > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_activations(name):
    x = np.linspace(-4, 4, 101, dtype=np.float32)
    np.testing.assert_allclose(ACTIVATIONS[name](jnp.asarray(x)), ACT2FN[name](torch.tensor(x)).numpy(), atol=2e-6)


def test_dropout_where_it_is_asked_for(encoder):
    given = as_jax(inputs())
    still = encoder(**given)[-1]
    first, again, other = (encoder(**given, rngs=nnx.Rngs(dropout=seed))[-1] for seed in (0, 0, 1))
    assert jnp.array_equal(first, still)  # the config of the tests has rates of 0

    dropping = bert.Encoder(replace(SMALL, hidden_dropout_prob=0.5), rngs=nnx.Rngs(0))
    first, again, other = (dropping(given["input_ids"], rngs=nnx.Rngs(dropout=seed))[-1] for seed in (0, 0, 1))
    assert jnp.array_equal(first, again)
    assert not jnp.allclose(first, other)
    assert not nnx.to_flat_state(nnx.state(dropping, nnx.RngState))  # nothing random is part of the model


def test_half_precision(saved, encoder):
    half = bert.from_pretrained(saved, dtype=jnp.bfloat16)
    states = half(**as_jax(inputs()))
    assert {s.dtype for s in states} == {jnp.dtype("bfloat16")}
    exact = encoder(**as_jax(inputs()))[-1]
    assert float(jnp.linalg.norm(states[-1].astype(jnp.float32) - exact) / jnp.linalg.norm(exact)) < 0.02


def test_a_student_of_some_layers(encoder):
    student = bert.shallower(encoder, [1])
    assert student.config.num_hidden_layers == len(student.layers) == 1
    ours, theirs = student.layers[0].up.kernel, encoder.layers[1].up.kernel
    assert jnp.array_equal(ours[...], theirs[...])
    ours[...] = jnp.zeros_like(ours[...])
    student.embeddings.norm.scale[...] *= 2
    assert float(jnp.abs(theirs[...]).max()) > 0
    assert not jnp.array_equal(student.embeddings.norm.scale[...], encoder.embeddings.norm.scale[...])


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [BertForSequenceClassification, BertForMaskedLM])
def test_the_encoder_of_a_model_with_a_head(kind, tmp_path):
    whole = reference(kind)
    whole.save_pretrained(tmp_path)
    found = bert.from_pretrained(tmp_path)
    assert (found.pooler is None) == (kind is BertForMaskedLM)
    name = "layers.1.attention.out.kernel"
    kernel = parameters(found)[("layers", 1, "attention", "out", "kernel")][...]
    assert np.array_equal(kernel.T, dict(whole.bert.named_parameters())[bert.torch_name(name)].detach())


def test_shards_old_names_and_positions(encoder, model, saved, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len([*tmp_path.glob("*.safetensors")]) > 1
    assert same(bert.from_pretrained(tmp_path), encoder)

    old = {"embeddings.position_ids": torch.arange(16)[None]}
    for name, tensor in load_file(saved / "model.safetensors").items():
        norm, leaf = "LayerNorm" in name, name.rsplit(".", 1)[-1]
        old["bert." + (name.replace(leaf, {"weight": "gamma", "bias": "beta"}[leaf]) if norm else name)] = tensor
    [f.unlink() for f in tmp_path.glob("model*")]
    save_file(old, tmp_path / "model.safetensors")
    assert same(bert.from_pretrained(tmp_path), encoder)


@pytest.mark.parametrize(("pooler", "dtype"), [(True, "float32"), (False, "bfloat16")])
def test_what_is_saved_is_a_bert_model(pooler, dtype, tmp_path):
    ours = bert.Encoder(SMALL, pooler=pooler, dtype=dtype, rngs=nnx.Rngs(0))
    bert.save_pretrained(ours, tmp_path)
    theirs, info = BertModel.from_pretrained(tmp_path, add_pooling_layer=pooler, output_loading_info=True)
    assert not any(info.values())
    assert next(theirs.parameters()).dtype == getattr(torch, dtype)
    again = bert.from_pretrained(tmp_path, dtype=dtype)
    assert same(again, ours)
    assert again.config == ours.config
    if dtype == "float32":
        close(ours, theirs.eval(), inputs())


# ---- training --------------------------------------------------------------------------------------------------------


def test_distilled_with_alignment_and_shipped(encoder, tmp_path):
    """One layer of two, over-parameterised, aligned; then Transformers takes it."""
    teacher, student = encoder, bert.shallower(encoder, [0])
    plan = tnj.plan(student, r"layers.*up\.kernel", cores=3)
    alignment = tnj.Alignment(nnx.state(teacher, nnx.Param), gauge="none", weight=1e-3)
    optimizer = nnx.Optimizer(
        student, tnj.overparameterize(optax.adamw(1e-3), plan, alignment=alignment), wrt=nnx.Param
    )
    given = as_jax(inputs())
    target = teacher(**given)[-1]

    @nnx.jit
    def step(student, optimizer, given, target):
        def loss(student):
            return jnp.mean((student(**given)[-1] - target) ** 2)

        value, gradients = nnx.value_and_grad(loss)(student)
        optimizer.update(student, gradients)
        return value

    losses = [float(step(student, optimizer, given, target)) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    assert float(optimizer.opt_state.alignment.loss[...]) > 0
    exact = tnj.materialize(plan, optimizer.opt_state, nnx.state(student, nnx.Param))
    for name in plan:
        kernel = plan[name].contract([f[...] for f in optimizer.opt_state.factors[name]]).T
        path = tuple(int(part) if part.isdigit() else part for part in name.split("."))
        assert jnp.array_equal(dict(nnx.to_flat_state(exact))[path][...], kernel)
        np.testing.assert_allclose(parameters(student)[path][...], kernel, rtol=0, atol=1e-6)

    bert.save_pretrained(student, tmp_path)
    shipped, info = BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    close(student, shipped.eval(), inputs())


# ---- mistakes --------------------------------------------------------------------------------------------------------


def refused(match, attempt):
    with pytest.raises(tn.TensorNetError, match=match) as caught:
        attempt()
    assert all(word in str(caught.value) for word in ("bert.", "needed", "because", ";"))


@pytest.fixture
def copy(saved, tmp_path):
    """The folder, of which a test may spoil what it likes."""
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_bytes((saved / file).read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"model_type": "roberta"}, r"says model_type='roberta', needed a BERT encoder \(model_type='bert'"),
        ({"position_embedding_type": "relative_key"}, "says position_embedding_type='relative_key'"),
        ({"is_decoder": True, "rope_theta": 1e4}, "says is_decoder=True, rope_theta, needed"),
        ({"hidden_size": "32"}, "hidden_size='32', needed a positive integer"),
        ({"num_attention_heads": 5}, "5 heads do not divide hidden_size=32"),
        ({"hidden_act": "gelu_python"}, "hidden_act='gelu_python', needed one of gelu, gelu_new"),
        ({"hidden_dropout_prob": 1.5}, "hidden_dropout_prob=1.5, needed a number from 0 and below 1"),
        ({"pad_token_id": "x"}, "pad_token_id='x', needed an integer or null"),
        ({"hidden_size": None}, "hidden_size=None"),
        ({"intermediate_size": 48}, r"of another shape than config.json says .*intermediate.dense.bias \(64,\)"),
        ({"num_hidden_layers": 3}, r"lacks encoder.layer.2.* \(16 in all\), has nobody's nothing"),
        ({"num_hidden_layers": 1}, r"lacks nothing, has nobody's encoder.layer.1.*\(16 in all\)"),
    ],
    ids=str,
)
def test_other_configs_are_refused(changes, match, copy):
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    refused(match, lambda: bert.from_pretrained(copy))


def test_other_folders_are_refused(copy):
    config, weights = copy / "config.json", copy / "model.safetensors"
    save_file({**load_file(weights), "bert.extra": torch.zeros(2)}, weights)
    refused("has nobody's extra, and", lambda: bert.from_pretrained(copy))
    weights.write_bytes(weights.read_bytes()[:-8])
    refused("model.safetensors cannot be read .*; copy or download it again", lambda: bert.from_pretrained(copy))
    weights.unlink()
    refused("is a folder with config.json, needed", lambda: bert.from_pretrained(copy))
    config.write_text(json.dumps({"model_type": "bert", "vocab_size": 9}))
    refused("has no hidden_size, num_hidden_layers", lambda: bert.from_pretrained(copy))
    config.write_text("[")
    refused("config.json cannot be read", lambda: bert.from_pretrained(copy))


def test_other_calls_are_refused(encoder):
    ids = jnp.ones((2, 17), jnp.int32)
    refused(r"got input_ids \(2, 17\), needed .* with at most 16 tokens", lambda: encoder(ids))
    refused(r"attention_mask \(2, 4\), needed all of one shape", lambda: encoder(ids[:, :5], ids[:, :4]))
    bare = nnx.eval_shape(lambda: bert.Encoder(SMALL, pooler=False, rngs=nnx.Rngs(0)))
    refused("this encoder has no pooler", lambda: bare.pooled(jnp.ones((1, 2, 32))))
    refused(r"got layers \[2\] of a teacher of 2", lambda: bert.shallower(encoder, [2]))
