"""The loop around an engine that is told how good its student is."""

from types import SimpleNamespace

import numpy as np
import pytest
import task_files
import tiny_runs

from opdf.distill import distill
from opdf.distill._config import Training
from opdf.distill._engine import Engine
from opdf.distill._loop import train
from opdf.distill._order import Steps
from opdf.report import read
from opdf.tasks import load
from tensornet import TensorNetError

STEPS = Steps.of(examples=6, batch=1, epochs=1.0, seed=0, evaluations=3)  # looks at dev after steps 2, 4 and 6
TRAINING = Training(evaluations=3, checkpoint_every=3)


class Stopped(Exception):
    """In the place of a kill."""


class Told(Engine):
    """Its weight is the number of steps taken; `right` says what share of dev it then has right."""

    def __init__(self, right, stop=None):
        self.right, self.stop, self.taken = right, stop, 0

    def step(self, rows, step, lr):
        if step == self.stop:
            raise Stopped
        self.taken += 1
        return {"loss": 0.0, "terms": {}}

    def predict(self, examples):
        wrong = np.arange(len(examples)) >= self.right[self.taken] * len(examples)
        return np.eye(10)[(examples.labels + wrong) % 10]

    def probe(self):
        return {}

    def state(self):
        return {"taken": self.taken}

    def load(self, state):
        self.taken = state["taken"]

    def weights(self):
        return {"taken": np.array(self.taken)}

    def restore(self, weights):
        self.taken = int(weights["taken"])

    def facts(self):
        return {"taken": self.taken}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fashion")
    task_files.fashion_mnist(folder)
    return load(tiny_runs.parsed({"task": {"name": "fashion_mnist", "folder": str(folder), "dev_size": 10}}).task)


def trained(folder, task, engine):
    return train(engine, task, TRAINING, STEPS, folder, made_of={})


def test_the_first_of_the_best_is_shipped_and_facts_are_of_the_last_step(tmp_path, task):
    engine = Told({2: 0.2, 4: 0.6, 6: 0.6})
    done = trained(tmp_path, task, engine)
    assert (done.best_step, done.dev["accuracy"], engine.taken, done.facts) == (4, 0.6, 4, {"taken": 6})


def test_trackers_are_given_what_metrics_are(tmp_path, task):
    """What is found before the first step, too."""
    engine, records = Told({2: 0.2, 4: 0.6, 6: 0.6}), []
    engine.probe = lambda: {"entropies": {"w": [0.5]}}
    train(engine, task, TRAINING, STEPS, tmp_path, made_of={}, trackers=[SimpleNamespace(log=records.append)])
    assert [r["step"] for r in records] == [0, 1, 2, 3, 4, 5, 6]
    assert records == read(tmp_path)


def test_a_best_after_the_checkpoint_that_another_machine_does_not_find_again_is_not_shipped(tmp_path, task):
    with pytest.raises(Stopped):
        trained(tmp_path, task, Told({2: 0.5, 4: 0.9}, stop=5))
    engine = Told({4: 0.4, 6: 0.3})  # goes on from the checkpoint after step 3
    done = trained(tmp_path, task, engine)
    assert (done.best_step, done.dev["accuracy"], engine.taken) == (2, 0.5, 2)


def test_a_checkpoint_whose_best_student_is_missing_is_refused(tmp_path, task):
    with pytest.raises(Stopped):
        trained(tmp_path, task, Told({2: 0.5, 4: 0.9}, stop=5))
    for path in tmp_path.glob("best.*"):
        path.unlink()
    with pytest.raises(
        TensorNetError, match=r"best\.2\.safetensors is not there, needed the student that was best when"
    ):
        trained(tmp_path, task, Told({}))


def test_no_more_students_are_kept_than_can_be_shipped(tmp_path, task):
    with pytest.raises(Stopped):
        trained(tmp_path, task, Told({2: 0.1, 4: 0.2}, stop=5))
    assert sorted(path.name for path in tmp_path.glob("best.*")) == ["best.2.safetensors", "best.4.safetensors"]
    trained(tmp_path, task, Told({4: 0.2, 6: 0.3}))
    assert sorted(path.name for path in tmp_path.glob("best.*")) == ["best.2.safetensors", "best.6.safetensors"]


def test_the_fold_error_is_of_weights_and_factors_of_one_step(tmp_path):
    summary = distill(tiny_runs.images(tmp_path, training__evaluations=12, training__lr=0.3))
    assert summary["best_step"] < summary["steps"]  # else nothing is tested
    assert summary["fold_error"] < 1e-5
