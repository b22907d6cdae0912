"""What hosts say of translations, against PyTorch's own losses of every piece."""

import numpy as np
import pytest
import task_files as files
import torch
from torch.nn.functional import cross_entropy, kl_div

from opdf.hosts import host
from opdf.hosts._host import Batch
from opdf.hosts._options import KD
from opdf.models import Student, Teacher
from opdf.models.networks import make_student, make_teacher, outputs
from opdf.tasks import TaskSpec, load


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """(task, teacher, student) without dropout, and a batch."""
    folder = files.parallel(tmp_path_factory.mktemp("parallel"))
    task = load(TaskSpec("translation", folder, vocabulary=300, max_length=20))
    teacher = make_teacher(Teacher(depth=2, width=8, heads=2, dropout=0.0), task)
    student = make_student(Student(layers=1, start="random"), teacher, task, 1)
    rows = np.arange(5)
    inputs = {name: torch.from_numpy(x) for name, x in task.train.batch(rows).items()}
    return task, teacher, student, Batch(inputs, torch.from_numpy(task.train.targets(rows)), {})


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels(trio, smoothing):
    task, _, student, batch = trio
    method = host("labels")(student, None, task, None, 1)
    method.smoothing = smoothing
    expected = cross_entropy(outputs(student, batch.inputs)["logits"], batch.labels, label_smoothing=smoothing)
    torch.testing.assert_close(method.terms(batch, 0)["labels"], expected)


def test_word_level_distillation_asks_the_teacher_at_each_step(trio):
    task, teacher, student, batch = trio
    method = host("kd")(student, teacher, task, KD(alpha=0.7, temperature=2.0), 1)
    method.smoothing = 0.1
    assert method.taught == ()
    terms = method.terms(batch, 0)
    ours, theirs = (outputs(model, batch.inputs)["logits"] for model in (student, teacher))
    answers = kl_div((ours / 2).log_softmax(1), (theirs / 2).log_softmax(1), log_target=True, reduction="batchmean")
    torch.testing.assert_close(terms["answers"], 0.7 * 4 * answers)
    torch.testing.assert_close(terms["labels"], 0.3 * cross_entropy(ours, batch.labels, label_smoothing=0.1))
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert student.decoder.embedding.weight.grad.abs().max() > 0


def test_padding_has_no_loss(trio):
    task, teacher, student, batch = trio
    method = host("kd")(student, teacher, task, KD(), 1)
    longer = {name: torch.nn.functional.pad(x, (0, 3)) for name, x in batch.inputs.items()}
    found, padded = method.terms(batch, 0), method.terms(Batch(longer, batch.labels, {}), 0)
    for name, term in found.items():
        torch.testing.assert_close(padded[name], term)
