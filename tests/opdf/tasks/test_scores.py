"""Metrics against scikit-learn and SciPy, and where those have no answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from opdf.tasks import Examples, Task, scores

NOTHING = Examples({}, np.zeros(0))


def task(classes, *names):
    return Task("test", "text", classes, (), names, NOTHING, NOTHING, NOTHING, "")


def one_hot(predicted, classes):
    return np.eye(classes)[predicted]


@given(st.integers(2, 5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_classes(classes, pairs):
    predicted, labels = (np.array(column) % classes for column in zip(*pairs, strict=True))
    found = scores(task(classes, "accuracy", "matthews"), one_hot(predicted, classes), labels)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, predicted))
    if len(set(labels) | set(predicted)) > 1:
        assert found["matthews"] == pytest.approx(metrics.matthews_corrcoef(labels, predicted), abs=1e-12)
    else:
        assert found["matthews"] == 0.0
    assert list(found) == ["accuracy", "matthews"]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_f1(pairs):
    predicted, labels = (np.array(column, int) for column in zip(*pairs, strict=True))
    found = scores(task(2, "f1"), one_hot(predicted, 2), labels)["f1"]
    assert found == pytest.approx(metrics.f1_score(labels, predicted, zero_division=0.0))


values = st.integers(0, 10).map(lambda n: n / 2)


@given(st.lists(st.tuples(values, values), min_size=2, max_size=30))
def test_numbers(pairs):
    predicted, labels = (np.array(column) for column in zip(*pairs, strict=True))
    found = scores(task(1, "pearson", "spearman"), predicted, labels)
    assert scores(task(1, "pearson", "spearman"), predicted[:, None], labels) == found
    if np.ptp(predicted) and np.ptp(labels):
        assert found["pearson"] == pytest.approx(stats.pearsonr(predicted, labels).statistic, abs=1e-9)
        assert found["spearman"] == pytest.approx(stats.spearmanr(predicted, labels).statistic, abs=1e-9)
    else:
        assert found == {"pearson": 0.0, "spearman": 0.0}


def test_nothing_to_find():
    """Defined where other libraries warn: no positives, one class, a constant."""
    zeros = np.zeros(4, int)
    assert scores(task(2, "f1", "matthews", "accuracy"), one_hot(zeros, 2), zeros) == {
        "f1": 0.0,
        "matthews": 0.0,
        "accuracy": 1.0,
    }
    assert scores(task(1, "pearson", "spearman"), np.full(3, 0.1), np.arange(3.0)) == {"pearson": 0.0, "spearman": 0.0}
    assert scores(task(1, "pearson"), np.arange(3) + 1e6, np.arange(3.0))["pearson"] == pytest.approx(1.0)
