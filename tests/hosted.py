"""Tiny encoders and a task for them, without files, and the step that a run takes."""

import copy
from types import SimpleNamespace

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

import tensornet_torch as tnt
from opdf.hosts import host
from opdf.hosts._host import Batch, seeded
from opdf.hosts._options import ADKD, DBKD, KD, LGTM, Theseus
from opdf.models.networks import layers
from opdf.tasks import Examples, Task

OPTIONS = {"labels": None, "kd": KD(), "theseus": Theseus(), "lgtm": LGTM(), "dbkd": DBKD(), "adkd": ADKD()}
WORDS, STEPS = 23, 8


def encoder(layers, width=8, classes=3, seed=0, dropout=0.0):
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=16,
        num_labels=classes,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    torch.manual_seed(seed)
    model = BertForSequenceClassification(config)
    with torch.no_grad():  # or all classes are as likely, and nothing is to be learnt from a teacher
        for p in model.parameters():
            p.mul_(5.0) if p.ndim > 1 else None
    return model.eval()


def examples(n, classes, seed):
    rng = np.random.default_rng(seed)
    ids = [rng.integers(3, WORDS, rng.integers(3, 8)) for _ in range(n)]
    labels = rng.integers(classes, size=n) if classes > 1 else rng.normal(size=n).astype(np.float32)
    return Examples({"input_ids": ids, "token_type_ids": [np.zeros_like(row) for row in ids]}, labels)


def task(classes=3, n=24):
    parts = [examples(size, classes, seed) for seed, size in enumerate((n, 8, 8))]
    names = tuple("abc"[:classes]) if classes > 1 else ()
    tokenizer = SimpleNamespace(mask_token_id=2, all_special_ids=[0, 1, 2])  # all that DBKD asks of one
    return Task("small", "text", classes, names, ("accuracy",), *parts, "drawn", tokenizer)


def pair(classes=3, width=8, start="teacher", layers=(2, 4)):
    """(student, teacher); the student of the first layers' weights, or of its own."""
    student, teacher = encoder(layers[0], width, classes, seed=1), encoder(layers[1], classes=classes)
    if start == "teacher":
        own, theirs = student.state_dict(), teacher.state_dict()
        student.load_state_dict({name: theirs[name] for name in own})
    return student, teacher


def made(name, options=None, classes=3, models=None, steps=STEPS):
    student, teacher = models or pair(classes)
    found = host(name)(student, teacher, task(classes), options or OPTIONS[name], steps)
    found.lr = 1e-3
    return found


def batch(found, rows=range(6), part="train"):
    """As the loop makes it: what is taught comes from another batch, as from the cache, cut and padded anew."""
    chosen = getattr(found.task, part)
    inputs = {k: torch.from_numpy(x) for k, x in chosen.batch(rows).items()}
    length = inputs["input_ids"].shape[1]
    said = []
    for row in rows:
        one = {k: torch.from_numpy(x) for k, x in chosen.batch([row]).items()}
        told = found.teach(one)
        assert set(told) == set(found.taught)
        for name in found.per_token:
            n = chosen.lengths[row]
            told[name] = torch.nn.functional.pad(told[name][:, :n], (0, 0, 0, length - n))
        said.append(told)
    teacher = {name: torch.cat([s[name] for s in said]) for name in found.taught}
    return Batch(inputs, torch.from_numpy(chosen.labels[list(rows)]), teacher)


def optimizer(found, opdf, lr=1e-3, alignment=0.0, cores=3, kind=torch.optim.AdamW):
    """The run's: over the host's parameters, with the layers' linear weights in factors or not."""
    trained = found.parameters()
    for p in found.student.parameters():
        p.requires_grad_(any(p is q for q in trained.values()))
    inner = kind(trained.values(), lr=lr, weight_decay=0.0)
    if not opdf:
        return inner
    rules = {r".*\.layer\.\d+\..*(query|key|value|dense)\.weight": "mpo"}
    plan = tnt.plan(found.student, rules, cores=cores, layout="outer")
    aligned = tnt.Alignment(found.teacher, weight=alignment, gauge="none") if alignment else None
    return tnt.overparameterize(inner, found.student, plan, alignment=aligned)


def step(found, made_batch, optimizer, number, clip=1.0):
    """One step of the loop; its loss."""
    seeded(0, number)
    found.student.train()
    found.lr = optimizer.param_groups[0]["lr"]
    found.before(made_batch, number)
    optimizer.zero_grad()
    loss = torch.stack(list(found.terms(made_batch, number).values())).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(found.parameters().values(), clip)
    optimizer.step()
    return loss.item()


def weights(model):
    return copy.deepcopy(dict(model.state_dict()))


def counted(found):
    """Calls of each layer, from now on."""
    calls = {"student": [0] * 2, "teacher": [0] * 4}
    for who in calls:
        for number, layer in enumerate(layers(getattr(found, who))):

            def note(*_, who=who, number=number):
                calls[who][number] += 1

            layer.register_forward_hook(note)
    return calls
