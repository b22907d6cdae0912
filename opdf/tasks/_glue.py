"""The tasks of GLUE from local files: GLUE's own folders, and the labelled tests of the data sets it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ._files import Content, check_folder, find, missing
from ._source import Part, Source, classes, numbers, strings
from ._table import Layout

Tables = Mapping[tuple[str, ...], Layout]  # files that make up a part, one after the other, and how to read them


@dataclass(frozen=True)
class Glue:
    """A task of GLUE.

    label_names       of the classes; empty where a number from 0 to 5 is predicted
    columns           of the text in Hugging Face's copy
    train, dev, test  files, the first that are there being read; test is empty where no labelled one is published
    values            the classes as the files write them
    """

    metrics: tuple[str, ...]
    label_names: tuple[str, ...]
    columns: tuple[str, ...]
    train: Tables
    dev: Tables
    test: Tables = field(default_factory=dict)
    values: tuple[str, ...] = ("0", "1")

    def read(self, name: str, folder: Path | None) -> Source:
        """The task from the files of a folder."""
        folder = check_folder(name, folder)
        train, dev, test = (self._part(folder, tables) for tables in (self.train, self.dev, self.test))
        if train is None or dev is None:
            part, tables = ("train", self.train) if train is None else ("dev", self.dev)
            raise missing(folder, f"{name}, {part}", tables)
        return Source("text", self.label_names, self.metrics, train, dev, test)

    def _part(self, folder: Path, tables: Tables) -> Part | None:
        for names, layout in tables.items():
            if contents := find(folder, names):
                return self._joined(contents, layout)
        return None

    def _joined(self, contents: Sequence[Content], layout: Layout) -> Part:
        name = " + ".join(content.name for content in contents)
        tables = [layout.read(content) for content in contents]
        inputs = tuple(
            strings([text for columns, _ in tables for text in columns[n]]) for n in range(len(self.columns))
        )
        labels = [label for _, column in tables for label in column]
        return Part(name, inputs, self.numbered(name, labels, self.values))

    def numbered(self, name: str, column: Sequence[str], values: Sequence[str]) -> np.ndarray:
        """The labels as classes, or as numbers where one is predicted."""
        return classes(name, column, values) if self.label_names else numbers(name, column, 0, 5)


def _cola(*names: str) -> Tables:
    """A file of GLUE, or these of the authors: in their zip or unpacked. No header; source, label, author's mark, sentence."""
    layout = Layout((3,), 1, columns=4)
    folders = "cola_public_1.1.zip/cola_public/raw", "cola_public/raw"
    glue = "train.tsv" if "train" in names[0] else "dev.tsv"
    return {(glue,): layout} | {tuple(f"{folder}/{name}" for name in names): layout for folder in folders}


_PAIR = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")
_SST2 = Layout(("sentence",), "label")
_MRPC = Layout(("#1 String", "#2 String"), "Quality")
_RTE = Layout(_PAIR, "label")
_STSB = Layout(_PAIR, "score")
# No header; some rows name the origins of the two sentences after them.
_STSB_ORIGINAL = Layout((5, 6), 4, columns=7, more=True)

GLUE = {
    "sst2": Glue(
        ("accuracy",),
        ("negative", "positive"),
        ("sentence",),
        train={("train.tsv",): _SST2},
        dev={("dev.tsv",): _SST2},
        test={("stsa.binary.test",): Layout((1,), 0, separator=" ", columns=2)},  # "1 a charming journey ."
    ),
    "mrpc": Glue(
        ("f1", "accuracy"),
        ("not_equivalent", "equivalent"),
        _PAIR,
        train={("train.tsv",): _MRPC},
        dev={("dev.tsv",): _MRPC},
        test={("msr_paraphrase_test.txt",): _MRPC},
    ),
    "cola": Glue(
        ("matthews",),
        ("unacceptable", "acceptable"),
        ("sentence",),
        train=_cola("in_domain_train.tsv"),
        dev=_cola("in_domain_dev.tsv", "out_of_domain_dev.tsv"),
    ),
    "rte": Glue(
        ("accuracy",),
        _ENTAILMENT,
        _PAIR,
        train={("train.tsv",): _RTE},
        dev={("dev.tsv",): _RTE},
        values=_ENTAILMENT,
    ),
    "stsb": Glue(
        ("pearson", "spearman"),
        (),
        _PAIR,
        train={("train.tsv",): _STSB, ("sts-train.csv",): _STSB_ORIGINAL},
        dev={("dev.tsv",): _STSB, ("sts-dev.csv",): _STSB_ORIGINAL},
        test={("sts-test.csv",): _STSB_ORIGINAL, ("original/sts-test.tsv",): _STSB_ORIGINAL},
    ),
}
