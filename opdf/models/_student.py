"""The smaller network, in the image of its teacher."""

import dataclasses
from typing import Any

from torch import nn

from tensornet import TensorNetError

from ..tasks import Task
from ..translation._network import TranslationNetwork
from . import _encoders, _images
from ._architecture import architecture
from ._fits import check_copied
from ._image import ImageNetwork
from ._spec import Student
from ._start import copy_around, copy_layers
from ._stream import student_seed
from ._translators import translation_student


def make_student(spec: Student, teacher: nn.Module, task: Task, seed: int) -> nn.Module:
    """A network of the teacher's family, or of another one where both are for images; on the CPU, for training.

    start="teacher"        embeddings, layers by the map, pooler and head are copies of the teacher's
    start="random-layers"  the same but for the layers, which are drawn from the seed
    start="random"         all weights are drawn from the seed, and sizes may differ
    raises: TensorNetError for sizes that cannot be, or cannot start from the teacher's layers
    """
    sizes = {"layers": spec.layers, "width": spec.width, "feed_forward": spec.feed_forward, "heads": spec.heads}
    sizes |= {"decoder": spec.decoder}
    wrong = [f"{name}={n}" for name, n in sizes.items() if n is not None and n < 1]
    if wrong:
        raise TensorNetError(
            f"student: {', '.join(wrong)}, needed at least 1, because these are sizes of a network; correct them"
        )
    if isinstance(teacher, TranslationNetwork):
        return translation_student(spec, teacher, student_seed(seed)).train()
    drawn = student_seed(seed)
    student = (
        _image_student(spec, teacher, drawn) if isinstance(teacher, ImageNetwork) else _encoder(spec, teacher, drawn)
    )
    if spec.start != "random":
        check_copied(_measures(student), _measures(teacher), spec.start)
    if spec.start == "teacher":
        copy_layers(student, teacher, spec.layer_map)
    elif spec.start == "random-layers":
        copy_around(student, teacher)
    return student.train()


def _image_student(spec: Student, teacher: ImageNetwork, seed: int) -> nn.Module:
    a = teacher.architecture
    kind, width = spec.kind or a.kind, spec.width or a.width
    if kind != a.kind:
        size = {"feed_forward": spec.feed_forward, "heads": spec.heads}
        return _images.build(architecture(kind, a.image, a.classes, spec.layers, width, **size), seed)
    units = spec.feed_forward or round(a.feed_forward * width / a.width)
    made = dataclasses.replace(a, depth=spec.layers, width=width, feed_forward=units, heads=spec.heads or a.heads)
    return _images.build(made, seed)


def _encoder(spec: Student, teacher: nn.Module, seed: int) -> nn.Module:
    if spec.kind is not None:
        raise TensorNetError(
            f"student: kind={spec.kind!r} with an encoder as teacher, needed none, because such networks read pixels; leave "
            f"it out"
        )
    config = _encoders.resized(teacher.config, spec.layers, spec.width, spec.feed_forward, spec.heads)
    if config.hidden_size % config.num_attention_heads:
        raise TensorNetError(
            f"student: {config.num_attention_heads} heads for width {config.hidden_size}, needed a divisor of it, because "
            f"each head has an equal part; set student.heads or student.width"
        )
    return _encoders.fresh(config, seed)


def _measures(network: nn.Module) -> dict[str, Any]:
    if isinstance(network, ImageNetwork):
        a = network.architecture
        return {"kind": a.kind, "width": a.width, "feed_forward": a.feed_forward, "heads": a.heads}
    c: Any = network.config
    return {"width": c.hidden_size, "feed_forward": c.intermediate_size, "heads": c.num_attention_heads}
