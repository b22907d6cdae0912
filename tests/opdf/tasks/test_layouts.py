"""The published layouts: every example once, with its own label, whatever the packing."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import task_files

from opdf.tasks import TaskSpec, load

TEXT = ("sst2", "mrpc", "cola", "rte", "stsb")
COUNTS = {"sst2": (40, 8, 12), "mrpc": (40, 8, 12), "cola": (36, 4, 8), "rte": (36, 4, 8), "stsb": (40, 8, 12)}


def texts(task, part):
    rows = getattr(task, part).fields["input_ids"]
    return [task.tokenizer.decode(row, skip_special_tokens=True) for row in rows]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", TEXT)
def test_every_example_once_with_its_label(name, zipped, words, tmp_path):
    """The last word of each sentence says its class: "good" is odd."""
    task = load(TaskSpec(name, task_files.WRITERS[name](tmp_path, zipped=zipped)), words)
    assert tuple(len(getattr(task, part)) for part in ("train", "dev", "test")) == COUNTS[name]
    assert (task.kind, task.classes, len(task.label_names)) == ("text", *((1, 0) if name == "stsb" else (2, 2)))
    sentences = [task_files.sentence(n) for n in (*range(40), *range(100, 108), *range(200, 200 + COUNTS[name][2]))]
    expected = sentences[: sum(COUNTS[name])]
    found = [text for part in ("train", "dev", "test") for text in texts(task, part)]
    assert Counter(next(s for s in expected if s in text) for text in found) == Counter(expected)
    labels = np.concatenate([task.train.labels, task.dev.labels, task.test.labels])
    good = np.array(["good" in text for text in found])
    assert np.array_equal(labels % 2 == 1, good)
    assert labels.dtype == (np.float32 if name == "stsb" else np.int64)


@pytest.mark.parametrize("name", ["mrpc", "rte", "stsb"])
def test_pairs_have_segments(name, words, tmp_path):
    batch = load(TaskSpec(name, task_files.WRITERS[name](tmp_path)), words).train.batch([0, 1])
    assert list(np.unique(batch["token_type_ids"])) == [0, 1]


def test_packing_changes_nothing(words, tmp_path):
    for name, write in task_files.WRITERS.items():
        plain, packed = (load(TaskSpec(name, write(tmp_path / name / str(z), zipped=z)), words) for z in (False, True))
        assert [plain.digest(p) for p in ("train", "dev", "test")] == [
            packed.digest(p) for p in ("train", "dev", "test")
        ]


def test_the_last_line_may_end_with_the_file(words, tmp_path):
    folder = task_files.sst2(tmp_path)
    whole = load(TaskSpec("sst2", folder), words)
    for name in ("train.tsv", "dev.tsv", "stsa.binary.test"):
        (folder / name).write_text((folder / name).read_text().removesuffix("\n"))
    assert load(TaskSpec("sst2", folder), words).digest("test") == whole.digest("test")
    assert load(TaskSpec("sst2", folder), words).digest("train") == whole.digest("train")


def test_quotes_open_and_never_close(words, tmp_path):
    task = load(TaskSpec("mrpc", task_files.mrpc(tmp_path)), words)
    assert all(text.count('"') == 2 for part in ("train", "dev", "test") for text in texts(task, part))
    assert task.metrics == ("f1", "accuracy")


def test_the_originals_of_stsb(words, tmp_path):
    """Without GLUE's two files, the benchmark's own are read."""
    task_files.stsb(tmp_path, test=20)
    for part in ("train", "dev"):
        (tmp_path / f"{part}.tsv").unlink()
        (tmp_path / f"sts-{part}.csv").write_bytes((tmp_path / "sts-test.csv").read_bytes())
    task = load(TaskSpec("stsb", tmp_path), words)
    assert len({task.digest(part) for part in ("train", "dev", "test")}) == 1
    assert len(task.train) == 20


def test_cola_unpacked(words, tmp_path):
    import zipfile

    packed = load(TaskSpec("cola", task_files.cola(tmp_path)), words)
    with zipfile.ZipFile(tmp_path / "cola_public_1.1.zip") as archive:
        archive.extractall(tmp_path)
    (tmp_path / "cola_public_1.1.zip").unlink()
    assert load(TaskSpec("cola", tmp_path), words).digest("test") == packed.digest("test")


@pytest.mark.parametrize("name", ["sst2", "mrpc", "stsb"])
def test_a_plain_glue_folder_has_no_labelled_test(name, words, tmp_path):
    """Then the official dev is what gets reported, and nothing is chosen on it."""
    task_files.WRITERS[name](tmp_path)
    whole = load(TaskSpec(name, tmp_path), words)
    for labelled in ("stsa.binary.test", "msr_paraphrase_test.txt", "sts-test.csv"):
        (tmp_path / labelled).unlink(missing_ok=True)
    task = load(TaskSpec(name, tmp_path), words)
    assert task.digest("test") == whole.digest("dev")
    assert (len(task.train), len(task.dev)) == (36, 4)
    assert "the official dev is reported and not chosen on" in task.splits


def test_images(tmp_path):
    task = load(TaskSpec("fashion_mnist", task_files.fashion_mnist(tmp_path)))
    assert (task.kind, task.classes, task.tokenizer, task.train.lengths) == ("images", 10, None, None)
    assert (len(task.train), len(task.dev), len(task.test)) == (50, 10, 20)
    for examples in (task.train, task.dev, task.test):
        pixels = examples.fields["pixels"]
        assert pixels.dtype == np.float32
        raw = (pixels * 0.3530 + 0.2860) * 255
        expected = np.arange(28 * 28) % 10 + 10 * examples.labels[:, None]
        np.testing.assert_allclose(raw.reshape(len(examples), -1), expected, atol=1e-4)


def test_fields_without_segments(words, tmp_path):
    """A tokenizer that gives no token_type_ids, as RoBERTa's."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(words, model_input_names=["input_ids", "attention_mask"])
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    task = load(TaskSpec("rte", task_files.rte(tmp_path), tokenizer=str(tmp_path / "tokenizer")))
    assert set(task.train.batch([0])) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("longer", [0, 1])
def test_long_pairs_lose_the_longer_text(longer, words, tmp_path):
    texts = ["a film", "the film is not"]
    pair = "\t".join(texts if longer else texts[::-1])
    rows = [f"{n}\t{pair}\tentailment\n{n}\t{pair}\tnot_entailment\n" for n in range(5)]
    for part in ("train", "dev"):
        (tmp_path / f"{part}.tsv").write_text("index\tsentence1\tsentence2\tlabel\n" + "".join(rows))
    task = load(TaskSpec("rte", tmp_path, max_length=8), words)
    first, second = ("a film", "the film is") if longer else ("the film is", "a film")
    assert task.tokenizer.decode(task.train.fields["input_ids"][0]) == f"[CLS] {first} [SEP] {second} [SEP]"


def test_the_tokenizer_says_how_to_pad(words, tmp_path):
    """Not every padding is row 0, and no batch is longer than max_length."""
    task_files.tokenizer(tmp_path / "tokenizer")
    vocabulary = (tmp_path / "tokenizer" / "vocab.txt").read_text().split()
    (tmp_path / "tokenizer" / "vocab.txt").write_text("\n".join([*vocabulary[1:], vocabulary[0]]) + "\n")
    spec = TaskSpec("sst2", task_files.sst2(tmp_path), tokenizer=str(tmp_path / "tokenizer"), max_length=7)
    for examples in ((task := load(spec)).train, task.dev, task.test):
        assert (examples.pad_id, examples.limit) == (len(vocabulary) - 1, 7)
    assert task.train.batch([0])["input_ids"].tolist()[0][-1] == len(vocabulary) - 1


@pytest.mark.parametrize("part", ["train", "dev", "test"])
@pytest.mark.parametrize("name", ["mrpc", "rte", "stsb"])
def test_pairs_keep_their_order(name, part, words, tmp_path):
    """The first text of the tiny files says its number; what the second begins or ends with tells it apart."""
    task = load(TaskSpec(name, task_files.WRITERS[name](tmp_path)), words)
    for row in getattr(task, part).fields["input_ids"]:
        first = task.tokenizer.decode(row).split("[SEP]")[0]
        assert first.endswith(("good ", "bad "))
        assert name != "mrpc" or first.startswith('[CLS] "')


def test_the_tokenizer_is_saved_as_it_was_read(words, tmp_path):
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(words).save_pretrained(tmp_path / "before")
    task = load(TaskSpec("rte", task_files.rte(tmp_path), max_length=8), words)
    task.tokenizer.save_pretrained(tmp_path / "after")
    before, after = ((tmp_path / folder / "tokenizer.json").read_text() for folder in ("before", "after"))
    assert before == after


def test_numpy_alone(tmp_path):
    """Neither importing the package nor images load a framework, and only text loads transformers."""
    task_files.fashion_mnist(tmp_path)
    code = (
        "import sys; from pathlib import Path; from opdf.tasks import TaskSpec, load, scores;"
        "load(TaskSpec('fashion_mnist', Path(sys.argv[1])));"
        "print(*{'torch', 'jax', 'transformers', 'tokenizers', 'datasets', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
