"""The teacher's cache: asked once for each example, whatever is killed in between, and padded as a batch needs it."""

import numpy as np
import pytest

from opdf.distill import _cache
from opdf.tasks import Examples
from tensornet import TensorNetError

IDS = [np.arange(1, n + 1) for n in (3, 1, 4, 2, 5)]
EXAMPLES = Examples({"input_ids": IDS}, np.zeros(5, np.int64))
PER_TOKEN = frozenset({"hidden"})


def teach(inputs):
    ids = inputs["input_ids"].astype(np.float32)
    return {"logits": ids.sum(1, keepdims=True), "hidden": np.stack([ids, -ids], -1)}


def made(folder, teacher=teach):
    return _cache.taught(folder, EXAMPLES, teacher, PER_TOKEN, 2, lambda *_: None)


def test_every_example_is_asked_once_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(_cache, "SHARD", 2)
    asked = []

    def counting(inputs):
        asked.extend(inputs["input_ids"].max(1))
        return teach(inputs)

    made(tmp_path, counting)
    assert sorted(asked) == [1, 2, 3, 4, 5]
    (tmp_path / "00000002.safetensors").unlink()  # as if it had been killed before this one was written
    taught = made(tmp_path, counting)
    assert len(asked) == 7
    batch = taught.batch(np.array([4, 1]), 8)
    assert batch["logits"].tolist() == [[15.0], [1.0]]
    assert batch["hidden"].shape == (2, 8, 2)
    assert batch["hidden"][0, :, 0].tolist() == [1, 2, 3, 4, 5, 0, 0, 0]
    assert batch["hidden"][1, :, 1].tolist() == [-1, 0, 0, 0, 0, 0, 0, 0]


def test_a_teacher_that_says_nan_is_refused(tmp_path):
    with pytest.raises(TensorNetError, match="the teacher's logits of example 2 of train have NaN or Inf"):
        made(tmp_path, lambda inputs: {"logits": np.where(inputs["input_ids"].max(1, keepdims=True) == 4, np.nan, 1.0)})
    assert not list(tmp_path.iterdir())
