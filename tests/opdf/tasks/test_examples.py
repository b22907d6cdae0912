"""Batches, parts and digests."""

from dataclasses import replace

import numpy as np
import pytest
import task_files

from opdf.tasks import Examples, TaskSpec, load


@pytest.fixture
def text():
    ids = [np.array(row) for row in ([2, 7, 3], [2, 8, 9, 8, 3], [2, 3])]
    return Examples({"input_ids": ids, "token_type_ids": [row * 0 + 1 for row in ids]}, np.array([0, 1, 0]), pad_id=4)


def test_padding(text):
    batch = text.batch([2, 1], multiple=4)
    assert batch["input_ids"].tolist() == [[2, 3, 4, 4, 4, 4, 4, 4], [2, 8, 9, 8, 3, 4, 4, 4]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0]]
    assert batch["token_type_ids"].tolist() == batch["attention_mask"].tolist()
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}
    assert text.batch([0, 2], multiple=1)["input_ids"].tolist() == [[2, 7, 3], [2, 3, 4]]


def test_padding_stops_at_the_limit(text):
    assert replace(text, limit=6).batch([1])["input_ids"].shape == (1, 6)
    assert replace(text, limit=64).batch([1])["input_ids"].shape == (1, 8)


def test_parts(text):
    assert len(text) == 3
    assert text.lengths.tolist() == [3, 5, 2]
    for index in ([2, 0], np.array([2, 0]), [-1, 0]):
        part = text.take(index)
        assert (part.lengths.tolist(), part.labels.tolist(), part.pad_id) == ([2, 3], [0, 0], 4)
    assert text.take(text.labels == 1).lengths.tolist() == [5]
    assert len(text.take([])) == 0
    with pytest.raises(IndexError):
        text.batch([3])


def test_images():
    pixels = np.arange(3 * 4, dtype=np.float32).reshape(3, 2, 2)
    images = Examples({"pixels": pixels}, np.arange(3))
    assert images.lengths is None
    assert np.array_equal(images.batch([2, 0])["pixels"], pixels[[2, 0]])
    assert np.array_equal(images.take([1]).fields["pixels"], pixels[1:2])


def test_digests(text, words, tmp_path):
    task = load(TaskSpec("rte", task_files.rte(tmp_path)), words)
    again = load(TaskSpec("rte", tmp_path), words)
    assert task.digest("train") == again.digest("train")

    def digest(examples):
        return replace(task, train=examples).digest("train")

    ids, segments = text.fields["input_ids"], text.fields["token_type_ids"]
    variants = [
        text,
        replace(text, labels=np.array([0, 1, 1])),
        replace(text, labels=text.labels.astype(np.float32)),
        replace(text, pad_id=0),
        replace(text, fields={"input_ids": ids}),
        replace(text, fields={"input_ids": segments, "token_type_ids": ids}),
        replace(
            text, fields={"input_ids": [ids[0][:2], np.append(ids[0][2:], ids[1]), ids[2]], "token_type_ids": segments}
        ),
        text.take([1, 0, 2]),
        text.take([0, 1]),
    ]
    assert len({digest(v) for v in variants}) == len(variants)
    assert digest(text.take([0, 1, 2])) == digest(text)
    assert digest(replace(text, labels=text.labels.astype(">i8"))) == digest(text)
