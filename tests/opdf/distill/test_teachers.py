"""Where teachers and what they say are kept: under keys of all that makes them."""

import dataclasses
import shutil

import numpy as np
import pytest
import tiny_runs

from opdf.distill import _teaching
from opdf.distill._teachers import FineTuning, judged, said_by
from opdf.models.networks import make_teacher
from opdf.tasks import load


@pytest.fixture
def taught(tmp_path):
    """(configuration, task, folder → the same configuration with that encoder)."""
    config = tiny_runs.texts(tmp_path)

    def of(source):
        return dataclasses.replace(config, teacher=dataclasses.replace(config.teacher, source=str(source)))

    return config, load(config.task, tokenizer=config.teacher.source), of


def silent(*_):
    """Nobody is told."""


def test_teachers_of_equal_weights_and_another_config_are_kept_apart(tmp_path, taught):
    config, task, of = taught
    moved = of(shutil.copytree(config.teacher.source, tmp_path / "moved"))
    other = of(tiny_runs.write_encoder(tmp_path / "relu", hidden_act="relu"))
    homes = [FineTuning.of(c, task, "of the weights", tmp_path).home for c in (config, moved, other)]
    assert homes[0] == homes[1] != homes[2]

    said, scored = [], []
    for n, c in enumerate((config, moved, other)):
        rest = (
            frozenset(),
            task,
            c,
            tmp_path / "taught",
            lambda x, n=n: {"z": np.full(len(x["input_ids"]), n)},
            silent,
        )
        said.append(said_by("of the weights", "a host", ["z"], *rest).fields["z"][0])

        def predicted(examples, n=n):
            return np.eye(2)[np.full(len(examples), n // 2)]

        scored.append(judged("of the weights", predicted, task, c, tmp_path / "judged", silent))
    assert said == [0, 0, 2]
    assert scored[0] == scored[1] != scored[2]


def test_teachers_that_were_chosen_by_other_metrics_are_kept_apart(tmp_path, taught):
    config, task, _ = taught
    tasks = [dataclasses.replace(task, metrics=metrics) for metrics in (("f1", "accuracy"), ("accuracy", "f1"))]
    assert len({FineTuning.of(config, t, "of the weights", tmp_path).home for t in tasks}) == 2


def test_a_teacher_is_fine_tuned_where_the_run_is(tmp_path, taught, monkeypatch):
    """On a device that computes nothing, in the place of a GPU."""
    config, task, _ = taught
    config = dataclasses.replace(config, training=dataclasses.replace(config.training, device="meta"))
    seen = []
    monkeypatch.setattr(_teaching, "train", lambda engine, *rest, **more: seen.append(engine))
    monkeypatch.setattr(_teaching, "save", lambda *rest: None)
    tuning = FineTuning.of(config, task, "of the weights", tmp_path)
    _teaching._fine_tune(silent, tuning, make_teacher(config.teacher, task))
    assert seen[0].device.type == "meta"
    assert {p.device for p in seen[0].trained.values()} == {seen[0].device}


def test_scores_by_other_metrics_are_kept_apart(tmp_path, taught):
    config, task, _ = taught
    for metrics in (("f1", "accuracy"), ("matthews",)):
        made = dataclasses.replace(task, metrics=metrics)
        found = judged("of the weights", lambda x: np.eye(2)[x.labels], made, config, tmp_path / "judged", silent)
        assert {part: tuple(of) for part, of in found.items()} == {"dev": metrics, "test": metrics}
