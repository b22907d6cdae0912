"""Plain distillation: each term beside what it is by definition, and what of the teacher it needs."""

import pytest
import torch
from hosted import batch, encoder, made, optimizer, pair, step, task, weights
from torch.nn import functional as F

from opdf.hosts import host
from opdf.hosts._options import KD
from opdf.models.networks import layers, outputs
from tensornet import TensorNetError


def terms(options, **given):
    found = made("kd", options, **given)
    return found, (b := batch(found)), found.terms(b, 0)


def both(found, given, *wanted):
    """What student and teacher say in this very batch."""
    return [outputs(model, given.inputs, wanted) for model in (found.student, found.teacher)]


def mse(ours, theirs, keep):
    return ((ours - theirs)[keep] ** 2).mean()


def test_answers_and_labels():
    found, given, said = terms(KD(alpha=0.3, temperature=4.0))
    ours, theirs = (x["logits"] for x in both(found, given, "logits"))
    kl = F.kl_div(F.log_softmax(ours / 4, -1), F.softmax(theirs / 4, -1), reduction="batchmean")
    torch.testing.assert_close(said, {"labels": 0.7 * F.cross_entropy(ours, given.labels), "answers": 0.3 * 16 * kl})


def test_a_number_is_compared_with_the_teachers():
    found, given, said = terms(KD(alpha=0.3), classes=1)
    ours, theirs = (x["logits"][:, 0] for x in both(found, given, "logits"))
    torch.testing.assert_close(
        said, {"labels": 0.7 * F.mse_loss(ours, given.labels), "answers": 0.3 * F.mse_loss(ours, theirs)}
    )


@pytest.mark.parametrize(("alpha", "left"), [(0.0, {"labels"}), (1.0, {"answers"})])
def test_what_has_no_weight_is_left_out(alpha, left):
    assert set(terms(KD(alpha=alpha))[2]) == left


def test_decoupled():
    found, given, said = terms(KD(alpha=1.0, decoupled=True, beta=3.0, temperature=2.0))
    p, q = (F.softmax(x["logits"] / 2, -1) for x in both(found, given, "logits"))
    rows = torch.arange(len(given.labels))
    yes, yes_t = p[rows, given.labels], q[rows, given.labels]
    target = yes_t * (yes_t / yes).log() + (1 - yes_t) * ((1 - yes_t) / (1 - yes)).log()
    others = F.one_hot(given.labels, 3) == 0
    p, q = (x[others].reshape(-1, 2) for x in (p, q))
    p, q = p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)
    expected = 4 * (target + 3.0 * (q * (q / p).log()).sum(-1)).mean()
    torch.testing.assert_close(said["answers"], expected)


def test_hidden_states_of_the_mapped_layers():
    found, given, said = terms(KD(hidden=2.0))
    ours, theirs = (x["hidden"] for x in both(found, given, "hidden"))
    keep = given.inputs["attention_mask"] == 1
    expected = 2.0 * (mse(ours[0], theirs[1], keep) + mse(ours[1], theirs[3], keep)) / 2  # i ↔ 2i + 1
    torch.testing.assert_close(said["hidden"], expected)
    assert found.per_token == {"hidden.0", "hidden.1"}


def test_embeddings_and_attention_scores():
    found, given, said = terms(KD(embedding=3.0, attention=0.5), models=pair(start="random"))
    ours, theirs = both(found, given, "embeddings", "scores")
    keep = given.inputs["attention_mask"] == 1
    pairs = (keep[:, None, :, None] & keep[:, None, None, :]).expand_as(ours["scores"][0])
    scores = [mse(ours["scores"][i], theirs["scores"][2 * i + 1], pairs) for i in (0, 1)]
    torch.testing.assert_close(said["embeddings"], 3.0 * mse(ours["embeddings"], theirs["embeddings"], keep))
    torch.testing.assert_close(said["scores"], 0.5 * sum(scores) / 2)


def test_the_teacher_is_asked_without_dropout_and_stays_in_its_mode():
    found = made("kd", KD(hidden=1.0), models=(encoder(2, seed=1), encoder(4, dropout=0.5)))
    found.teacher.train()
    given = batch(found).inputs
    torch.testing.assert_close(found.teach(given), found.teach(given), rtol=0, atol=0)
    assert found.teacher.training


def test_feed_forward_parts_before_the_residual():
    found, given, said = terms(KD(ffn=6.0))
    keep, expected = given.inputs["attention_mask"] == 1, 0
    for i, j in ((0, 1), (1, 3)):
        ours, theirs = (_second_linear(m, layer, given) for m, layer in ((found.student, i), (found.teacher, j)))
        expected += 3.0 * mse(ours, theirs, keep)
    torch.testing.assert_close(said["ffn"], expected)
    assert found.taught == ("logits",)  # asked for at each step, so that nothing of it is in the cache


def test_the_recipe_of_kroneckerbert_is_half_of_its_equation_14():
    """docs/kronecker.md: sums over n layers are n times means."""
    models = pair(start="random")
    n = len(layers(models[0]))
    _, _, said = terms(KD(alpha=0.5, temperature=1.0, embedding=0.5, attention=n / 2, ffn=n / 2), models=models)
    once = KD(alpha=0.5, temperature=1.0, embedding=1.0, attention=1.0, ffn=1.0)
    _, _, means = terms(once, models=models)
    sums = {"labels": 2.0, "answers": 2.0, "embeddings": 1.0, "scores": n, "ffn": n}
    torch.testing.assert_close(2 * sum(said.values()), sum(sums[name] * means[name] for name in sums))


def _second_linear(model, number, given):
    """W₂ φ(W₁ h + b₁) + b₂, worked out from what attention leaves."""
    layer, seen = layers(model)[number], []
    hook = layer.intermediate.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    outputs(model, given.inputs)
    hook.remove()
    inner = F.gelu(seen[0] @ layer.intermediate.dense.weight.T + layer.intermediate.dense.bias)
    return inner @ layer.output.dense.weight.T + layer.output.dense.bias


def test_feed_forward_parts_of_another_width_are_projected():
    found = made("kd", KD(ffn=1.0), models=(encoder(2, 4, seed=1), encoder(4)))
    assert {n for n in found.parameters() if "projection" in n} == {"projection of ffn.0", "projection of ffn.1"}
    assert found.terms(batch(found), 0)["ffn"] > 0


def test_only_what_is_weighed_is_taught():
    assert made("kd").taught == ("logits",)
    assert made("kd", KD(attention=1.0)).taught == ("logits",)
    assert made("kd", KD(embedding=1.0)).taught == ("logits", "embeddings")
    assert not made("kd").per_token


def test_the_cache_is_another_for_other_layers():
    three = made("kd", KD(hidden=1.0), models=(encoder(3), encoder(4)))
    assert three.fingerprint() != made("kd", KD(hidden=1.0)).fingerprint()


def test_a_gap_in_width_takes_projections_that_are_trained_and_not_shipped():
    found = made("kd", KD(hidden=1.0, embedding=1.0), models=(encoder(2, 4, seed=1), encoder(4)))
    added = found.parameters().keys() - dict(found.student.named_parameters()).keys()
    assert added == {"projection of hidden.0", "projection of hidden.1", "projection of embeddings"}
    assert {found.parameters()[name].shape for name in added} == {(4, 8)}
    before = {name: found.parameters()[name].detach().clone() for name in added}
    opt = optimizer(found, opdf=False)
    loss = [step(found, batch(found), opt, n) for n in range(4)]
    assert all((found.parameters()[name] != before[name]).any() for name in added)
    assert not any("projection" in name for name in found.student.state_dict())
    assert loss[-1] < loss[0]


def test_projections_begin_where_they_fit_best():
    found = made("kd", KD(hidden=1.0), models=(encoder(2, 4, seed=1), encoder(4)))
    given = batch(found, range(24))
    keep = given.inputs["attention_mask"] == 1
    h, t = (x["hidden"] for x in both(found, given, "hidden"))
    best = torch.linalg.lstsq(h[0][keep], t[1][keep]).solution
    torch.testing.assert_close(found.parameters()["projection of hidden.0"].detach(), best, rtol=1e-3, atol=1e-3)


# ---- the teacher's weights as a target --------------------------------------------------------------------------------


def test_weights_of_the_mapped_layers():
    found, _, said = terms(KD(weights=10.0))
    own, theirs = weights(found.student), weights(found.teacher)
    names = [n for n in own if ".layer." in n and n.endswith(".weight") and "LayerNorm" not in n]
    assert len(names) == 12
    partners = [n.replace(".layer.1.", ".layer.3.").replace(".layer.0.", ".layer.1.") for n in names]
    expected = 10.0 * sum(((own[n] - theirs[m]) ** 2).mean() for n, m in zip(names, partners, strict=True))
    torch.testing.assert_close(said["weights"].detach(), expected)


def test_weights_outside_the_layers_go_by_their_names():
    inside, outside = (made("kd", KD(weights=1.0, weights_outside=o)).weights.pairs for o in (False, True))
    assert [tuple(w.shape) for w, _ in outside[len(inside) :]] == [(8, 8), (3, 8)]  # pooler and head


def test_weights_are_pulled_and_have_a_gradient():
    """Fault 2: both sides came from state_dict(), so that the loss required no gradient and nothing moved."""
    found = made("kd", KD(alpha=0.0, weights=1.0))
    opt = optimizer(found, opdf=False, lr=1e-2)
    far = [found.weights.distance().item()]
    for number in range(10):
        step(found, batch(found), opt, number)
        far.append(found.weights.distance().item())
    assert far[-1] < 0.9 * far[0]


@pytest.mark.parametrize("teacher", [encoder(4), encoder(2)])
def test_weights_of_other_shapes_are_refused(teacher):
    with pytest.raises(TensorNetError, match=r"kd: .*query.* \(4, 4\) and \(8, 8\) .*as wide as"):
        made("kd", KD(weights=1.0), models=(encoder(2, 4), teacher))


def test_what_cannot_be():
    with pytest.raises(TensorNetError, match=r"kd: decoupled=True .* leave decoupled out"):
        made("kd", KD(decoupled=True), classes=1)
    with pytest.raises(TensorNetError, match=r"kd: no teacher.*; pass it"):
        host("kd")(encoder(2), None, task(), KD(), 1)
