"""Decision-based distillation: what decisions tell of logits, and that nothing else of the teacher is read."""

import itertools
from dataclasses import replace

import hosted
import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from torch.nn import functional as F

from opdf.hosts import _decisions
from opdf.hosts._decisions import decision_probabilities, estimated_logits
from opdf.hosts._options import DBKD
from opdf.hosts.dbkd import DBKD as Host
from opdf.models import Teacher
from opdf.models.networks import make_teacher, outputs
from opdf.tasks import Examples
from tensornet import TensorNetError


def orthants(z):
    """P by definition, in another library: Pr(ε_j − ε_i < z_i − z_j for all j ≠ i)."""
    others = len(z) - 1
    covariance = np.eye(others) + np.ones((others, others))
    return np.array([multivariate_normal(cov=covariance).cdf(z[i] - np.delete(z, i)) for i in range(len(z))])


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_decision_probabilities_are_orthant_probabilities(classes):
    z = np.random.default_rng(classes).normal(size=classes)
    found, slope = decision_probabilities(torch.from_numpy(z))
    np.testing.assert_allclose(found, orthants(z), atol=1e-5)  # SciPy's is a Monte Carlo above two dimensions
    numerical = torch.autograd.functional.jacobian(lambda x: decision_probabilities(x)[0], torch.from_numpy(z))
    torch.testing.assert_close(slope, numerical)


def test_two_classes_have_a_closed_form():
    counts = torch.tensor([[n, 10 - n] for n in range(11)])
    found = estimated_logits(counts, sigma=3.0)
    shares = (np.arange(11) + 0.5) / 11
    np.testing.assert_allclose(found[:, 0] - found[:, 1], 3 * np.sqrt(2) * norm.ppf(shares), atol=1e-8)


@pytest.mark.parametrize(("classes", "samples"), [(3, 4), (10, 2)])
def test_the_estimate_is_the_root(classes, samples):
    drawn = list(itertools.combinations_with_replacement(range(classes), samples))
    counts = torch.stack([torch.bincount(torch.tensor(c), minlength=classes) for c in drawn])
    found = estimated_logits(counts)
    shares = (counts + 1 / classes) / (samples + 1)
    for z, p in zip(found, shares, strict=True):
        torch.testing.assert_close(decision_probabilities(z)[0], p.double(), atol=1e-7, rtol=0)
    assert found.sum(1).abs().max() < 1e-12
    torch.testing.assert_close(
        estimated_logits(counts.flip(1)), found.flip(1), atol=1e-12, rtol=0
    )  # classes have no order


def test_many_decisions_give_the_logits_back():
    z = torch.tensor([1.0, -0.5, 0.2, -0.7], dtype=torch.float64)
    counts = np.random.default_rng(0).multinomial(100_000, decision_probabilities(z)[0].numpy())
    torch.testing.assert_close(estimated_logits(torch.from_numpy(counts)[None])[0], z, atol=0.02, rtol=0)


@pytest.mark.parametrize("classes", [2, 30, 150])
def test_many_classes_and_agreement(classes):
    counts = torch.zeros(7, classes, dtype=torch.int64)
    counts[:, 0] = torch.tensor([1, 2, 5, 10, 20, 100, 10_000])
    found = estimated_logits(counts)
    for z, n in zip(found, counts[:, 0].tolist(), strict=True):
        shares = torch.full((classes,), 1 / classes / (n + 1), dtype=torch.float64)
        shares[0] += n / (n + 1)
        torch.testing.assert_close(decision_probabilities(z)[0], shares, atol=1e-9, rtol=0)


@pytest.mark.parametrize("classes", [2, 10, 77, 150])
def test_without_knowledge_classes_are_alike(classes):
    found, _ = decision_probabilities(torch.zeros(classes, dtype=torch.float64))
    torch.testing.assert_close(found, torch.full_like(found, 1 / classes), atol=1e-14, rtol=0)


def test_agreement_is_finite_and_grows_with_the_samples():
    found = [estimated_logits(torch.tensor([[n, 0, 0]]))[0, 0] for n in (1, 10, 100, 10_000)]
    assert all(a < b for a, b in itertools.pairwise(found))
    assert found[-1] < 10


def test_a_root_that_is_not_found(monkeypatch):
    monkeypatch.setattr(_decisions, "_ROUNDS", 2)
    with pytest.raises(
        TensorNetError, match=r"no logits found for decisions \(77, 1\) within 2 rounds, .*; take another"
    ):
        estimated_logits(torch.tensor([[1, 77]]))


# ---- asking the teacher -----------------------------------------------------------------------------------------------


def whole(found, part="train"):
    examples = getattr(found.task, part)
    return {k: torch.from_numpy(x) for k, x in examples.batch(range(len(examples))).items()}


def test_only_decisions_are_read():
    """A teacher with other logits and the same decisions teaches the same, one with other decisions does not."""
    found = hosted.made("dbkd")
    inputs = whole(found)
    before = found.teach(inputs)["logits"]
    said = outputs(found.teacher, inputs)["logits"]
    head = found.teacher.classifier
    monotone = head.register_forward_hook(lambda module, given, z: z**3 + 0.1 * z - 7)
    assert not torch.allclose(outputs(found.teacher, inputs)["logits"], said)
    assert torch.equal(found.teach(inputs)["logits"], before)
    monotone.remove()
    head.register_forward_hook(lambda module, given, z: z.flip(1))
    assert torch.equal(found.teach(inputs)["logits"], before.flip(1))


def test_what_is_taught_is_the_examples_own():
    """Of whatever batch it is asked in, however far that is padded; another seed masks other tokens."""
    found = hosted.made("dbkd", DBKD(noise=0.8))
    examples = found.task.train
    together = found.teach(whole(found))["logits"]
    alone = [
        found.teach({k: torch.from_numpy(x) for k, x in examples.batch([n], multiple=m).items()})["logits"]
        for n, m in zip(range(9), itertools.cycle([1, 8, 16]), strict=False)
    ]
    assert torch.equal(torch.cat(alone), together[:9])
    assert len(torch.unique(together, dim=0)) > 4  # not only agreement
    again = hosted.made("dbkd", DBKD(noise=0.8, seed=1))
    assert not torch.equal(again.teach(whole(again))["logits"], together)
    assert again.fingerprint() != found.fingerprint()


def test_copies_of_texts():
    found = hosted.made("dbkd", DBKD(noise=0.5, samples=6))
    inputs = whole(found)
    ids, special = inputs["input_ids"], torch.tensor(found.task.tokenizer.all_special_ids)
    ids[:, 0], ids[3] = 1, torch.where(inputs["attention_mask"][3] == 1, 1, 0)  # all of the fourth is special
    copies = [copy["input_ids"] for copy in found._copies(inputs)]
    assert len(copies) == 6
    assert torch.equal(copies[0], ids)
    free = (inputs["attention_mask"] == 1) & ~torch.isin(ids, special)
    for copy in copies[1:]:
        masked = copy != ids
        assert not (masked & ~free).any()
        assert (copy[masked] == found.task.tokenizer.mask_token_id).all()
        wanted = [max(1, round(0.5 * n)) if n else 0 for n in free.sum(1).tolist()]
        assert masked.sum(1).tolist() == wanted
    assert len({tuple(copy.flatten().tolist()) for copy in copies}) == 6


def images():
    rng = np.random.default_rng(0)
    part = Examples({"pixels": rng.normal(size=(40, 8, 8)).astype(np.float32)}, rng.integers(3, size=40))
    return replace(hosted.task(), kind="images", train=part, dev=part, test=part, tokenizer=None)


def test_copies_of_images():
    task = images()
    teacher = make_teacher(Teacher(kind="residual", depth=1, width=8), task)
    found = Host(teacher, teacher, task, DBKD(noise=0.5, samples=20), 1)
    pixels = torch.from_numpy(task.train.fields["pixels"])
    copies = torch.stack([copy["pixels"] for copy in found._copies({"pixels": pixels})])
    assert torch.equal(copies[0], pixels)
    noise = copies[1:] - pixels
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    assert abs(noise.mean()) < 0.01
    together = found.teach({"pixels": pixels})["logits"]
    assert torch.equal(torch.cat([found.teach({"pixels": one[None]})["logits"] for one in pixels]), together)


# ---- the host ---------------------------------------------------------------------------------------------------------


def test_the_loss():
    found = hosted.made("dbkd", DBKD(alpha=0.3, temperature=4.0))
    given = hosted.batch(found)
    ours = outputs(found.student, given.inputs)["logits"]
    kl = F.kl_div(F.log_softmax(ours / 4, -1), F.softmax(given.teacher["logits"] / 4, -1), reduction="batchmean")
    expected = {"labels": 0.7 * F.cross_entropy(ours, given.labels), "answers": 0.3 * 16 * kl}
    torch.testing.assert_close(found.terms(given, 0), expected)


def test_a_number_is_no_decision():
    with pytest.raises(TensorNetError, match=r"dbkd: task small predicts a number, needed classes, .*; distil with kd"):
        hosted.made("dbkd", classes=1)


def test_tokens_are_masked_by_a_mask():
    task = replace(hosted.task(), tokenizer=None)
    with pytest.raises(
        TensorNetError, match=r"dbkd: the tokenizer of task small has no mask token, .*; take an encoder"
    ):
        Host(*hosted.pair(), task, DBKD(), 1)


def test_without_a_teacher():
    with pytest.raises(TensorNetError, match="dbkd: no teacher"):
        Host(hosted.encoder(1), None, hosted.task(), DBKD(), 1)
