"""The order of the examples, the evaluated steps and the learning rate are functions of seed and step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opdf.distill import Training
from opdf.distill._order import Steps, learning_rate
from opdf.tasks import Examples


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 3))
def test_every_pass_holds_every_example_once(examples, batch, seed):
    steps = Steps.of(examples, batch, 3.0, seed, 1)
    stream = np.concatenate([steps.rows(n) for n in range(steps.total)])
    assert all(len(steps.rows(n)) == min(batch, examples) for n in range(steps.total))
    for start in range(0, len(stream) - examples + 1, examples):
        assert sorted(stream[start : start + examples]) == list(range(examples))


def test_batches_are_of_like_lengths_and_a_pass_holds_every_example_once():
    lengths = np.random.default_rng(0).integers(3, 40, 1003)
    steps = Steps.of(len(lengths), 16, 3.0, 0, 1, lengths)
    stream = np.concatenate([steps.rows(n) for n in range(steps.total)])
    for start in range(0, len(stream) - len(lengths) + 1, len(lengths)):
        assert sorted(stream[start : start + len(lengths)]) == list(range(len(lengths)))
    ranges = [np.ptp(lengths[steps.rows(n)]) for n in range(steps.total)]
    assert np.median(ranges) <= 2  # 37 by chance
    means = np.array([lengths[steps.rows(n)].mean() for n in range(60)])
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.4, "short batches come first"
    assert list(steps.rows(70)) == list(Steps.of(len(lengths), 16, 3.0, 0, 1, lengths).rows(70))


@pytest.mark.parametrize("asked", [False, True])
def test_texts_are_grouped_where_that_is_asked_for(asked):
    rows = [np.arange(n) for n in np.random.default_rng(0).integers(3, 40, 200)]
    texts = Examples({"input_ids": rows}, np.zeros(len(rows), np.int64))
    steps = Steps.over(texts, Training(epochs=1.0, batch_size=10, group_by_length=asked))
    padding = [texts.batch(steps.rows(n), 1)["attention_mask"] == 0 for n in range(steps.total)]
    assert (np.mean([p.mean() for p in padding]) < 0.1) == asked  # 0.4 by chance


@pytest.mark.parametrize("begun", [0, 4, 37])
def test_a_run_takes_the_same_examples_wherever_it_begins_and_draws_each_pass_once(begun, monkeypatch):
    drawn, draw = [], Steps._pass
    monkeypatch.setattr(Steps, "_pass", lambda steps, number: (drawn.append(number), draw(steps, number))[1])
    steps = Steps.of(23, 7, 12.0, 0, 1, np.arange(23) % 5)
    taken = list(steps.since(begun))
    assert drawn == list(range(begun * 7 // 23, (steps.total * 7 - 1) // 23 + 1))
    assert [list(rows) for rows in taken] == [list(steps.rows(n)) for n in range(begun, steps.total)]


def test_images_have_no_lengths():
    images = Examples({"pixels": np.zeros((20, 2, 2), np.float32)}, np.zeros(20, np.int64))
    one, other = (Steps.over(images, Training(batch_size=5, group_by_length=asked)) for asked in (False, True))
    assert list(one.rows(0)) == list(other.rows(0))


def test_seeds_and_passes_differ():
    one, other = Steps.of(40, 40, 2, 0, 1), Steps.of(40, 40, 2, 1, 1)
    assert list(one.rows(0)) != list(one.rows(1))
    assert list(one.rows(0)) != list(other.rows(0))
    assert list(one.rows(0)) == list(Steps.of(40, 40, 9, 0, 5).rows(0))


@given(st.integers(1, 300), st.integers(1, 20))
def test_evaluations_are_spread_evenly_and_include_the_last_step(total, evaluations):
    steps = Steps(10, 1, total, 0, evaluations)
    assert max(steps.evaluated) == total
    assert len(steps.evaluated) == min(total, evaluations) or total < 2 * evaluations
    assert min(steps.evaluated) >= 1


def test_learning_rate():
    rates = [learning_rate(1.0, n, 100, 0.1, "linear") for n in range(100)]
    assert rates[0] == 0.1
    assert rates[9] == rates[10] == 1.0
    assert np.isclose(rates[55], 0.5)
    assert np.isclose(rates[99], 1 / 90)
    assert learning_rate(1.0, 99, 100, 0.0, "constant") == 1.0
    assert np.isclose(learning_rate(1.0, 50, 100, 0.0, "cosine"), 0.5)
    assert learning_rate(1.0, 0, 1, 0.1, "cosine") == 1.0
