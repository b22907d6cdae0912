"""Attribution-driven distillation: integrated gradients as they are defined, and a loss that is differentiated through them."""

from dataclasses import replace

import hosted
import pytest
import torch
from torch.nn import functional as F

from opdf.hosts._attribution import attribution_map, integrated_gradients, views
from opdf.hosts._options import ADKD
from opdf.hosts.adkd import ADKD as Host
from opdf.models.networks import outputs, word_embeddings
from tensornet import TensorNetError


def inputs(n=4, classes=3):
    return {k: torch.from_numpy(x) for k, x in hosted.examples(n, classes, 0).batch(range(n)).items()}


def answer_from(model, given, embeddings):
    return views(outputs(model, {**given, "inputs_embeds": embeddings})["logits"])


@pytest.mark.parametrize("classes", [1, 3])
def test_attributions_are_complete(classes):
    """Σ attributions → F(e) − F(0) as the points of the path grow, the error halved with twice as many."""
    model, given = hosted.encoder(1, classes=classes).double(), inputs(classes=classes)
    e = word_embeddings(model, given["input_ids"])
    whole = (answer_from(model, given, e) - answer_from(model, given, torch.zeros_like(e))).detach()
    found = [integrated_gradients(model, given, m)[0].sum((2, 3)).T for m in (32, 64)]
    error, half = (float((x - whole).abs().max()) for x in found)
    assert half == pytest.approx(error / 2, rel=0.05)
    assert half < 0.02 * whole.abs().max()
    torch.testing.assert_close(
        2 * found[1] - found[0], whole, rtol=0, atol=0.05 * half
    )  # what is left is of order 1/m²


def test_one_point_is_gradient_times_input():
    model, given = hosted.encoder(2), inputs()
    e = word_embeddings(model, given["input_ids"]).detach()
    one_by_one = torch.autograd.functional.jacobian(lambda x: answer_from(model, given, x), e)  # (b, classes, b, t, d)
    expected = torch.stack([one_by_one[n, :, n] for n in range(4)], 1) * e
    found, logits = integrated_gradients(model, given, 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(logits, outputs(model, given)["logits"])
    assert not any(x.requires_grad for x in (found, logits))


def test_maps():
    model, given = hosted.encoder(2), inputs()
    mask = given["attention_mask"]
    found, _ = integrated_gradients(model, given, 2)
    map_, strongest = attribution_map(found, mask), attribution_map(found, mask, top=3)
    assert map_.shape == (4, mask.shape[1], 3)
    torch.testing.assert_close(map_.square().sum((1, 2)), torch.ones(4))
    assert (map_[mask == 0] == 0).all()
    for n in range(4):  # by definition, one token and class after another
        length = int(mask[n].sum())
        norms = torch.tensor([[found[c, n, i].norm() for c in range(3)] for i in range(length)])
        torch.testing.assert_close(map_[n, :length], norms / norms.norm())
        few = torch.tensor([[found[c, n, i].abs().sort().values[-3:].norm() for c in range(3)] for i in range(length)])
        torch.testing.assert_close(strongest[n, :length], few / few.norm())


def test_what_all_logits_share_is_no_attribution():
    """A constant added to all logits changes no answer, and here no map, though it depends on the tokens."""
    model, given = hosted.encoder(2), inputs()
    before = attribution_map(integrated_gradients(model, given, 1)[0], given["attention_mask"])
    with torch.no_grad():
        model.classifier.weight += 3 * torch.randn(8)
    after = attribution_map(integrated_gradients(model, given, 1)[0], given["attention_mask"])
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-3)


# ---- the host ---------------------------------------------------------------------------------------------------------


def test_the_loss():
    options = ADKD(alpha=0.3, temperature=4.0, beta=7.0, steps=2, top=5)
    found = hosted.made("adkd", options, models=hosted.pair(start="random"))
    given = hosted.batch(found)
    mask = given.inputs["attention_mask"]
    ours = outputs(found.student, given.inputs)["logits"]
    theirs = outputs(found.teacher, given.inputs)["logits"]
    kl = F.kl_div(F.log_softmax(ours / 4, -1), F.softmax(theirs / 4, -1), reduction="batchmean")
    maps = [
        attribution_map(integrated_gradients(model, given.inputs, 2)[0], mask, top)
        for model, top in ((found.student, None), (found.teacher, 5))
    ]
    expected = {
        "labels": 0.7 * F.cross_entropy(ours, given.labels),
        "answers": 0.3 * 16 * kl,
        "attributions": 7 * ((maps[0] - maps[1]) ** 2).sum() / mask.sum(),
    }
    torch.testing.assert_close(found.terms(given, 0), expected)
    assert expected["attributions"] > 0.01


@pytest.mark.parametrize("classes", [1, 2])
def test_gradients_go_through_attributions(classes):
    """Against finite differences in float64; the student's attention is the fused one, which has no second derivative."""
    models = [m.double() for m in hosted.pair(classes, start="random")]
    found = hosted.made("adkd", ADKD(alpha=0.0, steps=2), classes=classes, models=models)
    given = hosted.batch(found)
    assert found.student.config._attn_implementation == "sdpa"
    weights = dict(found.student.named_parameters())
    gradients = torch.autograd.grad(found.terms(given, 0)["attributions"], weights.values(), allow_unused=True)
    generator, h = torch.Generator().manual_seed(0), 1e-6
    for part in ("word_embeddings", "query.weight", "intermediate.dense.weight", "classifier.weight"):
        name, gradient = next((n, g) for n, g in zip(weights, gradients, strict=True) if part in n)
        direction = torch.randn(weights[name].shape, generator=generator, dtype=torch.float64)
        value = []
        for step in (h, -2 * h):
            with torch.no_grad():
                weights[name] += step * direction
            value.append(found.terms(given, 0)["attributions"].item())
        with torch.no_grad():
            weights[name] += h * direction
        slope = (value[0] - value[1]) / (2 * h)
        assert abs(slope) > 1e-5
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_a_student_that_is_its_teacher():
    """Has nothing to learn of attributions, and a gradient that is zero and no NaN."""
    teacher = hosted.encoder(2)
    found = hosted.made("adkd", models=(hosted.encoder(2), teacher))
    term = found.terms(hosted.batch(found), 0)["attributions"]
    assert term.item() < 1e-10
    gradients = torch.autograd.grad(term, list(found.student.parameters()), allow_unused=True)
    assert max(g.abs().max() for g in gradients if g is not None) < 1e-4


def test_every_class_is_a_view():
    """Attributions of classes other than the label's are compared too."""
    found = hosted.made("adkd")
    given = hosted.batch(found)
    labels = torch.zeros_like(given.labels)
    changed = dict(given.teacher)
    changed["attributions"] = given.teacher["attributions"].clone()
    changed["attributions"][..., 2] = 0
    terms = [found.terms(replace(given, labels=labels, teacher=said), 0) for said in (given.teacher, changed)]
    assert terms[0]["labels"] == terms[1]["labels"]
    assert terms[0]["attributions"] != terms[1]["attributions"]


def test_the_teacher_is_asked_in_peace():
    """Without dropout, whatever mode it was in; no gradient is left on it; also where gradients are off."""
    found = hosted.made("adkd", models=[hosted.encoder(2, dropout=0.5) for _ in range(2)])
    given = inputs()
    found.teacher.eval()
    quietly = found.teach(given)
    found.teacher.train()
    with torch.no_grad():
        torch.testing.assert_close(found.teach(given), quietly, atol=0, rtol=0)
    assert found.teacher.training
    assert all(p.grad is None for p in found.teacher.parameters())
    assert not any(x.requires_grad for x in quietly.values())


@pytest.mark.parametrize("classes", [1, 3])
def test_a_student_learns_the_attributions(classes):
    """Of a regression too, in factors."""
    found = hosted.made("adkd", classes=classes, models=hosted.pair(classes, start="random"))
    given, optimizer = hosted.batch(found), hosted.optimizer(found, opdf=True, lr=1e-2)
    before = found.terms(given, 0)["attributions"].item()
    for number in range(hosted.STEPS):
        hosted.step(found, given, optimizer, number)
    assert found.terms(given, 0)["attributions"].item() < 0.9 * before


def test_images_have_no_tokens():
    task = replace(hosted.task(), kind="images")
    with pytest.raises(TensorNetError, match=r"adkd: task small is of images, needed text, .*; distil with kd"):
        Host(*hosted.pair(), task, ADKD(), 1)


def test_more_dimensions_than_there_are():
    found = hosted.made("adkd", ADKD(top=9))
    with pytest.raises(
        TensorNetError, match=r"adkd: top=9, needed at most 8, .*; choose fewer, or leave it out for all"
    ):
        found.teach(inputs())


def test_without_a_teacher():
    with pytest.raises(TensorNetError, match="adkd: no teacher"):
        Host(hosted.encoder(1), None, hosted.task(), ADKD(), 1)
