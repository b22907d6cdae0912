"""Examples as they were read: text or bytes, not yet ready for a model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tensornet import TensorNetError


@dataclass(frozen=True, eq=False)
class Part:
    """A file's worth of examples.

    name    where they come from
    inputs  text: one column or two of strings (n,); images: one uint8 (n, height, width)
    labels  int64 (n,) classes, or float32 (n,); translation: strings (n,)
    """

    name: str
    inputs: tuple[np.ndarray, ...]
    labels: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.labels):
            raise TensorNetError(f"{self.name}: no examples, needed one at least; look whether this is the right file")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: np.ndarray) -> "Part":
        return replace(self, inputs=tuple(x[index] for x in self.inputs), labels=self.labels[index])


@dataclass(frozen=True, eq=False)
class Source:
    """What a task's files hold; dev and test are None where there is no labelled one."""

    kind: Literal["text", "images", "translation"]
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    train: Part
    dev: Part | None
    test: Part | None


def strings(column: Sequence[str]) -> np.ndarray:
    """(n,) of objects: an array of str would be as wide as its longest text."""
    array = np.empty(len(column), object)
    array[:] = column
    return array


def classes(name: str, column: Sequence[str], values: Sequence[str]) -> np.ndarray:
    """The place of each label among `values`, int64."""
    place = {value: n for n, value in enumerate(values)}
    for n, label in enumerate(column):
        if label not in place:
            raise TensorNetError(
                f"{name}: the label of example {n + 1} is {label!r}, needed one of {', '.join(values)}, because the model has "
                f"one output for each; correct the row, or the column that is taken for the label"
            )
    return np.array([place[label] for label in column], np.int64)


def numbers(name: str, column: Sequence[str], low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """The labels as float32, finite and within low … high."""
    values = np.array([_number(name, n, label) for n, label in enumerate(column)], np.float32)
    for n in map(int, np.flatnonzero(~((values >= low) & (values <= high) & np.isfinite(values)))):
        raise TensorNetError(
            f"{name}: the label of example {n + 1} is {column[n]}, needed a finite number from {low} to {high}, because that "
            f"is the range of the task; correct the row"
        )
    return values


def _number(name: str, n: int, label: str) -> float:
    try:
        return float(label)
    except ValueError:
        raise TensorNetError(
            f"{name}: the label of example {n + 1} is {label!r}, needed a number, because the task is to predict one; correct "
            f"the row, or choose another column for the label"
        ) from None
