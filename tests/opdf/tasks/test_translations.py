"""Parallel files: what is read, the vocabulary learnt from train, batches, BLEU."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import task_files as files

from opdf.tasks import TaskSpec, load, scores, signature
from opdf.tasks._translations import retold
from opdf.tasks._vocabulary import BOS, EOS, PAD, decoded, learnt, read_vocabulary

TEXTS = ["Ein Hund läuft.", "  two\tspaces", "naïve café – “quoted” 🐕", "", "\u2028 strange", "don't"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return load(
        TaskSpec("translation", files.parallel(tmp_path_factory.mktemp("parallel"), zipped=True), vocabulary=300)
    )


def test_parts_are_the_files(task):
    assert [len(part) for part in (task.train, task.dev, task.test)] == [40, 8, 12]
    assert task.test.labels[0] == files.pair(200)[1]
    assert decoded(task.tokenizer, task.dev.fields["input_ids"])[3] == files.pair(103)[0]
    assert (task.kind, task.classes, task.metrics) == ("translation", task.tokenizer.get_vocab_size(), ("bleu",))
    assert "train.en.gz + train.de.gz" in task.splits


def test_other_languages_and_names(tmp_path, task):
    folder = files.parallel(tmp_path)
    (folder / "val.en").rename(folder / "held.out.en")
    (folder / "val.de").rename(folder / "held.out.de")
    back = load(TaskSpec("translation", folder, source="de", target="en", dev_part="held.out", vocabulary=300))
    assert back.dev.labels[0] == files.pair(100)[0]
    assert back.digest("dev") != task.digest("dev")


def test_any_text_comes_back():
    tokenizer = learnt(["a dog runs", "ein Hund läuft"] * 9, 300)
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    assert decoded(tokenizer, ids) == [text.strip() for text in TEXTS]
    assert all(row[-1] == EOS and row.count(EOS) == 1 for row in ids)


@pytest.mark.parametrize("lowercase", [False, True])
def test_text_that_looks_like_a_special_piece_is_harmless(tmp_path, lowercase):
    # "x<eos>" 99 times in train: no piece that is learnt is one of the special ones
    tokenizer = learnt(["a dog runs", "x<eos>x <pad>", "<bos>"] * 99, 300, lowercase)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    for words in (tokenizer, read_vocabulary(tmp_path)):
        for text in ("a <eos> b", "<eos>", "<bos><pad>x", "a<eos>"):
            ids = words.encode(text).ids
            assert decoded(words, [ids]) == [text]
            assert ids[-1] == EOS
            assert not {PAD, BOS, EOS} & set(ids[:-1])
            assert words.encode_batch([text])[0].ids == ids


def test_a_vocabulary_that_is_read_says_whether_text_is_lower_case(tmp_path):
    folder = files.parallel(tmp_path / "data")
    (tmp_path / "tokenizer.json").write_text(learnt(["a cat"], 300, lowercase=True).to_str())
    spec = TaskSpec("translation", folder, lowercase=True)
    lower = load(spec, tokenizer=str(tmp_path))
    assert "case:lc" in signature(lower)
    assert load(dataclasses.replace(spec, tokenizer=str(tmp_path))).digest("train") == lower.digest("train")


def test_the_vocabulary_is_of_train_alone(tmp_path):
    folder = files.parallel(tmp_path)
    before = load(TaskSpec("translation", folder, vocabulary=300)).tokenizer.to_str()
    (folder / "val.de").write_text("Quark Quark Quark.\n" * 8)
    assert load(TaskSpec("translation", folder, vocabulary=300)).tokenizer.to_str() == before


def test_fewer_examples_have_the_same_vocabulary(tmp_path, task):
    fewer = load(TaskSpec("translation", files.parallel(tmp_path), vocabulary=300, train_size=7))
    assert len(fewer.train) == 7
    assert fewer.tokenizer.to_str() == task.tokenizer.to_str()


def test_the_vocabulary_is_the_same_in_another_process(tmp_path, task):
    code = (
        "import sys; from pathlib import Path; from opdf.tasks import TaskSpec, load;"
        "print(load(TaskSpec('translation', Path(sys.argv[1]), vocabulary=300)).digest('train'))"
    )
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code, str(files.parallel(tmp_path))]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == task.digest("train")


def test_a_kept_vocabulary_is_taken(tmp_path):
    spec = TaskSpec("translation", files.parallel(tmp_path / "data"), vocabulary=300)
    first = load(spec, cache=tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text(learnt(["a cat"], 300).to_str())
    assert load(spec, cache=tmp_path / "kept").tokenizer.to_str() != first.tokenizer.to_str()
    assert load(spec).tokenizer.to_str() == first.tokenizer.to_str()


def test_lower_case_is_scored_so(tmp_path):
    lower = load(TaskSpec("translation", files.parallel(tmp_path), vocabulary=300, lowercase=True))
    shouted = np.array([text.upper() for text in lower.dev.labels], object)
    assert scores(lower, shouted, lower.dev.labels)["bleu"] == pytest.approx(1)
    assert "case:lc" in signature(lower)
    assert decoded(lower.tokenizer, lower.dev.fields["input_ids"])[0] == files.pair(100)[0].lower()


def test_a_batch_reads_one_piece_behind_what_it_is_held_to(task):
    batch, held = task.train.batch([3, 0, 5]), task.train.targets([3, 0, 5])
    rows = [task.train.fields["target_ids"][n] for n in (3, 0, 5)]
    assert batch["target_mask"].sum() == len(held) == sum(len(row) - 1 for row in rows)
    assert (batch["target_ids"][:, 0] == BOS).all()
    assert (batch["target_ids"][batch["target_mask"] == 0] == PAD).all()
    ends = np.cumsum([len(row) - 1 for row in rows])
    assert (held[ends - 1] == EOS).all()
    for n, row in enumerate(rows):
        assert (batch["target_ids"][n][: len(row) - 1] == row[:-1]).all()
        assert (np.split(held, ends[:-1])[n] == row[1:]).all()
    assert batch["input_ids"].shape == batch["attention_mask"].shape


def test_other_targets_leave_the_references(task):
    told = retold(task.train.take([0, 1]), [np.array([5, 6]), np.array([], np.int64)])
    assert [row.tolist() for row in told.fields["target_ids"]] == [[BOS, 5, 6, EOS], [BOS, EOS]]
    assert (told.labels == task.train.labels[:2]).all()
    assert told.targets([1]).tolist() == [EOS]


def test_digests_see_the_references(task):
    other = task.dev.labels.copy()
    other[0] += "!"
    changed = type(task)(**{**vars(task), "dev": type(task.dev)(task.dev.fields, other, PAD, task.dev.limit)})
    assert changed.digest("dev") != task.digest("dev")
    assert changed.digest("train") == task.digest("train")


def test_bleu_is_sacrebleus(task):
    said = np.array([text.replace("Ein", "Der") for text in task.dev.labels], object)
    expected = sacrebleu.corpus_bleu(list(said), [list(task.dev.labels)]).score / 100
    assert scores(task, said, task.dev.labels) == {"bleu": pytest.approx(expected)}
    assert 0 < expected < 1
    assert signature(task).startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


@pytest.mark.skipif("OPDF_DATA" not in os.environ, reason="OPDF_DATA names no folder with the data")
def test_multi30k():
    found = load(TaskSpec("translation", Path(os.environ["OPDF_DATA"]) / "multi30k" / "raw"))
    assert [len(part) for part in (found.train, found.dev, found.test)] == [29_000, 1_014, 1_000]
    assert decoded(found.tokenizer, found.train.fields["target_ids"]) == list(found.train.labels)
