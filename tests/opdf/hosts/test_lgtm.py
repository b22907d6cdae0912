"""LGTM: the influence is the derivative that it stands for, and the teacher learns from train alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hosted import WORDS, batch, examples, made, optimizer, pair, step, task, weights
from torch.nn.attention import SDPBackend, sdpa_kernel

from opdf.hosts import host
from opdf.hosts._options import LGTM
from opdf.hosts.kd import answered
from opdf.hosts.labels import supervised
from opdf.models.networks import outputs
from opdf.tasks import Examples
from tensornet import TensorNetError


def exact(classes=3, **options):
    """In float64, with all of train in a batch."""
    models = tuple(model.double() for model in pair(classes, start="random"))
    found = made("lgtm", LGTM(**options), classes, models)
    given = batch(found, range(24))
    return found, given if classes > 1 else replace(given, labels=given.labels.double())


@pytest.mark.parametrize("classes", [3, 1])
def test_the_influence_is_the_derivative_of_the_held_out_loss(classes):
    """By two passes through autograd: ∇_θt CE(y', S'(θ_s − η α ∇_θs KD(T(θ_t), S))) = −η α ∇_θt I, to first order in η."""
    found, given = exact(classes, alpha=1.0, temperature=2.0)
    found.held_out = (
        Examples(found.held_out.fields, found.held_out.labels.astype(float)) if classes == 1 else found.held_out
    )
    found.lr = rate = 1e-4
    teacher, student = found.learner, found.student
    torch.manual_seed(0)
    theirs = outputs(teacher, given.inputs)["logits"]
    _, held, g = found._left_to_learn(given, theirs.detach())
    mine = torch.autograd.grad(found._influence(given, theirs, g), list(teacher.parameters()), materialize_grads=True)

    torch.manual_seed(0)
    rows = torch.randint(len(found.held_out), (24,)).numpy()
    inputs = {name: torch.from_numpy(x) for name, x in found.held_out.batch(rows).items()}
    named = dict(student.named_parameters())
    with sdpa_kernel(SDPBackend.MATH):  # the other kernels have no second derivative
        kd = answered(outputs(student, given.inputs)["logits"], outputs(teacher, given.inputs)["logits"], 2.0)
        first = torch.autograd.grad(kd, list(named.values()), create_graph=True, materialize_grads=True)
        moved = {name: p - rate * d for (name, p), d in zip(named.items(), first, strict=True)}
        logits = torch.func.functional_call(student, moved, kwargs=inputs).logits
        loss = supervised(logits, torch.from_numpy(found.held_out.labels[rows]))
        theirs = torch.autograd.grad(loss, list(teacher.parameters()), materialize_grads=True)
    torch.testing.assert_close(held.detach(), loss.detach())
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(-rate * a, b, rtol=2e-2, atol=1e-3 * rate * max(x.abs().max() for x in mine))


def test_a_teacher_of_that_influence_teaches_better():
    """Its step along ∇I lowers the held-out loss after the student's step by what is foreseen."""
    found, given = exact(alpha=1.0)
    found.lr = 1e-2

    def after():
        torch.manual_seed(0)
        theirs = outputs(found.learner, given.inputs)["logits"]
        _, held, g = found._left_to_learn(given, theirs.detach())
        return theirs, held.item(), g

    theirs, before, g = after()
    gradient = torch.autograd.grad(
        found._influence(given, theirs, g), list(found.learner.parameters()), allow_unused=True
    )
    norm = sum((d**2).sum() for d in gradient if d is not None)
    with torch.no_grad():
        for p, d in zip(found.learner.parameters(), gradient, strict=True):
            p.add_(0.0 if d is None else 1e-2 * d)
    assert after()[1] - before == pytest.approx(-1e-2 * 1e-2 * norm.item(), rel=0.1)


@pytest.mark.parametrize("influence", [0.0, 1.0, 100.0])
def test_the_teachers_loss(influence):
    """Fault 8's kin: a literal, here 3e-5, for a weight. At 0 the teacher learns from labels and student alone."""
    found, given = exact(influence=influence, teacher_alpha=0.4, temperature=3.0)
    found.held_out = found.held_out.take([0])  # or the next batch is another
    theirs, ours = (outputs(model, given.inputs)["logits"] for model in (found.learner, found.student))
    loss = 0.4 * answered(theirs, ours.detach(), 3.0) + 0.6 * supervised(theirs, given.labels)
    _, _, g = found._left_to_learn(given, theirs.detach())
    loss = loss - influence * found._influence(given, theirs, g)
    expected = torch.autograd.grad(loss, list(found.learner.parameters()), materialize_grads=True)
    found.before(given, 0)
    for p, d in zip(found.learner.parameters(), expected, strict=True):
        torch.testing.assert_close(d if p.grad is None else p.grad, d)


def test_the_student_learns_from_the_teacher_as_it_is_now():
    found = made("lgtm")
    given = batch(found)
    found.before(given, 0)
    ours, theirs = (outputs(model.eval(), given.inputs)["logits"] for model in (found.student, found.learner))
    expected = {"answers": 0.5 * answered(ours, theirs.detach(), 1.0), "labels": 0.5 * supervised(ours, given.labels)}
    torch.testing.assert_close(found.terms(given, 0), expected)
    old = outputs(found.teacher, given.inputs)["logits"]
    assert not torch.allclose(theirs, old, atol=1e-6)


@pytest.mark.parametrize("opdf", [False, True], ids=["dense", "opdf"])
def test_the_student_is_where_it_was(opdf):
    """Released: weights are nudged in place and nudged back, which leaves round-off behind."""
    found = made("lgtm", models=pair(start="random"))
    optimizer(found, opdf)
    before = weights(found.student)
    figures = found.before(batch(found), 0)
    torch.testing.assert_close(weights(found.student), before, rtol=0, atol=0)
    assert set(figures) == {"teacher_loss", "influence", "held_out_loss"}
    assert all(np.isfinite(x) for x in figures.values())
    assert not any(p.grad is not None for p in found.student.parameters())


def test_the_teacher_learns_and_its_rate_falls():
    found = made("lgtm", models=pair(start="random"), steps=8)
    given, opt, rates = batch(found), optimizer(found, opdf=False), []
    for number in range(8):
        step(found, given, opt, number)
        rates.append(found.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([3e-5 * (1 - n / 8) for n in range(8)])
    assert not any(
        torch.equal(p, q) for p, q in zip(found.learner.parameters(), found.teacher.parameters(), strict=True)
    )


def test_nothing_is_cached_because_the_teacher_changes():
    found = made("lgtm")
    assert not found.taught
    assert not found.teach({})


# ---- what the influence is measured on ----------------------------------------------------------------------------------


def test_held_out_are_rows_of_train_that_nobody_trains_on():
    """Fault 21: the half of dev that models are chosen on was the teacher's feedback."""
    whole, options = task(n=40), LGTM(held_out=0.25)
    learnt = host("lgtm").examples(whole, options)
    found = host("lgtm")(*pair(), whole, options, 8)
    ids = {id(row): n for n, row in enumerate(whole.train.fields["input_ids"])}
    held, rest = ([ids[id(row)] for row in part.fields["input_ids"]] for part in (found.held_out, learnt))
    assert (len(held), len(rest)) == (10, 30)
    assert sorted(held + rest) == list(range(40))
    np.testing.assert_array_equal(found.held_out.labels, whole.train.labels[held])


def test_dev_and_test_are_never_looked_at():
    class Forbidden(Examples):
        def __getattribute__(self, name):
            raise AssertionError(f"{name} of dev or test")

    forbidden = Forbidden({"input_ids": [np.array([WORDS])]}, np.array([0]))
    found = host("lgtm")(*pair(), replace(task(), dev=forbidden, test=forbidden), LGTM(), 8)
    found.lr = 1e-3
    step(found, batch(found), optimizer(found, opdf=False), 0)


def test_the_other_methods_hold_nothing_out():
    whole = task()
    assert host("kd").examples(whole, None) is whole.train


def test_what_cannot_be():
    one = replace(task(), train=examples(1, 3, 0))
    with pytest.raises(TensorNetError, match=r"lgtm: task small has 1 training example, needed two.*; take more"):
        host("lgtm").examples(one, LGTM())
    found = made("lgtm")
    found.lr = float("nan")
    with pytest.raises(TensorNetError, match=r"learning rate is nan, needed a number.*; set `lr`"):
        found.before(batch(found), 0)
