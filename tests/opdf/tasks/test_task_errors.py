"""What tasks refuse, and in which words: a case for each place that makes an error."""

import ast
import gzip
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import task_files as files

import opdf.statistics
import opdf.tasks
from opdf.tasks import Examples, Task, TaskSpec, load, scores
from opdf.tasks._files import Content
from opdf.tasks._idx import idx
from opdf.tasks._vocabulary import learnt
from tensornet import TensorNetError

SOURCE = [*sorted(Path(opdf.tasks.__file__).parent.glob("*.py")), Path(opdf.statistics.__file__)]
NOTHING = Examples({}, np.zeros(0))
BINARY = Task("rte", "text", 2, (), ("accuracy",), NOTHING, NOTHING, NOTHING, "")


def glue(name, change=lambda folder: None, **settings):
    """Load a tiny folder of a task after a change to it."""

    def attempt(tmp_path, words):
        folder = files.WRITERS[name](tmp_path / "data")
        change(folder)
        load(TaskSpec(name, **{"folder": folder} | settings), words)

    return attempt


def own(text, suffix="csv", **settings):
    """Load a table of one's own."""

    def attempt(tmp_path, words):
        (tmp_path / f"train.{suffix}").write_bytes(text if isinstance(text, bytes) else text.encode())
        load(TaskSpec("csv", train_file=tmp_path / f"train.{suffix}", **settings), words)

    return attempt


def edit(name, old, new):
    """A change of a file's text, once."""

    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


def put(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def cut_gzip(folder):
    data = gzip.compress((folder / "train.tsv").read_bytes())
    (folder / "train.tsv").unlink()
    (folder / "train.tsv.gz").write_bytes(data[:-20])


def damage(byte):
    """A gzip with another byte in the middle."""

    def change(folder):
        data = bytearray(gzip.compress((folder / "train.tsv").read_bytes()))
        (folder / "train.tsv").unlink()
        data[byte] ^= 0xFF
        (folder / "train.tsv.gz").write_bytes(data)

    return change


def without(module, attempt):
    """As where a package is not installed."""

    def tried(tmp_path, words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            attempt(tmp_path, words)

    return tried


def parallel(change=lambda folder: None, **settings):
    """Load tiny parallel files after a change to them."""

    def attempt(tmp_path, words):
        folder = files.parallel(tmp_path / "data")
        change(folder)
        load(TaskSpec("translation", folder, **{"vocabulary": 300} | settings))

    return attempt


def bleu_of(tmp_path, words, n=8):
    task = load(TaskSpec("translation", files.parallel(tmp_path), vocabulary=300))
    scores(task, task.dev.labels[:n], task.dev.labels)


def short_of_translations(tmp_path, words):
    bleu_of(tmp_path, words, 7)


def read_with(learns, **settings):
    """Load tiny parallel files with the vocabulary of another task, which turns text into lower case or does not."""

    def attempt(tmp_path, words):
        (tmp_path / "tokenizer.json").write_text(learnt(["a cat"], 300, lowercase=learns).to_str())
        parallel(tokenizer=str(tmp_path), **settings)(tmp_path, words)

    return attempt


def other_vocabulary(tmp_path, words):
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    parallel(tokenizer=str(tmp_path))(tmp_path, words)


def no_padding(tmp_path, words):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(words)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    load(TaskSpec("rte", files.rte(tmp_path), tokenizer=str(tmp_path / "tokenizer")))


def wordless(tmp_path, words):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    load(TaskSpec("rte", files.rte(tmp_path), tokenizer=str(tmp_path)))


def parquet(columns):
    """A clone of the hub's repository, of columns that are not GLUE's."""

    def attempt(tmp_path, words):
        import datasets

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
            datasets.disable_progress_bars()
            (tmp_path / "rte").mkdir()
            for split in ("train", "validation", "test"):
                datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "rte" / f"{split}.parquet")
            files = "".join(f"  - split: {s}\n    path: rte/{s}.parquet\n" for s in ("train", "validation", "test"))
            (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: rte\n  data_files:\n{files}---\n")
            load(TaskSpec("rte", tmp_path, hub=True), words)

    return attempt


TWO = "text,label\nfilm,0\nplot,1\n"
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
CASES = {
    # settings
    "no such task": (lambda *_: load(TaskSpec("qqp")), "task: no task 'qqp'; take one of sst2, mrpc, cola"),
    "size 0": (glue("rte", train_size=0), "rte: train_size=0, needed 1 or more;"),
    "seed below 0": (glue("rte", split_seed=-1), "rte: split_seed=-1, needed 0 or more;"),
    "columns of a known task": (
        glue("rte", text="sentence1", regression=True),
        "rte: text, regression given, needed name=csv for that, because rte has no such setting;",
    ),
    "csv on the hub": (own(TWO, hub=True), "csv: hub=True, needed local files,"),
    "languages of a known task": (
        glue("rte", target="fr", vocabulary=300),
        "rte: target, vocabulary given, needed name=translation for that",
    ),
    "dev is test": (
        lambda tmp_path, words: own(TWO, dev_file=tmp_path / "d.csv", test_file=tmp_path / "." / "d.csv")(
            tmp_path, words
        ),
        "csv: dev_file and test_file are both .*d.csv, needed two, .*; leave one out",
    ),
    "train is test": (
        lambda tmp_path, words: own(TWO, test_file=tmp_path / "train.csv")(tmp_path, words),
        "csv: train_file and test_file are both",
    ),
    # translations
    "translations for dev and test": (
        parallel(dev_part="val", test_part="val"),
        "dev_part and test_part are both val, needed",
    ),
    "one language": (parallel(target="en"), "translation: source and target are both 'en', needed two"),
    "part missing": (
        parallel(dev_part="nowhere"),
        r"no file of translation, nowhere among .*needed nowhere\.en \+",
    ),
    "unequal lines": (
        parallel(edit("train.de", "Ein Hund ein Hund läuft.\n", "")),
        r"train\.en: 40 lines, but train\.de has 39, needed as many",
    ),
    "empty line": (
        parallel(edit("val.de", "Ein Kater ein Junge läuft.", " ")),
        r"val\.de: line \d is empty, needed a sentence",
    ),
    "long sentence": (
        parallel(edit("val.en", "A boy", "A very, very, very, very old and quite unseen boy"), max_length=24),
        r"'A very, very, very, very old and quite u…' of val\.en \+ val\.de has \d\d pieces, needed 24 at most",
    ),
    "long translation": (
        parallel(edit("val.de", "Ein Kater ein Junge läuft.", "ÄÖÜ" * 6), max_length=24),
        r"'ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜ' of val\.en \+ val\.de has 38 pieces, needed 24 at most",
    ),
    "too few pieces": (parallel(vocabulary=258), "vocabulary=258, needed 259 or more, because each byte is a piece"),
    "no tokenizers": (without("tokenizers", parallel()), "the package tokenizers is not installed"),
    "no sacrebleu": (without("sacrebleu", bleu_of), "the package sacrebleu is not installed"),
    "no vocabulary there": (
        parallel(tokenizer="nowhere"),
        r"translation: nowhere cannot be read \(.*needed the tokenizer",
    ),
    "another's vocabulary": (other_vocabulary, r"has ids \[None, None, None\] for <pad>, <bos>, <eos>, needed 0, 1, 2"),
    "lower case of another's vocabulary": (
        read_with(learns=False, lowercase=True),
        r"translation: lowercase=True, but the vocabulary in .* keeps upper case, needed lowercase=False with it, because",
    ),
    "upper case of another's vocabulary": (
        read_with(learns=True, lowercase=False),
        r"translation: lowercase=False, but the vocabulary in .* has no upper case, needed lowercase=True with it",
    ),
    "too few translations": (short_of_translations, r"scores of translation: \(7,\) translations of \(8,\) sentences"),
    "no table": (lambda *_: load(TaskSpec("csv")), "csv: no train_file, needed a table"),
    # files
    "no folder given": (glue("rte", folder=None), "rte: folder=none is no folder, .* set folder, or hub=True"),
    "folder missing": (
        glue("mrpc", folder=Path("nowhere")),
        "mrpc: folder=nowhere is no folder, needed the one with its files",
    ),
    "no folder of images": (lambda *_: load(TaskSpec("fashion_mnist")), "fashion_mnist: folder=none is no folder"),
    "train missing": (
        glue("stsb", remove("train.tsv")),
        r"data: no file of stsb, train among dev.tsv, sts-test.csv, needed train.tsv or sts-train.csv, each also as .gz,",
    ),
    "dev missing": (
        glue("cola", remove("cola_public_1.1.zip")),
        "no file of cola, train among nothing, needed train.tsv or cola_public_1.1.zip/cola_public/raw/in_domain_train.tsv or",
    ),
    "labels missing": (
        glue("fashion_mnist", remove(LABELS)),
        f"no file of fashion_mnist, train among .*, needed {IMAGES} \\+ {LABELS}, each also as .gz",
    ),
    "own table missing": (
        lambda *_: load(TaskSpec("csv", train_file=Path("nowhere.csv"))),
        "nowhere.csv: no such file, needed a table",
    ),
    "a spreadsheet": (own(TWO, "xlsx"), "train.xlsx: the name ends in neither .csv nor .tsv"),
    "gzip cut short": (glue("rte", cut_gzip), r"train.tsv.gz: cannot be unpacked .* needed the whole file"),
    "gzip damaged": (glue("rte", damage(30)), "train.tsv.gz: cannot be unpacked"),
    "no gzip": (glue("rte", damage(0)), "train.tsv.gz: cannot be unpacked"),
    "zip cut short": (glue("cola", put("cola_public_1.1.zip", b"PK")), "cola_public_1.1.zip: cannot be unpacked"),
    "another encoding": (own(b"text,label\ncaf\xe9,0\n"), "train.csv: byte 14 is no UTF-8, needed"),
    # tables
    "no such column": (
        own(TWO, label="stars"),
        "train.csv: 0 columns are called 'stars' among text, label, needed exactly one,",
    ),
    "a column twice": (
        own("text,text,label\na,b,0\n"),
        "train.csv: 2 columns are called 'text' among text, text, label",
    ),
    "an empty file": (own(""), "train.csv: 0 columns are called 'text' among none"),
    "a hidden test as train": (
        glue("sst2", lambda f: (f / "train.tsv").write_bytes((f / "test.tsv").read_bytes())),
        "train.tsv: 0 columns are called 'label' among index, sentence, needed",
    ),
    "a column too many": (
        glue("rte", edit("train.tsv", "\ta film", "\ta\tfilm")),
        "train.tsv: line 2 has 5 columns, needed 4",
    ),
    "a column too few": (
        glue("cola", put("train.tsv", b"gj04\t1\tA film\n")),
        "train.tsv: line 1 has 3 columns, needed 4",
    ),
    "quotes that stay open": (own('text,label\n"film,0\n'), r"train.csv: line 2 is no CSV \(unexpected end of data\)"),
    # labels
    "a class that is none": (
        glue("sst2", edit("dev.tsv", "\t1", "\t2")),
        "dev.tsv: the label of example 2 is '2', needed one of 0, 1, because",
    ),
    "a hidden label": (
        glue("mrpc", edit("train.tsv", "\n1", "\n-1")),
        "the label of example 2 is '-1', needed one of 0, 1",
    ),
    "no number": (
        glue("stsb", edit("train.tsv", "3.000", "three")),
        "the label of example 4 is 'three', needed a number",
    ),
    "out of range": (
        glue("stsb", edit("train.tsv", "5.000", "6.000")),
        "the label of example 6 is 6.000, needed a finite number from 0 to 5",
    ),
    "NaN": (own("text,label\na,nan\n", regression=True), "the label of example 1 is nan, needed a finite number"),
    "no label": (
        own("text,label\na,0\nb,\nc,1\n"),
        "train.csv: the label of example 2 is '', needed a name without blanks",
    ),
    "a label with a blank": (
        own("text,label\na,up\nb, up\nc,down\n"),
        "train.csv: the label of example 2 is ' up', needed a name without blanks",
    ),
    "all alike": (own("text,label\na,0\nb,0\n"), "train.csv: all labels are '0', needed two classes at least"),
    "no examples": (
        glue("rte", put("dev.tsv", b"index\tsentence1\tsentence2\tlabel\n")),
        "dev.tsv: no examples, needed one",
    ),
    "no examples of one's own": (own("text,label\n"), "train.csv: no examples, needed one"),
    # images
    "labels for images": (
        glue("fashion_mnist", lambda f: (f / IMAGES).write_bytes((f / LABELS).read_bytes())),
        f"{IMAGES}: begins with bytes 00 00 08 01, needed 00 00 08 03",
    ),
    "images cut short": (
        glue("fashion_mnist", lambda f: (f / IMAGES).write_bytes((f / IMAGES).read_bytes()[:-1])),
        f"{IMAGES}: 47039 bytes of data, needed 47040 for the shape \\(60, 28, 28\\)",
    ),
    "a header cut short": (lambda *_: idx(Content("x", bytes([0, 0, 8, 3, 0])), 3), "x: begins with bytes 00 00 08 03"),
    "fewer labels": (
        glue("fashion_mnist", put(LABELS, files.idx(np.arange(59) % 10))),
        f"{IMAGES}: 60 images, but {LABELS} has 59 labels, needed as many",
    ),
    "label 10": (
        glue("fashion_mnist", put(LABELS, files.idx(np.full(60, 10)))),
        f"{LABELS}: the label of example 1 is '10', needed one of 0, 1, 2,",
    ),
    # splits
    "more than there is": (
        glue("mrpc", train_size=41),
        r"mrpc: train_size: 41 of the 40 examples of train.tsv, needed 2 … 40, because",
    ),
    "fewer than classes": (
        glue("fashion_mnist", train_size=9),
        "train_size: 9 of the 50 examples of .*, needed 10 … 50",
    ),
    "more dev than there is": (
        glue("mrpc", dev_size=9),
        "mrpc: dev_size: 9 of the 8 examples of dev.tsv, needed 2 … 8",
    ),
    "dev takes all of train": (
        glue("rte", dev_size=40),
        "rte: dev_size: 40 of the 40 examples of train.tsv, needed 2 … 38",
    ),
    "one of a class": (
        own("text,label\n" + "a,0\n" * 9 + "b,1\n"),
        "csv: test from train: class 1 of train.csv has 1 examples, needed 3, because",
    ),
    "one number": (own("text,label\na,0\n", regression=True), "class of all of train.csv has 1 examples, needed 3"),
    "a class never seen": (
        glue("sst2", put("train.tsv", b"sentence\tlabel\nfilm\t1\n")),
        "train.tsv: no training example of class negative, needed one at least of negative, positive",
    ),
    # tokenizers
    "no tokenizer": (
        lambda tmp_path, _: load(TaskSpec("rte", files.rte(tmp_path))),
        "rte: no tokenizer, needed one for text, .*; set tokenizer to the teacher's folder",
    ),
    "a folder without one": (
        glue("rte", tokenizer="/"),
        r"rte: no tokenizer in / \(\w+: .*\), needed a folder with tokenizer",
    ),
    "a tokenizer without words": (wordless, "rte: the tokenizer of .* knows no word, needed a vocabulary"),
    "longer than the model": (glue("rte", max_length=129), "rte: max_length=129, needed 5 … 128, because"),
    "no room": (glue("sst2", max_length=2), "sst2: max_length=2, needed 3 … 128"),
    "nothing to pad with": (no_padding, "rte: the tokenizer has no padding token, needed one"),
    "no transformers": (
        without("transformers", glue("rte")),
        r"rte: the package transformers is not installed, .*opdf\[hf\]",
    ),
    # the hub
    "no datasets": (
        without("datasets", glue("rte", hub=True)),
        r"rte: hub=True, but the package datasets is not installed, .* 'opdf\[datasets\]', or take local files",
    ),
    "no clone": (glue("rte", hub=True), r"rte: datasets cannot read .*data \(\w+: .*\), needed the hub or a clone"),
    "no folder of a clone": (glue("rte", hub=True, folder=Path("nowhere")), "rte: folder=nowhere is no folder"),
    "another clone": (
        parquet({"premise": ["a"], "hypothesis": ["b"], "label": [1]}),
        "hub: no column 'sentence1' in a split 'train' among {'train': .*'hypothesis'",
    ),
    "hidden labels of train": (
        parquet({"sentence1": ["a"], "sentence2": ["b"], "label": [-1]}),
        "the hub's train: the label of example 1 is '-1', needed one of 0, 1",
    ),
    # examples, scores, statistics
    "a batch of none": (lambda *_: NOTHING.batch([]), "Examples: a batch of no examples, needed one"),
    "no such part": (lambda *_: BINARY.digest("validation"), "Task rte: no part 'validation'; take train, dev or test"),
    "a logit too few": (
        lambda *_: scores(BINARY, np.zeros((3, 1)), np.zeros(3)),
        r"scores of rte: logits of shape \(3, 1\) for labels of shape \(3,\), needed \(n, 2\) for \(n,\)",
    ),
    "fewer logits": (
        lambda *_: scores(BINARY, np.zeros((2, 2)), np.zeros(3)),
        r"logits of shape \(2, 2\) for labels of",
    ),
    "nothing to score": (lambda *_: scores(BINARY, np.zeros((0, 2)), np.zeros(0)), "n at least 1"),
    "labels in a column": (lambda *_: scores(BINARY, np.zeros((3, 2)), np.zeros((3, 1))), r"labels of shape \(3, 1\)"),
    "NaN logits": (
        lambda *_: scores(BINARY, np.array([[0, np.nan], [0, 1]]), np.zeros(2)),
        "scores of rte: 1 of 2 examples have logits that are NaN or infinite",
    ),
    "unpaired": (
        lambda *_: opdf.statistics.paired([1.0], [1.0, 2.0]),
        "paired: 1 values against 2, needed as many of both",
    ),
    "no values": (lambda *_: opdf.statistics.spread([]), "spread: no values, needed one at least"),
}


@pytest.fixture
def offline(monkeypatch):
    """No test waits for a network."""
    import datasets
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(("attempt", "message"), CASES.values(), ids=CASES)
def test_error(attempt, message, tmp_path, words, offline):
    with pytest.raises(TensorNetError, match=message) as caught:
        attempt(tmp_path, words)
    assert ";" in str(caught.value)


def test_every_message_has_a_case(monkeypatch, tmp_path, words, offline):
    made = set()

    def record(self, *args):
        caller = sys._getframe(1)
        made.add((Path(caller.f_code.co_filename), caller.f_lineno))
        ValueError.__init__(self, *args)

    monkeypatch.setattr(TensorNetError, "__init__", record, raising=False)
    for n, (attempt, _) in enumerate(CASES.values()):
        folder = tmp_path / str(n)
        folder.mkdir()
        with pytest.raises(TensorNetError):
            attempt(folder, words)
    places = [
        (path, node.lineno, node.end_lineno)
        for path in SOURCE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TensorNetError"
    ]
    assert len(places) > 25
    left = [f"{p.name}:{a}" for p, a, b in places if not any(p == q and a <= line <= b for q, line in made)]
    assert not left, f"no case makes the error of {', '.join(left)}"


def test_a_tokenizer_of_the_spec_comes_first(words, tmp_path):
    spec = TaskSpec("rte", files.rte(tmp_path), tokenizer=words)
    assert load(spec, "nowhere").digest("train") == load(replace(spec, tokenizer=None), words).digest("train")
