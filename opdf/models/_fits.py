"""Whether a loaded network fits a task: what it would otherwise fail with is an index out of range, somewhere in training."""

from pathlib import Path
from typing import Any

import numpy as np

from tensornet import TensorNetError

from ..tasks import Task
from ._image import ImageNetwork


def check_image(network: ImageNetwork, task: Task, source: str | Path) -> None:
    a = network.architecture
    if task.kind != "images":
        raise TensorNetError(
            f"load: {source} is an image network, needed an encoder, because task {task.name} is of texts; give one"
        )
    if (a.image, a.classes) != (image_size(task), task.classes):
        raise TensorNetError(
            f"load: {source} is for images {a.image} of {a.classes} classes, needed {image_size(task)} of {task.classes}, "
            f"because task {task.name} has these; take a network that was trained on it"
        )


def check_tokens(encoder: Any, task: Task, source: str | Path) -> None:
    """All ids, types and positions of the task are rows of the encoder's tables."""
    tables, parts = encoder.base_model.embeddings, (task.train, task.dev, task.test)
    for field, table in (("input_ids", tables.word_embeddings), ("token_type_ids", tables.token_type_embeddings)):
        rows = [row for part in parts for row in part.fields.get(field, ())]
        largest = max((int(row.max()) for row in rows if len(row)), default=0)
        if largest >= table.num_embeddings:
            raise TensorNetError(
                f"load: {source} has {table.num_embeddings} rows for {field} and task {task.name} an id {largest}, needed ids "
                f"below that, because an id is a row; take the model's own tokenizer (task.tokenizer)"
            )
    # RoBERTa's positions begin after that of the padding
    unused = tables.padding_idx + 1 if hasattr(tables, "padding_idx") else 0
    positions = tables.position_embeddings.num_embeddings - unused
    longest = max(int(n) for part in parts for n in (() if part.lengths is None else part.lengths))
    if longest > positions:
        raise TensorNetError(
            f"load: {source} has {positions} positions and task {task.name} an example of {longest} tokens, needed a position "
            f"for each, because it is looked up; lower task.max_length"
        )


def image_size(task: Task) -> tuple[int, int]:
    """(height, width) in pixels."""
    height, width = np.shape(task.train.fields["pixels"])[1:]
    return int(height), int(width)
