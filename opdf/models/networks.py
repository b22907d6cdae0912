"""Teachers and students: made, loaded and saved. PyTorch and Transformers are loaded with this module."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from tensornet import TensorNetError

from ..tasks import Task
from . import _encoders, _images
from ._image import Architecture, ImageNetwork
from ._latency import latency as latency
from ._outputs import answer as answer
from ._outputs import embed as embed
from ._outputs import layers as layers
from ._outputs import outputs as outputs
from ._outputs import run_layer as run_layer
from ._outputs import word_embeddings as word_embeddings
from ._spec import Student, Teacher
from ._start import copy_layers
from ._start import layer_pairs as layer_pairs


def load(source: str | Path, task: Task, seed: int = 0) -> nn.Module:
    """A Hugging Face encoder with a head for the task, or a network that `save` wrote; in float32, for evaluation.

    source  a folder, or a hub name of an encoder. A checkpoint without a head, or of a head for something else than
            sequences, gets one that is drawn from the seed
    raises: TensorNetError for another kind of model, incomplete ones, and such as do not fit the task
    """
    path = Path(source)
    config = _config(path)
    if _images.is_image_network(config):
        model: nn.Module = _images.read(path, config)
    elif task.kind == "images":
        raise TensorNetError(
            f"load: {source} holds no image network, needed one, because task {task.name} is of images; give a folder that a "
            f"run exported, or leave the source out for random weights"
        )
    else:
        model = _encoders.read(str(source), task, seed)
    _fits(model, task, str(source))
    return model.eval()


def make_teacher(spec: Teacher, task: Task) -> nn.Module:
    """`load` of its source, or an image network from random weights; for evaluation."""
    if spec.source is not None:
        return load(spec.source, task, spec.seed)
    if task.kind != "images":
        raise TensorNetError(
            f"teacher: no source for task {task.name}, needed the folder or hub name of a pretrained encoder, because texts "
            f"are not learnt from random weights; set teacher.source"
        )
    return _images.build(
        _images.architecture(spec.kind, _image(task), task.classes, spec.depth, spec.width), spec.seed
    ).eval()


def make_student(spec: Student, teacher: nn.Module, task: Task, seed: int) -> nn.Module:
    """A smaller network of the teacher's family, or of another one where both are for images; for training.

    start="teacher"  embeddings, layers by the map, pooler and head are copies of the teacher's
    start="random"   all weights are drawn from the seed, and sizes may differ
    raises: TensorNetError for sizes that cannot be, or cannot start from the teacher's layers
    """
    images = isinstance(teacher, ImageNetwork)
    _sizes({"layers": spec.layers, "width": spec.width, "feed_forward": spec.feed_forward, "heads": spec.heads})
    if spec.kind is not None and not images:
        raise TensorNetError(
            f"student: kind={spec.kind!r} with an encoder as teacher, needed none, because such networks read pixels; leave "
            f"it out"
        )
    student = _like(teacher, spec, seed) if images else _encoder_like(teacher, spec, seed)
    if spec.start == "teacher":
        _same_sizes(spec, teacher, student)
        copy_layers(student, teacher, spec.layer_map)
    return student.train()


def save(model: nn.Module, folder: str | Path, task: Task) -> None:
    """A folder for `load`; of an encoder also for AutoModelForSequenceClassification, its tokenizer beside it.

    It takes the place of an older one when it is complete.
    raises: TensorNetError where the system refuses
    """
    folder = Path(folder)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        if isinstance(model, ImageNetwork):
            _images.write(model, part)
        else:
            _encoders.write(cast(PreTrainedModel, model), part, task)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise TensorNetError(
            f"save: {folder} cannot be written ({error}), needed room and permission, because the model goes there; free some, "
            f"or choose another folder"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _like(teacher: nn.Module, spec: Student, seed: int) -> ImageNetwork:
    """An image network with random weights; what the specification leaves open is the teacher's."""
    a = cast(ImageNetwork, teacher).architecture
    kind, width = spec.kind or a.kind, spec.width or a.width
    if kind != a.kind:
        size: dict[str, Any] = {"feed_forward": spec.feed_forward, "heads": spec.heads}
    else:
        size = {
            "feed_forward": spec.feed_forward or round(a.feed_forward * width / a.width),
            "heads": spec.heads or a.heads,
        }
    return _images.build(_images.architecture(kind, a.image, a.classes, spec.layers, width, **size), seed)


def _encoder_like(teacher: nn.Module, spec: Student, seed: int) -> nn.Module:
    config = _encoders.shallower(teacher.config, spec.layers, spec.width, spec.feed_forward, spec.heads)
    if config.hidden_size % config.num_attention_heads:
        raise TensorNetError(
            f"student: {config.num_attention_heads} heads for width {config.hidden_size}, needed a divisor of it, because "
            f"each head has an equal part; set student.heads or student.width"
        )
    return _encoders.fresh(config, seed)


def _same_sizes(spec: Student, teacher: nn.Module, student: nn.Module) -> None:
    """Heads are in no shape, so they are looked at here; the rest is seen from the shapes as well, but said better here."""
    mine, theirs = (_measures(network) for network in (student, teacher))
    other = [f"{name}={mine[name]} (teacher: {theirs[name]})" for name in mine if mine[name] != theirs[name]]
    if other:
        raise TensorNetError(
            f"student: {', '.join(other)} with start='teacher', needed the teacher's own, because its layers are copied; set "
            f"student.start = 'random', or leave these out"
        )


def _measures(network: nn.Module) -> dict[str, Any]:
    if isinstance(network, ImageNetwork):
        a: Architecture = network.architecture
        return {"kind": a.kind, "width": a.width, "feed_forward": a.feed_forward, "heads": a.heads}
    c: Any = network.config
    return {"width": c.hidden_size, "feed_forward": c.intermediate_size, "heads": c.num_attention_heads}


def _sizes(given: dict[str, int | None]) -> None:
    wrong = [f"{name}={n}" for name, n in given.items() if n is not None and n < 1]
    if wrong:
        raise TensorNetError(
            f"student: {', '.join(wrong)}, needed at least 1, because these are sizes of a network; correct the section "
            f"[student]"
        )


def _config(path: Path) -> dict[str, Any]:
    """config.json of a folder; {} where there is none, which is for Transformers to judge."""
    try:
        found = json.loads((path / _images.CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _image(task: Task) -> tuple[int, int]:
    height, width = np.shape(task.train.fields["pixels"])[1:]
    return int(height), int(width)


def _fits(model: nn.Module, task: Task, source: str) -> None:
    if not isinstance(model, ImageNetwork):
        _encoders.check_tokens(source, model, task)
        return
    if task.kind != "images":
        raise TensorNetError(
            f"load: {source} is an image network, needed an encoder, because task {task.name} is of texts; give one"
        )
    a = model.architecture
    if (a.image, a.classes) != (_image(task), task.classes):
        raise TensorNetError(
            f"load: {source} is for images {a.image} of {a.classes} classes, needed {_image(task)} of {task.classes}, because "
            f"task {task.name} has these; take a network that was trained on it"
        )
