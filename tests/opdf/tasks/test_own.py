"""Tables of one's own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opdf.tasks import TaskSpec, load

ROWS = "text,label\n" + "".join(f"film {word},{label}\n" for word, label in [("good", "up"), ("bad", "down")] * 20)


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "train.csv").write_text(ROWS)
    return TaskSpec("csv", tmp_path, train_file=Path("train.csv"))


def test_one_table_gives_three_parts(spec, words):
    task = load(spec, words)
    assert (len(task.train), len(task.dev), len(task.test)) == (32, 4, 4)
    assert (task.label_names, task.classes, task.metrics) == (("down", "up"), 2, ("accuracy", "f1"))
    good = task.tokenizer.convert_tokens_to_ids("good")
    for part in (task.train, task.dev, task.test):
        assert [good in row for row in part.fields["input_ids"]] == list(part.labels == 1)
    assert task.splits.startswith(
        "train: 32 examples of train.csv, dev: 4 examples of train.csv, test: 4 examples of train.csv;"
    )


def test_files_as_given(spec, words, tmp_path):
    for name, rows in (("dev", 4), ("test", 6)):
        (tmp_path / f"{name}.csv").write_text("\n".join(ROWS.split("\n")[: rows + 1]))
    task = load(replace(spec, dev_file=Path("dev.csv"), test_file=tmp_path / "test.csv"), words)
    assert (len(task.train), len(task.dev), len(task.test)) == (40, 4, 6)
    task = load(replace(spec, test_file=Path("test.csv")), words)
    assert (len(task.train), len(task.dev), len(task.test)) == (36, 4, 6)
    task = load(replace(spec, dev_file=Path("dev.csv")), words)  # reported, so not chosen on
    assert (len(task.train), len(task.dev), len(task.test)) == (36, 4, 4)


def test_numbers_are_classes_by_value(spec, words, tmp_path):
    labels = [str(10 - n % 3) for n in range(30)]
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"film,{label}\n" for label in labels))
    task = load(spec, words)
    assert (task.label_names, task.metrics) == (("8", "9", "10"), ("accuracy",))


def test_two_spellings_of_a_number_are_two_classes_in_one_order(spec, words, tmp_path):
    labels = [("1", "01", "0")[n % 3] for n in range(30)]
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"film,{label}\n" for label in labels))
    assert load(spec, words).label_names == ("0", "01", "1")


def test_columns_quotes_and_ends_of_line(spec, words, tmp_path):
    rows = ["id,b,stars,a\r\n", *[f'{n},"good, ""very"" good\nfilm",{n / 2},bad\r\n' for n in range(20)]]
    (tmp_path / "train.csv").write_text("".join(rows), newline="", encoding="utf-8-sig")
    task = load(replace(spec, text="a", text_pair="b", label="stars", regression=True), words)
    assert (task.classes, task.label_names, task.metrics) == (1, (), ("pearson", "spearman"))
    everything = np.concatenate([task.train.labels, task.dev.labels, task.test.labels])
    assert sorted(everything) == [n / 2 for n in range(20)]
    expected = ["[CLS]", "bad", "[SEP]", "good", "[UNK]", '"', "very", '"', "good", "film", "[SEP]"]
    assert task.tokenizer.convert_ids_to_tokens(task.train.fields["input_ids"][0]) == expected


def test_tsv_has_no_quotes_and_other_ends_of_line_are_text(spec, words, tmp_path):
    rows = ["text\tlabel", *[f'" good\x0b\x85\u2028 film\t{n % 2}' for n in range(20)]]
    (tmp_path / "train.tsv").write_text("\r\n".join(rows) + "\r\n", newline="")
    task = load(replace(spec, train_file=Path("train.tsv")), words)
    assert len(task.train) + len(task.dev) + len(task.test) == 20
    assert task.tokenizer.convert_ids_to_tokens(task.train.fields["input_ids"][0]) == [
        "[CLS]",
        '"',
        "good",
        "film",
        "[SEP]",
    ]
    assert task.label_names == ("0", "1")


def test_the_card_says_what_the_classes_are_and_how_much_is_cut(spec, words, tmp_path):
    task = load(replace(spec, max_length=3), words)  # [CLS], a word, [SEP]
    assert "; classes of train: down (16), up (16); what was drawn" in task.splits
    assert task.splits.endswith(
        " Texts as long as max_length, 3 tokens, where longer ones are cut: 32 of train, 4 of dev, 4 of test."
    )
    assert {len(row) for row in task.train.fields["input_ids"]} == {3}
    assert "cut" not in load(spec, words).splits
