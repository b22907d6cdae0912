"""Every configuration in examples/ is one: read, checked, and each sweep's arms with it."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from opdf.distill import read
from opdf.distill._check import check
from opdf.sweep import read as read_sweep

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = {"teacher.source": "encoder"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_runs(path):
    text = not path.stem.startswith(("fashion", "multi30k"))
    check(read(path, SOURCE if text else {}))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.toml")), ids=lambda p: p.stem)
def test_sweeps(path, tmp_path):
    made, _ = read_sweep(path, tmp_path)
    assert made.seeds >= 3
    assert len(made.arms) >= 4
    assert all(arm.points for arm in made.arms)


def test_texts_out_of_tables_and_lines(tmp_path):
    (tmp_path / "a.tsv").write_text('one\tx\ttwo\nA "dog.\t1\tA, cat.\n', encoding="utf-8-sig")
    (tmp_path / "b.gz").write_bytes(gzip.compress("Ein Hund.\n\nläuft\n".encode()))
    names = [f"{tmp_path}/a.tsv:one:two", f"{tmp_path}/b.gz"]
    done = subprocess.run([sys.executable, EXAMPLES / "texts.py", *names], capture_output=True, check=True)
    rows = [*csv.reader(done.stdout.decode().splitlines())]
    assert rows == [["text", "label"], ['A "dog.', "0"], ["A, cat.", "0"], ["Ein Hund.", "1"], ["läuft", "1"]]


@pytest.mark.parametrize(("text", "column"), [("one\ttwo\na\tb\n", "three"), ("one\ttwo\na\n", "two")])
def test_texts_of_a_table_that_lacks_some(tmp_path, text, column):
    (tmp_path / "a.tsv").write_text(text)
    done = subprocess.run([sys.executable, EXAMPLES / "texts.py", f"{tmp_path}/a.tsv:{column}"], capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"a.tsv, line 2: no {column}, needed each of its columns; it has one, two".encode() in done.stderr
