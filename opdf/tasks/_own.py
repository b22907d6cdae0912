"""Tables of one's own."""

from pathlib import Path

import numpy as np

from tensornet import TensorNetError

from ._files import read
from ._source import Part, Source, classes, numbers, strings
from ._spec import TaskSpec
from ._table import Layout

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_own(spec: TaskSpec) -> Source:
    """The tables that a spec names; the classes are those of train, sorted, by value where all are whole numbers."""
    if spec.train_file is None:
        raise TensorNetError(
            "csv: no train_file, needed a table to learn from; set train_file, a .csv or .tsv with a header"
        )
    train, *others = (_Table(spec, file) for file in (spec.train_file, spec.dev_file, spec.test_file) if file)
    names = () if spec.regression else train.classes()
    parts = [table.part(names) for table in (train, *others)]
    dev = parts[1] if spec.dev_file else None
    test = parts[-1] if spec.test_file else None
    binary = ("f1",) if len(names) == 2 else ()
    return Source("text", names, ("accuracy", *binary) if names else ("pearson", "spearman"), parts[0], dev, test)


class _Table:
    """One of the files, its labels not yet numbered."""

    def __init__(self, spec: TaskSpec, file: Path) -> None:
        content = read((spec.folder or Path()) / file)
        separator = SEPARATORS.get(Path(content.name.removesuffix(".gz")).suffix)
        if separator is None:
            raise TensorNetError(
                f"{content.name}: the name ends in neither .csv nor .tsv, also with .gz, needed one of them, because it says "
                f"what separates columns and whether quotes count; rename the file"
            )
        columns = (spec.text, spec.text_pair) if spec.text_pair else (spec.text,)
        layout = Layout(columns, spec.label, separator, quoted=separator == ",")
        self.name = content.name
        self.text, self.labels = layout.read(content)

    def classes(self) -> tuple[str, ...]:
        names = set(self.labels)
        for n, label in enumerate(self.labels):
            if not label.strip() or (label != label.strip() and label.strip() in names):
                raise TensorNetError(
                    f"{self.name}: the label of example {n + 1} is {label!r}, needed a name without blanks around it, because "
                    f"it would be a class of its own; fill it in, correct it, or leave the row out"
                )
        if len(names) == 1:
            raise TensorNetError(
                f"{self.name}: all labels are {self.labels[0]!r}, needed two classes at least, because there is nothing to "
                f"tell apart; look whether this is the column meant"
            )
        whole = all(_whole(name) for name in names)
        return tuple(sorted(names, key=lambda name: (int(name) if whole else 0, name)))

    def part(self, names: tuple[str, ...]) -> Part:
        labels: np.ndarray = classes(self.name, self.labels, names) if names else numbers(self.name, self.labels)
        return Part(self.name, tuple(strings(column) for column in self.text), labels)


def _whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()
