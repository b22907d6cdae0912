"""Encoders of Hugging Face as teachers and students: loaded, made, saved."""

import json
from dataclasses import replace

import pytest
import torch
from interplay.encoders import minilm
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from opdf.models import Student, Teacher
from opdf.models.networks import layer_pairs, load, make_student, make_teacher, outputs, save

EQUAL = {"rtol": 0, "atol": 0}


def same(ours, theirs):
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
@pytest.mark.parametrize("head", ["classifier", "mlm", "none"])
def test_any_checkpoint_gets_a_head_of_the_task(kind, head, encoder, texts, batch, capfd):
    task = texts(classes=3)
    folder = encoder(kind, head)
    capfd.readouterr()
    model = load(folder, task, seed=1)
    assert capfd.readouterr() == ("", "")
    assert not model.training
    assert outputs(model, batch(task))["logits"].shape == (4, 3)
    assert model.config.id2label == {0: "no", 1: "maybe", 2: "yes"}
    assert model.config.problem_type == "single_label_classification"
    alike = load(folder, task, seed=1), load(folder, task, seed=2)
    assert same(model.state_dict(), alike[0].state_dict())
    assert same(model.state_dict(), alike[1].state_dict()) == (head == "classifier")


def test_labels_are_known_by_their_numbers_in_whatever_order_a_file_names_them(encoder, texts):
    folder = encoder("bert", "classifier")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"id2label": {"2": "yes", "0": "no", "1": "maybe"}}))
    assert load(folder, texts(classes=3)).config.id2label == {0: "no", 1: "maybe", 2: "yes"}


def test_regression_is_one_label(encoder, texts):
    config = load(encoder(head="none"), texts(classes=1, names=())).config
    assert (config.num_labels, config.problem_type) == (1, "regression")


def test_what_transformers_prints_is_as_before(encoder, texts):
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(encoder(head="none"), texts())
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_new_weights_leave_the_generator_alone(encoder, texts, images):
    folder = encoder(head="none")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_student(Student(2, "random"), load(folder, texts()), texts(), seed=9)
    make_teacher(Teacher(kind="vit", depth=1, width=16), images)
    torch.testing.assert_close(torch.rand(3), expected, **EQUAL)


@pytest.mark.parametrize("how", ["uniform", "first", "last", "skip"])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_student_of_the_teachers_layers(kind, how, encoder, texts):
    taken = {"uniform": (1, 3), "first": (0, 1), "last": (2, 3), "skip": (0, 2)}[how]
    task = texts()
    big = load(encoder(kind), task)
    small = make_student(Student(2, layer_map=how), big, task, seed=0)
    assert small.training
    assert layer_pairs(small, big, how) == taken
    theirs = big.state_dict()
    path = f"{kind}.encoder.layer."
    for name, weight in small.state_dict().items():
        if name.startswith(path):
            n, rest = name.removeprefix(path).split(".", 1)
            name = f"{path}{taken[int(n)]}.{rest}"
        assert torch.equal(weight, theirs[name]), name
    shared = {p.data_ptr() for p in big.parameters()} & {p.data_ptr() for p in small.parameters()}
    assert not shared


def test_as_many_layers_as_the_teacher_are_the_teacher(encoder, texts, batch):
    task = texts()
    big = load(encoder(), task)
    small = make_student(Student(4), big, task, seed=3).eval()
    assert torch.equal(outputs(small, batch(task))["logits"], outputs(big, batch(task))["logits"])


def test_a_student_of_random_weights(encoder, texts):
    task = texts()
    big = load(encoder(), task)
    one, other, again = (make_student(Student(2, "random"), big, task, seed).state_dict() for seed in (1, 2, 1))
    assert same(one, again)
    word = "bert.embeddings.word_embeddings.weight"
    assert one[word].shape == big.state_dict()[word].shape
    assert not any(torch.equal(a, b) for a, b in ((one[word], other[word]), (one[word], big.state_dict()[word])))


def test_a_narrower_student(encoder, texts, batch):
    task = texts()
    big = load(encoder(), task)
    small = make_student(Student(2, "random", width=8), big, task, seed=0)
    assert (small.config.hidden_size, small.config.intermediate_size, small.config.num_attention_heads) == (8, 16, 2)
    assert small.config.label2id == big.config.label2id
    small = make_student(Student(2, "random", width=12, feed_forward=20, heads=3), big, task, seed=0)
    assert outputs(small, batch(task), {"scores"})["scores"][1].shape == (4, 3, 8, 8)
    assert small.state_dict()["bert.encoder.layer.1.output.dense.weight"].shape == (12, 20)


def test_transformers_loads_what_is_saved(encoder, texts, batch, tmp_path, capfd):
    """Nothing missing, nothing left over, equal logits; and nothing in it says where it was made."""
    task = texts()
    small = make_student(Student(2), load(encoder(), task), task, seed=0).eval()
    capfd.readouterr()
    save(small, tmp_path / "runs" / "student", task)
    save(small, tmp_path / "runs" / "student", task)  # takes the place of the first
    assert capfd.readouterr() == ("", "")
    folder = tmp_path / "runs" / "student"
    assert [p.name for p in folder.parent.iterdir()] == ["student"]
    loaded, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    expected = outputs(small, batch(task))["logits"]
    assert torch.equal(loaded(**batch(task)).logits, expected)
    assert torch.equal(outputs(load(folder, task), batch(task))["logits"], expected)
    assert "/" not in (folder / "config.json").read_text()


def test_the_tokenizer_is_saved_beside_it(texts, encoder, tmp_path):
    class Tokenizer:
        def save_pretrained(self, folder):
            (folder / "tokenizer.json").write_text("{}")

    task = replace(texts(), tokenizer=Tokenizer())
    model = load(encoder(), task)
    save(model, tmp_path / "student", task)
    assert (tmp_path / "student" / "tokenizer.json").exists()


def test_minilm_is_a_teacher(texts, batch):
    task = texts(classes=2)
    big = load(minilm(), task)
    small = make_student(Student(), big, task, seed=0)
    assert layer_pairs(small, big) == (1, 3, 5)
    assert torch.equal(outputs(big, batch(task))["logits"], big(**batch(task)).logits)
    stored = load_file(minilm() / "model.safetensors")
    own = big.bert.state_dict()
    assert all(torch.equal(own[name], w) for name, w in stored.items() if name != "embeddings.position_ids")
