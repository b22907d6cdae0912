"""Teachers, and students that were exported."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from tensornet import TensorNetError

from ..tasks import Task
from ..translation._architecture import is_translation_network
from . import _encoders, _images
from ._architecture import architecture_of
from ._fits import check_image, check_tokens, image_size
from ._image import ImageNetwork
from ._spec import Head, Teacher
from ._translators import load_translator, new_translator


def load(source: str | Path, task: Task, seed: int = 0, *, head: Head = "fresh") -> nn.Module:
    """A Hugging Face encoder with a head for the task, or a network that `save` wrote; float32, on the CPU, for evaluation.

    source  a folder, or a hub name of an encoder. A checkpoint without a head for sequences gets one that is drawn from seed
    head    what a head of an encoder has to be
    raises: TensorNetError for another kind of model, incomplete ones, and such as do not fit the task
    """
    config = _config(Path(source))
    if task.kind == "translation" or is_translation_network(config):
        return load_translator(Path(source), task)
    if _images.is_image_network(config):
        network = _images.read(Path(source), config)
        check_image(network.architecture, task, source)
        return network.eval()
    if task.kind == "images":
        raise TensorNetError(
            f"load: {source} holds no image network, needed one, because task {task.name} is of images; give a folder that a "
            f"run exported, or leave teacher.source out for random weights"
        )
    encoder = _encoders.read(str(source), task, seed, head)
    tables: Any = encoder.base_model.embeddings
    rows = {"input_ids": tables.word_embeddings, "token_type_ids": tables.token_type_embeddings}
    unused = (
        tables.padding_idx + 1 if hasattr(tables, "padding_idx") else 0
    )  # RoBERTa's begin after that of the padding
    positions = tables.position_embeddings.num_embeddings - unused
    check_tokens({field: table.num_embeddings for field, table in rows.items()}, positions, task, source)
    return encoder.eval()


def make_teacher(spec: Teacher, task: Task, *, head: Head = "fresh") -> nn.Module:
    """`load` of its source, or a network for images or translation with random weights; for evaluation."""
    if spec.source is not None:
        return load(spec.source, task, spec.seed, head=head)
    if task.kind == "translation":
        return new_translator(spec, task)
    if task.kind != "images":
        raise TensorNetError(
            f"teacher: no source for task {task.name}, needed the folder or hub name of a pretrained encoder, because a "
            f"language is not learnt from a task; set teacher.source"
        )
    network: ImageNetwork = _images.build(architecture_of(spec, image_size(task), task.classes), spec.seed)
    return network.eval()


def _config(folder: Path) -> dict[str, Any]:
    """config.json of a folder; {} where there is none that can be read, of which Transformers says why."""
    try:
        found = json.loads((folder / _images.CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
