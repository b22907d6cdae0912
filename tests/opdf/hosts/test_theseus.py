"""BERT-of-Theseus: what is replaced, how often, and what is trained."""

import pytest
import torch
from hosted import batch, counted, encoder, made, optimizer, pair, step
from torch.nn import functional as F

from opdf.hosts._groups import groups
from opdf.hosts._host import seeded
from opdf.hosts._options import Theseus
from opdf.models.networks import layers, outputs
from tensornet import TensorNetError


def found_with(replaced, monkeypatch, **given):
    found = made("theseus", **given)
    monkeypatch.setattr(found, "_drawn", lambda step: replaced)
    return found, batch(found)


@pytest.mark.parametrize(("replaced", "who"), [([False, False], "teacher"), ([True, True], "student")])
def test_with_all_or_nothing_replaced_it_is_one_of_the_two(replaced, who, monkeypatch):
    found, given = found_with(replaced, monkeypatch, models=pair(start="random"))
    logits = outputs(getattr(found, who), given.inputs)["logits"]
    torch.testing.assert_close(found.terms(given, 0), {"labels": F.cross_entropy(logits, given.labels)})


def test_a_number_is_predicted(monkeypatch):
    found, given = found_with([True, True], monkeypatch, classes=1)
    logits = outputs(found.student, given.inputs)["logits"]
    torch.testing.assert_close(found.terms(given, 0)["labels"], F.mse_loss(logits[:, 0], given.labels))


def test_each_layer_runs_once_or_the_group_it_stands_for(monkeypatch):
    """Fault 19 in training."""
    found, given = found_with([True, False], monkeypatch)
    calls = counted(found)
    found.terms(given, 0)
    assert calls == {"student": [1, 0], "teacher": [0, 0, 1, 1]}


def test_only_the_layers_in_the_way_get_gradients(monkeypatch):
    """Fault 20: those of the frozen weights were in the norm that is clipped."""
    found, given = found_with([True, False], monkeypatch)
    step(found, given, optimizer(found, opdf=False), 0)
    got = {name for name, p in found.student.named_parameters() if p.grad is not None}
    assert got == {name for name in found.parameters() if ".layer.0." in name}
    assert not any(p.grad is not None for p in found.teacher.parameters())


def test_only_layers_are_trained():
    found = made("theseus")
    assert list(found.parameters().values()) == list(layers(found.student).parameters())


def test_embeddings_and_head_are_the_teachers_wherever_the_layers_start():
    found = made("theseus", models=pair(start="random"))
    own, theirs = found.student.state_dict(), found.teacher.state_dict()
    outside = [name for name in own if ".layer." not in name]
    assert any("classifier" in name for name in outside)
    assert all((own[name] == theirs[name]).all() for name in outside)
    assert any((own[name] != theirs[name]).any() for name in own if ".layer." in name)


def test_the_rate_rises_to_one_and_the_student_is_alone():
    found = made("theseus", Theseus(replacing_rate=0.3, steady=0.25), steps=100)
    assert [found.rate(n) for n in (0, 75, 99)] == [0.3, 1.0, 1.0]
    assert found.rate(25) == pytest.approx(0.3 + 0.7 / 3)
    given, calls = batch(found), counted(found)
    for number in range(75, 80):
        seeded(0, number)
        found.terms(given, number)
    assert calls == {"student": [5, 5], "teacher": [0] * 4}


def test_groups_are_replaced_as_often_as_the_rate_says():
    found = made("theseus", Theseus(replacing_rate=0.3, steady=0.0), steps=10**9)
    draws = []
    for number in range(400):
        seeded(7, number)
        draws.append(found._drawn(number))
    share = torch.tensor(draws).double().mean(0)
    # nothing is drawn in 0.7², and one of two is replaced then
    torch.testing.assert_close(share, torch.full((2,), 0.3 + 0.49 / 2, dtype=share.dtype), rtol=0, atol=0.07)
    assert all(any(draw) for draw in draws)


def test_a_steady_run_is_the_student_from_the_first_step():
    assert made("theseus", Theseus(replacing_rate=0.1, steady=1.0)).rate(0) == 1.0


def test_the_teacher_runs_without_dropout_while_the_student_has_it(monkeypatch):
    models = (encoder(2, dropout=0.5, seed=1), encoder(4, dropout=0.5))
    found, given = found_with([False, True], monkeypatch, models=models)
    found.student.train()
    said = []
    next(iter(layers(found.teacher)[1:2])).register_forward_hook(lambda *x: said.append(x[-1]))
    for module in found.student.bert.embeddings.modules():
        module.eval()
    losses = {found.terms(given, n)["labels"].item() for n in range(2)}
    torch.testing.assert_close(said[0], said[1], rtol=0, atol=0)
    assert len(losses) == 2


def test_depths_that_do_not_divide():
    assert [len(g) for g in groups(encoder(4), encoder(6))] == [1, 2, 1, 2]
    assert [list(g) for g in groups(encoder(2), encoder(4))] == [[0, 1], [2, 3]]


def test_another_width_cannot_stand_in():
    with pytest.raises(
        TensorNetError, match=r"theseus: .*embeddings.* \(23, 4\) and \(23, 8\) .*; take a student of the"
    ):
        made("theseus", models=(encoder(2, 4), encoder(4)))
