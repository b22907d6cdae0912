"""Sentences and their translations: two files a part, line by line."""

from pathlib import Path

import numpy as np

from tensornet import TensorNetError

from ._files import check_folder, find, missing
from ._source import Part, Source, strings
from ._spec import TaskSpec

METRICS = ("bleu",)


def read_parallel(spec: TaskSpec) -> Source:
    """The parts that a spec names, in both of its languages, stripped of white space at their ends; all of them are there."""
    folder = check_folder(spec.name, spec.folder)
    if spec.source == spec.target:
        raise TensorNetError(
            f"translation: source and target are both {spec.source!r}, needed two, because a text is no translation of itself; "
            f"set task.source or task.target"
        )
    train, dev, test = (_part(folder, part, spec) for part in (spec.train_part, spec.dev_part, spec.test_part))
    return Source("translation", (), METRICS, train, dev, test)


def _part(folder: Path, part: str, spec: TaskSpec) -> Part:
    names = f"{part}.{spec.source}", f"{part}.{spec.target}"
    contents = find(folder, names)
    if contents is None:
        raise missing(folder, f"translation, {part}", [names])
    columns = [_lines(content.text()) for content in contents]
    if len(columns[0]) != len(columns[1]):
        raise TensorNetError(
            f"{contents[0].name}: {len(columns[0])} lines, but {contents[1].name} has {len(columns[1])}, needed as many, "
            f"because the n-th line is the translation of the n-th; take both files from the same release"
        )
    for content, column in zip(contents, columns, strict=True):
        if "" in column:
            raise TensorNetError(
                f"{content.name}: line {column.index('') + 1} is empty, needed a sentence, because nothing is learnt from none "
                f"and a score of none is not defined; remove the line from both files"
            )
    source, target = columns
    return Part(f"{contents[0].name} + {contents[1].name}", (strings(source),), strings(target))


def _lines(text: str) -> list[str]:
    """Lines end in a line feed alone, or after a carriage return: what else Unicode takes for an end is inside sentences."""
    lines = text.split("\n")
    return [line.strip() for line in (lines[:-1] if lines[-1] == "" else lines)]


def texts(part: Part) -> list[str]:
    """Both languages, for a vocabulary of both."""
    return [*part.inputs[0], *np.asarray(part.labels)]
