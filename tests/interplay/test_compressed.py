"""Models of Transformers with factors at inference: written by their own save_pretrained, read back by one call."""

import json

import pytest
import torch
from interplay.encoders import batch, classifier, logits, masked_lm, tokens
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration, Trainer, TrainingArguments
from transformers.pytorch_utils import Conv1D

import tensornet as tn
import tensornet_torch as tnt

BERT = r"(.*layer\.\d\..*dense|.*word_embeddings)\.weight"


def compressed(model, rules=BERT, rank=8):
    return tnt.compress(model, tnt.plan(model, rules, format="low_rank", rank=rank)).eval()


def gpt2():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4, n_positions=16)).eval()


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "10KB"}], ids=["one file", "shards"])
def test_a_folder_of_its_own_comes_back_to_the_bit(tmp_path, shards):
    model = masked_lm().eval()
    small = compressed(model)
    assert small.cls.predictions.decoder.factors[0] is small.bert.embeddings.word_embeddings.factors[0]
    small.save_pretrained(tmp_path, **shards)
    assert len(list(tmp_path.glob("*.safetensors"))) == (1 if not shards else len(list(tmp_path.glob("*-of-*"))))
    back = tnt.from_pretrained(tmp_path)
    assert type(back) is type(model)
    assert torch.equal(logits(back), logits(small))
    assert back.cls.predictions.decoder.factors[0] is back.bert.embeddings.word_embeddings.factors[0]
    assert tnt.receipt(back) == tnt.receipt(small)
    assert str(tnt.receipt(back)).splitlines()[-1].startswith("whole model")


def test_tied_factors_are_in_the_file_once(tmp_path):
    small = compressed(masked_lm())
    tnt.save_pretrained(small, tmp_path)  # ours calls its own
    names = load_file(tmp_path / "model.safetensors")
    assert "bert.embeddings.word_embeddings.factors.0" in names
    assert "cls.predictions.decoder.factors.0" not in names
    assert set(json.loads((tmp_path / "config.json").read_text())["tensornet"]["plan"]["formats"]) == set(
        tnt.plan(masked_lm(), BERT, format="low_rank")
    )


def test_the_given_model_keeps_its_config_and_its_ties():
    model = masked_lm()
    ties = dict(model.all_tied_weights_keys)
    small = compressed(model)
    assert not hasattr(model.config, "tensornet")
    assert model.all_tied_weights_keys == ties
    said = logits(small)
    small.tie_weights()
    assert torch.equal(logits(small), said)


def test_back_to_dense_it_is_a_model_that_transformers_loads(tmp_path):
    model = masked_lm()
    back = tnt.dense(compressed(model))
    assert repr(back) == repr(model)
    assert not hasattr(back.config, "tensornet")
    assert back.all_tied_weights_keys == model.all_tied_weights_keys
    back.save_pretrained(tmp_path)
    assert torch.equal(logits(type(model).from_pretrained(tmp_path)), logits(back))
    with pytest.raises(tn.TensorNetError, match=r"notes no formats, .* load a dense one as ever"):
        tnt.from_pretrained(tmp_path)


def test_conv1d_stores_its_weight_the_other_way_round(tmp_path):
    model = gpt2()
    small = compressed(model, r".*(c_attn|c_fc|c_proj|wte)\.weight", rank=None)
    assert torch.allclose(small(tokens()).logits, model(tokens()).logits, atol=1e-5)
    small.save_pretrained(tmp_path)
    assert torch.equal(logits(tnt.from_pretrained(tmp_path)), logits(small))
    back = tnt.dense(small)
    assert isinstance(back.transformer.h[0].attn.c_attn, Conv1D)
    assert repr(back) == repr(model)
    assert torch.allclose(back(tokens()).logits, model(tokens()).logits, atol=1e-5)


def test_a_model_that_reads_weights_of_its_layers():
    """T5 asks its last layer for the dtype of its weight."""
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    ).eval()
    small = compressed(model, rank=None, rules=r".*(wi|wo|q|k|v|o|shared)\.weight")
    inputs = {"input_ids": tokens(1), "decoder_input_ids": tokens(2)}
    with torch.no_grad():
        assert torch.allclose(small(**inputs).logits, model(**inputs).logits, atol=1e-4)


def test_trainer_trains_and_saves_the_factors(tmp_path):
    small = compressed(classifier())
    before = {n: p.detach().clone() for n, p in small.named_parameters()}
    data = [{k: v[0] for k, v in batch(step, rows=1).items()} for step in range(8)]
    options = {"max_steps": 2, "per_device_train_batch_size": 4, "use_cpu": True, "report_to": [], "disable_tqdm": True}
    trainer = Trainer(
        small, TrainingArguments(str(tmp_path), save_steps=2, learning_rate=1e-2, **options), train_dataset=data
    )
    trainer.train()
    changed = [n for n, p in small.named_parameters() if ".factors." in n and not torch.equal(p, before[n])]
    assert len(changed) == len([n for n in before if ".factors." in n])
    assert torch.equal(logits(tnt.from_pretrained(tmp_path / "checkpoint-2")), logits(small))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT asks for it
def test_peft_refuses_a_layer_whose_weight_it_would_lose():
    """Of a subclass of nn.Linear, its merge is lost without a word."""
    small = compressed(classifier())
    with pytest.raises(ValueError, match="not supported"):
        get_peft_model(small, LoraConfig(target_modules=["intermediate.dense"]))
    adapted = get_peft_model(small, LoraConfig(target_modules=["query"]))  # which stayed dense
    assert isinstance(adapted.base_model.model.bert.encoder.layer[0].attention.self.query.base_layer, nn.Linear)


def test_a_folder_of_another_class_is_refused(tmp_path):
    compressed(masked_lm()).save_pretrained(tmp_path)
    with pytest.raises(tn.TensorNetError, match=r"do not belong together|has no parameter"):
        tnt.from_pretrained(tmp_path, classifier)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["NobodysModel"]}))
    with pytest.raises(tn.TensorNetError, match="describes no model that Transformers makes here"):
        tnt.from_pretrained(tmp_path)
