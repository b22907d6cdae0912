"""What networks say layer by layer: the same to the last bit as what they say at once, and what Transformers calls it."""

import jax
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from opdf.models import Teacher, _jax_latency, jax_networks
from opdf.models._checkpoint import TYPES
from opdf.models.networks import answer, embed, latency, layers, load, make_teacher, outputs, run_layer, word_embeddings
from tensornet import TensorNetError

ALL = ("logits", "embeddings", "hidden", "scores")
KINDS = ("residual", "vit", "hierarchical")


def teacher(kind, task, depth=3):
    return make_teacher(Teacher(kind=kind, depth=depth, width=16), task)


def composed(model, inputs):
    hidden = embed(model, inputs)
    for layer in layers(model):
        hidden = run_layer(layer, hidden, inputs)
    return answer(model, hidden, inputs)


@pytest.mark.parametrize("kind", TYPES)
def test_encoders_layer_by_layer(kind, encoder, texts, batch):
    task = texts()
    model = load(encoder(kind, embedding_size=8) if kind == "electra" else encoder(kind), task)
    inputs = batch(task)
    said = model(**inputs, output_hidden_states=True)
    mine = outputs(model, inputs, ("logits", "embeddings", "hidden"))
    assert torch.equal(composed(model, inputs), said.logits)
    assert torch.equal(mine["logits"], said.logits)
    assert torch.equal(mine["embeddings"], said.hidden_states[0])
    assert len(mine["hidden"]) == 4
    assert all(map(torch.equal, mine["hidden"], said.hidden_states[1:]))


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_scores_are_those_of_eager_attention(kind, encoder, texts, batch):
    """softmax(scores + mask) is what Transformers returns as attentions."""
    task = texts()
    folder, inputs = encoder(kind), batch(task)
    eager = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    expected = eager(**inputs, output_attentions=True).attentions
    found = outputs(load(folder, task), inputs, {"scores"})["scores"]
    additive = torch.where(inputs["attention_mask"][:, None, None] == 1, 0.0, -torch.inf)
    assert len(found) == len(expected) == 4
    for scores, attentions in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.softmax(scores + additive, -1), attentions, rtol=0, atol=1e-6)


def test_scores_carry_gradients_and_leave_no_hooks(encoder, texts, batch):
    task = texts()
    model = load(encoder(), task)
    outputs(model, batch(task), {"scores"})["scores"][0].square().sum().backward()
    attention = layers(model)[0].attention.self
    assert attention.query.weight.grad.abs().sum() > 0
    assert attention.value.weight.grad is None
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
def test_feed_forward_parts_make_the_layers_with_residual_and_norm(kind, encoder, texts, batch):
    task = texts()
    model, inputs = load(encoder(kind), task), batch(task)
    said = outputs(model, inputs, ("ffn", "hidden"))
    for layer, ffn, hidden in zip(layers(model), said["ffn"], said["hidden"], strict=True):
        heard = []
        hook = layer.intermediate.register_forward_pre_hook(lambda _, args, heard=heard: heard.append(args[0]))
        outputs(model, inputs, ())
        hook.remove()
        torch.testing.assert_close(layer.output.LayerNorm(ffn + heard[0]), hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_feed_forward_parts_of_images_are_what_the_residual_adds(kind, images, batch):
    network, inputs = teacher(kind, images), batch(images)
    before = outputs(network, inputs, ("ffn", "hidden"))
    with torch.no_grad():
        layers(network)[-1].fc2.bias.add_(1.0)
    after = outputs(network, inputs, ("ffn", "hidden"))
    torch.testing.assert_close(after["ffn"][-1], before["ffn"][-1] + 1.0)
    torch.testing.assert_close(after["hidden"][-1] - before["hidden"][-1], after["ffn"][-1] - before["ffn"][-1])


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_word_embeddings_stand_for_the_ids(kind, encoder, texts, batch):
    """Padding included: RoBERTa takes positions from the ids, which are given as well."""
    task = texts()
    model, inputs = load(encoder(kind), task), batch(task)
    words = word_embeddings(model, inputs["input_ids"]).detach().requires_grad_()
    logits = outputs(model, {**inputs, "inputs_embeds": words})["logits"]
    assert torch.equal(logits, model(**inputs).logits)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), words)
    tokens = inputs["attention_mask"] == 1
    assert (gradient.abs().sum(-1) > 0).equal(tokens)


def test_dropout_is_that_of_the_model(encoder, texts, batch):
    task = texts()
    model, inputs = load(encoder(), task).train(), batch(task)
    torch.manual_seed(3)
    expected = model(**inputs).logits
    torch.manual_seed(3)
    assert torch.equal(outputs(model, inputs)["logits"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_image_networks_layer_by_layer(kind, images, batch):
    model, inputs = teacher(kind, images), batch(images)
    said = outputs(model, inputs, ("logits", "embeddings", "hidden"))
    assert torch.equal(composed(model, inputs), model(**inputs))
    assert torch.equal(said["logits"], model(**inputs))
    assert said["logits"].shape == (32, 2)
    assert torch.equal(said["embeddings"], embed(model, inputs))
    tokens = {"residual": [1, 1, 1], "vit": [16, 16, 16], "hierarchical": [64, 16, 16]}[kind]
    assert [h.shape[1] for h in said["hidden"]] == tokens
    assert torch.equal(said["hidden"][-1], run_layer(layers(model)[-1], said["hidden"][-2], inputs))


def test_scores_of_a_vit(images, batch):
    """Its attention, written out."""
    model, inputs = teacher("vit", images, depth=1), batch(images)
    said = outputs(model, inputs, ALL)
    block = layers(model)[0]
    assert said["scores"][0].shape == (32, 4, 16, 16)
    hidden = said["embeddings"]
    value = block.attention.value(block.norm1(hidden)).unflatten(-1, (4, -1)).transpose(1, 2)
    mixed = (said["scores"][0].softmax(-1) @ value).transpose(1, 2).flatten(2)
    hidden = hidden + block.attention.out(mixed)
    hidden = hidden + block.fc2(torch.nn.functional.gelu(block.fc1(block.norm2(hidden))))
    torch.testing.assert_close(said["hidden"][0], hidden)


def test_latency_takes_turns_in_evaluation(images, batch):
    one, two = teacher("residual", images).train(), teacher("residual", images, depth=40)
    quick, slow = latency((one, two), batch(images), rounds=5)
    assert 0 < quick < slow
    assert one.training
    assert not two.training


def test_latency_in_jax_is_of_weights_and_inputs_on_the_device(images, monkeypatch):
    """A teacher is read as NumPy's arrays, which a call would copy each time, and its student's are there already."""
    taken = []
    monkeypatch.setattr(
        _jax_latency, "_answer", lambda model, inputs: taken.extend([*model.weights.values(), *inputs.values()])
    )
    jax_networks.latency([jax_networks.make_teacher(Teacher(width=16), images)], images.train.batch(range(4)), rounds=1)
    assert taken
    assert all(isinstance(x, jax.Array) for x in taken)


def test_what_is_not_known_is_refused(images, encoder, texts, batch):
    model, inputs = teacher("residual", images), batch(images)
    with pytest.raises(TensorNetError, match=r"scores of a Block, needed a layer with attention, .*; take kind='vit'"):
        outputs(model, inputs, {"scores"})
    with pytest.raises(TensorNetError, match=r"wanted attentions, needed some of logits, embeddings, .*; correct"):
        outputs(model, inputs, {"attentions", "logits"})
    with pytest.raises(TensorNetError, match=r"got a Residual, needed an encoder of Transformers"):
        word_embeddings(model, torch.zeros(1, 1))
    with pytest.raises(TensorNetError, match=r"got a Linear, needed an encoder of Transformers .*; pass a model"):
        layers(torch.nn.Linear(2, 2))
    with pytest.raises(TypeError, match="labels"):  # nothing is left out in silence
        outputs(load(encoder(), texts()), {**batch(texts()), "labels": torch.zeros(4)})
