"""What holds of every method, with and without over-parameterisation: the faults that the released code has in all of them."""

import copy

import pytest
import torch
from hosted import STEPS, batch, counted, encoder, made, optimizer, pair, step, weights

from opdf.hosts._host import seeded
from opdf.hosts._options import KD, Theseus
from opdf.models.networks import outputs

HOSTS = ["labels", "kd", "theseus", "lgtm", "dbkd", "adkd"]
hosts = pytest.mark.parametrize("name", HOSTS)
opdfs = pytest.mark.parametrize("opdf", [False, True], ids=["dense", "opdf"])


def options(name):
    """With every term that a method has."""
    full = {"kd": KD(hidden=1.0, attention=1.0, embedding=1.0, weights=1.0), "theseus": Theseus(steady=1.0)}
    return full.get(name)


@hosts
@opdfs
def test_the_loss_falls_and_the_student_stays_dense(name, opdf, capsys):
    found = made(name, options(name), models=pair(start="random"))
    keys = list(found.student.state_dict())
    before, given, opt = weights(found.student), batch(found), optimizer(found, opdf, lr=3e-2)
    losses = [step(found, given, opt, n) for n in range(STEPS)]
    assert losses[-1] < 0.9 * losses[0]
    assert list(found.student.state_dict()) == keys
    trained = {n for n in before if (found.student.state_dict()[n] != before[n]).any()}
    assert any("query.weight" in n for n in trained)
    assert type(found.student) is type(encoder(1))
    assert capsys.readouterr() == ("", "")  # fault 25: two prints a step


@hosts
def test_every_term_has_a_gradient(name):
    """Faults 2 and 6: a loss of detached arrays, and one that the next line overwrites."""
    found = made(name, options(name), models=pair(start="random"))
    terms = found.terms(batch(found), 0)
    trained = list(found.parameters().values())
    for term, value in terms.items():
        gradients = torch.autograd.grad(value, trained, retain_graph=True, allow_unused=True)
        assert any(g is not None and g.abs().max() > 0 for g in gradients), term


@hosts
def test_only_what_is_trained_has_a_gradient(name):
    """Fault 20: gradients of the teacher and the embeddings, which nothing steps on, are in the norm that is clipped."""
    found = made(name, options(name), models=pair(start="random"))
    given, opt = batch(found), optimizer(found, opdf=False)
    step(found, given, opt, 0, clip=float("inf"))
    whole = [*found.student.parameters(), *found.teacher.parameters(), *found.parameters().values()]
    ids = {id(p) for p in found.parameters().values()}
    assert {id(p) for p in whole if p.grad is not None} <= ids
    everything = torch.nn.utils.get_total_norm(
        [p.grad for p in {id(p): p for p in whole}.values() if p.grad is not None]
    )
    ours = torch.nn.utils.get_total_norm([p.grad for p in found.parameters().values() if p.grad is not None])
    torch.testing.assert_close(everything, ours)


@hosts
@opdfs
def test_the_teacher_stays_as_it_is(name, opdf):
    found = made(name, options(name), models=pair(start="random"))
    before, given, opt = weights(found.teacher), batch(found), optimizer(found, opdf)
    step(found, given, opt, 0)
    assert not found.teacher.training
    torch.testing.assert_close(weights(found.teacher), before, rtol=0, atol=0)


@hosts
def test_in_evaluation_the_student_runs_alone_and_once(name):
    """Fault 19: each forward also ran all layers of both models over the embeddings, and threw the result away."""
    found = made(name, options(name))
    given = batch(found)
    calls = counted(found)
    outputs(found.student, given.inputs)
    assert calls == {"student": [1, 1], "teacher": [0] * 4}


@hosts
@opdfs
def test_a_run_goes_on_to_the_same_bits(name, opdf):
    """From what the engine saves: the trained parameters, the optimiser's state and the host's."""
    whole, half = (made(name, options(name), models=pair(start="random")) for _ in range(2))
    opts = [optimizer(found, opdf) for found in (whole, half)]
    given = batch(whole)
    for number in range(2):
        step(whole, given, opts[0], number)
    with torch.no_grad():
        for p, q in zip(half.parameters().values(), whole.parameters().values(), strict=True):
            p.copy_(q)
    half.load(whole.state())
    opts[1].load_state_dict(copy.deepcopy(opts[0].state_dict()))
    for number in range(2, 4):
        assert step(whole, given, opts[0], number) == step(half, given, opts[1], number)
    torch.testing.assert_close(weights(half.student), weights(whole.student), rtol=0, atol=0)


@hosts
def test_chance_is_that_of_the_step(name):
    found = made(name, options(name), models=(encoder(2, dropout=0.5, seed=1), encoder(4, dropout=0.5)))
    found.student.train()
    given = batch(found)

    def said(seed, number):
        seeded(seed, number)
        return torch.stack(list(found.terms(given, 0).values())).sum().item()

    assert said(0, 3) == said(0, 3)
    assert len({said(seed, number) for seed in range(2) for number in range(2)}) == 4


# ---- the alignment loss, whatever the method ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["theseus", "lgtm"])
def test_alignment_is_in_what_is_trained(name):
    """Faults 1 and 2: the loss was computed from state_dict() and then not added; fault 3: LGTM's crashed at the first step."""
    losses, ends = {}, {}
    for weight in (0.0, 1.0):
        found = made(name, options(name), models=pair(start="random"))
        given, opt = batch(found), optimizer(found, opdf=True, lr=1e-2, alignment=weight or 1e-30)
        losses[weight] = []
        for number in range(5):
            step(found, given, opt, number)
            losses[weight].append(opt.alignment_loss.item())
        ends[weight] = weights(found.student)
    assert 0 < losses[1.0][-1] < 0.98 * losses[1.0][0]
    assert losses[1.0][-1] < losses[0.0][-1]
    query = next(n for n in ends[0.0] if n.endswith("query.weight"))
    assert (ends[0.0][query] != ends[1.0][query]).any()


@pytest.mark.parametrize("cores", [3, 5, 7])
def test_alignment_pulls_all_factors_but_the_central_one(cores):
    """Fault 4: indices [0, 2] of five and [0, 1, 3, 4] of seven, the centre in both, and auxiliary ones left out."""
    found = made("kd", models=pair(start="random"))
    opt = optimizer(found, opdf=True, alignment=1.0, cores=cores, kind=torch.optim.SGD)
    step(found, batch(found), opt, 0)  # or the inner factors are those of the teacher, the identity
    before = {name: opt.factors(name) for name in opt.plan}
    for p in found.parameters().values():
        p.grad = torch.zeros_like(p)  # the task pulls nowhere
    opt.step()
    for name, factors in before.items():
        moved = [k for k, (a, b) in enumerate(zip(factors, opt.factors(name), strict=True)) if (a != b).any()]
        assert moved == [k for k in range(cores) if k != cores // 2]


def test_alignment_pairs_each_weight_with_that_of_its_layer():
    """Fault 5: the student's tensor was looked up by the teacher's name."""
    opt = optimizer(made("theseus"), opdf=True, alignment=1.0)
    for name, other in opt.plan.teachers.items():
        assert other == name.replace(".layer.1.", ".layer.3.").replace(".layer.0.", ".layer.1.")
