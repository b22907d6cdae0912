"""Splits: nothing lost, nothing twice, every class in proportion, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import task_files
from hypothesis import given
from hypothesis import strategies as st

from opdf.tasks import TaskSpec, load
from opdf.tasks._source import Part, Source, strings
from opdf.tasks._split import divide, draw


def source(counts, dev=0, test=0, regression=False):
    """Examples that are their own number, `counts` of each class."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(0).permutation(labels)

    def part(name, labels, first):
        column = strings([str(first + n) for n in range(len(labels))])
        return Part(name, (column,), labels.astype(np.float32) if regression else labels)

    others = [
        part(name, np.resize(labels, n), first) if n else None
        for name, n, first in (("dev", dev, 10**6), ("test", test, 2 * 10**6))
    ]
    names = () if regression else tuple(f"class {k}" for k in range(len(counts)))
    return Source("text", names, ("accuracy",), part("train", labels, 0), *others)


SPEC = TaskSpec("csv")
sizes = st.lists(st.integers(4, 40), min_size=2, max_size=5)


@given(sizes, st.integers(0, 2**31), st.booleans(), st.booleans(), st.booleans())
def test_nothing_is_lost_or_doubled(counts, seed, dev, test, regression):
    given = source(counts, 10 * dev, 10 * test, regression)
    *parts, told = divide(given, replace(SPEC, split_seed=seed))
    found = Counter(text for part in parts for text in part.inputs[0])
    expected = Counter(text for part in (given.train, given.dev, given.test) if part for text in part.inputs[0])
    assert found == expected
    for part in parts:  # each example keeps its label
        for whole in filter(None, (given.train, given.dev, given.test)):
            label = dict(zip(whole.inputs[0], whole.labels, strict=True))
            assert all(label.get(text, y) == y for text, y in zip(part.inputs[0], part.labels, strict=True))
    assert told.endswith(".")


@given(sizes, st.data())
def test_draws_are_in_proportion(counts, data):
    part = source(counts).train
    keep = data.draw(st.integers(0, 2))
    size = data.draw(st.integers(len(counts), sum(counts) - keep * len(counts)))
    index = draw("test", part, tuple("abcde"[: len(counts)]), size, (0, 0), keep)
    assert list(index) == sorted(set(index))
    taken = np.bincount(part.labels[index], minlength=len(counts))
    shares = size * np.array(counts) / sum(counts)
    assert taken.sum() == size
    assert (taken >= 1).all()
    assert (taken <= np.array(counts) - keep).all()
    plain = (shares >= 1).all() and (np.ceil(shares) <= np.array(counts) - keep).all()
    assert not plain or (abs(taken - shares) < 1).all()


def test_rare_classes_are_drawn_and_left():
    given = source([1000, 10, 3], test=20)
    train, dev, _, _ = divide(given, replace(SPEC, dev_size=20))
    assert list(np.bincount(dev.labels)) == [18, 1, 1]
    train, _, _, _ = divide(given, replace(SPEC, train_size=3))
    assert list(np.bincount(train.labels)) == [1, 1, 1]
    train, _, _, _ = divide(given, replace(SPEC, dev_size=1010))
    assert list(np.bincount(train.labels)) == [1, 1, 1]


def test_balanced_classes_stay_balanced():
    _, dev, _, _ = divide(source([6000] * 10, test=10), SPEC)
    assert list(np.bincount(dev.labels)) == [600] * 10


def test_seeds_and_streams():
    """Another seed draws another dev; the size of train does not change what dev is."""
    given = source([300, 100], test=20)
    first, again, other = (divide(given, replace(SPEC, split_seed=s))[1].inputs[0] for s in (0, 0, 1))
    assert list(first) == list(again)
    assert list(first) != list(other)
    few = divide(given, replace(SPEC, train_size=40))
    assert list(few[1].inputs[0]) == list(first)
    assert list(np.bincount(few[0].labels)) == [30, 10]


def test_sizes():
    train, dev, test, told = divide(source([300, 100], dev=40, test=20), replace(SPEC, train_size=8, dev_size=4))
    assert (len(train), len(dev), len(test)) == (8, 4, 20)
    assert told == (
        "train: 8 examples of train, dev: 4 examples of dev, test: 20 examples of test; classes of train: "
        "class 0 (6), class 1 (2); what was drawn is stratified by class, split_seed 0."
    )
    whole = divide(source([300, 100], dev=40, test=20), SPEC)
    assert whole[3].endswith("test: 20 examples of test; classes of train: class 0 (300), class 1 (100).")
    split = divide(source([300, 100], dev=40), replace(SPEC, dev_size=50))
    assert (len(split[0]), len(split[1]), split[2].name) == (350, 50, "dev")


@pytest.mark.parametrize("name", ["cola", "rte"])
def test_the_official_dev_is_not_chosen_on(name, words, tmp_path):
    """Whatever is drawn, the reported part is the whole official dev."""
    folder = task_files.WRITERS[name](tmp_path)
    tests = {
        load(TaskSpec(name, folder, split_seed=s, dev_size=n), words).digest("test") for s, n in ((0, None), (1, 6))
    }
    assert len(tests) == 1


def test_regression_is_drawn_at_random():
    train, dev, test, told = divide(source([50, 50], regression=True), replace(SPEC, train_size=7))
    assert (len(train), len(dev), len(test)) == (7, 10, 10)
    assert "what was drawn is random" in told
