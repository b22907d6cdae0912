"""The labels alone, and how a host is found."""

import subprocess
import sys

import pytest
import torch
from hosted import batch, made, pair, task
from torch.nn import functional as F

from opdf.hosts import host
from opdf.models.networks import outputs
from tensornet import TensorNetError


def test_cross_entropy():
    found = made("labels")
    given = batch(found)
    expected = F.cross_entropy(outputs(found.student, given.inputs)["logits"], given.labels)
    torch.testing.assert_close(found.terms(given, 0), {"labels": expected})


def test_squared_error_of_a_number():
    found = made("labels", classes=1)
    given = batch(found)
    expected = F.mse_loss(outputs(found.student, given.inputs)["logits"][:, 0], given.labels)
    torch.testing.assert_close(found.terms(given, 0), {"labels": expected})


def test_a_teacher_is_not_asked():
    student, _ = pair()
    found = host("labels")(student, None, task(), None, 1)
    assert not found.taught
    assert not found.teach({})


def test_an_unknown_method():
    with pytest.raises(TensorNetError, match="got 'kt', needed one of labels, kd"):
        host("kt")


def test_options_are_read_without_a_framework():
    code = "import sys, opdf.hosts._options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
