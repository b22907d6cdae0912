"""Whether a loaded network fits a task: what it would otherwise fail with is an index out of range, somewhere in training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.files._folder import WEIGHTS

from ..tasks import Task
from ._architecture import CONFIG, Architecture

Shape = tuple[int, ...]


def check_image(a: Architecture, task: Task, source: str | Path) -> None:
    if task.kind != "images":
        raise TensorNetError(
            f"load: {source} is an image network, needed an encoder, because task {task.name} is of texts; give one"
        )
    if (a.image, a.classes) != (image_size(task), task.classes):
        raise TensorNetError(
            f"load: {source} is for images {a.image} of {a.classes} classes, needed {image_size(task)} of {task.classes}, "
            f"because task {task.name} has these; take a network that was trained on it"
        )


def check_tokens(rows: Mapping[str, int], positions: int, task: Task, source: str | Path) -> None:
    """All ids, types and positions of the task are rows of the encoder's tables.

    rows       field → rows of its table
    positions  that an example can have
    """
    parts = (task.train, task.dev, task.test)
    for field, count in rows.items():
        found = [row for part in parts for row in part.fields.get(field, ())]
        largest = max((int(row.max()) for row in found if len(row)), default=0)
        if largest >= count:
            raise TensorNetError(
                f"load: {source} has {count} rows for {field} and task {task.name} an id {largest}, needed ids "
                f"below that, because an id is a row; take the model's own tokenizer (task.tokenizer)"
            )
    longest = max(int(n) for part in parts for n in (() if part.lengths is None else part.lengths))
    if longest > positions:
        raise TensorNetError(
            f"load: {source} has {positions} positions and task {task.name} an example of {longest} tokens, needed a position "
            f"for each, because it is looked up; lower task.max_length"
        )


def check_copied(mine: Mapping[str, Any], theirs: Mapping[str, Any], start: str) -> None:
    """Layers are of the teacher's sizes; heads are in no shape, so that copying would not notice."""
    other = [f"{name}={mine[name]} (teacher: {theirs[name]})" for name in mine if mine[name] != theirs[name]]
    if other:
        raise TensorNetError(
            f"student: {', '.join(other)} with start={start!r}, needed the teacher's own, because its weights are copied; "
            f"set student.start='random', or leave these out"
        )


def check_tensors(own: Mapping[str, Shape], stored: Mapping[str, Shape], folder: Path) -> None:
    """A folder holds a network's tensors, all of them and no others, by names and shapes."""
    missing, surplus = sorted(own.keys() - stored.keys()), sorted(stored.keys() - own.keys())
    unlike = [f"{n} {shape}" for n, shape in stored.items() if n in own and own[n] != shape]
    if missing or surplus or unlike:
        raise TensorNetError(
            f"load: {folder / WEIGHTS} lacks {some(missing)}, has nobody's {some(surplus)}, and of another shape than "
            f"{CONFIG} says {some(unlike)}; needed exactly its tensors, because none may keep a value of its own; take a "
            f"folder that a run exported"
        )


def image_size(task: Task) -> tuple[int, int]:
    """(height, width) in pixels."""
    height, width = np.shape(task.train.fields["pixels"])[1:]
    return int(height), int(width)
