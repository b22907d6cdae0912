"""Teachers and students that translate."""

import dataclasses
from pathlib import Path

from tensornet import TensorNetError
from tensornet.planning import layer_map

from ..tasks import Task
from ..tasks._vocabulary import read_vocabulary
from ..translation import _files
from ..translation._architecture import Architecture
from ..translation._network import TranslationNetwork
from ._fits import check_copied
from ._spec import Student, Teacher

STACKS = ("encoder", "decoder")


def new_translator(spec: Teacher, task: Task) -> TranslationNetwork:
    """Random weights, a function of the seed; for evaluation."""
    heads, units, decoder = spec.heads or 4, spec.feed_forward or 4 * spec.width, spec.decoder or spec.depth
    positions = task.train.limit or 0
    sizes = (task.classes, spec.depth, decoder, spec.width, heads, units, positions)
    return _files.build(Architecture(*sizes, spec.dropout, spec.tied), spec.seed).eval()


def load_translator(folder: Path, task: Task) -> TranslationNetwork:
    """A network that a run exported, for evaluation.

    raises: TensorNetError for another kind of network or task, another vocabulary, or too few positions
    """
    if task.kind != "translation":
        raise TensorNetError(
            f"load: {folder} is a translation network, needed another one, because task {task.name} is of {task.kind}; give one"
        )
    network = _files.read(folder)
    a, ours = network.architecture, task.tokenizer
    if ours is None or read_vocabulary(folder).to_str() != ours.to_str() or a.vocabulary != task.classes:
        raise TensorNetError(
            f"load: {folder} has a vocabulary of its own, of {a.vocabulary} pieces, and task {task.name} has another, of "
            f"{task.classes}, needed the same, because teacher and student speak of each piece by its number; leave "
            f"task.tokenizer out, so that the teacher's is taken"
        )
    longest = _longest(task)
    if a.positions < longest:
        raise TensorNetError(
            f"load: {folder} has {a.positions} positions and task {task.name} a sentence of {longest} pieces, needed a "
            f"position for each, because it is added to it; lower task.max_length, or take a teacher with more"
        )
    return network


def translation_student(spec: Student, teacher: TranslationNetwork, seed: int) -> TranslationNetwork:
    """As `make_student`: of its two stacks of layers each has a map of its own, by the same rule."""
    if spec.kind is not None:
        raise TensorNetError(
            f"student: kind={spec.kind!r} with a translation network as teacher, needed none, because such networks read "
            f"pixels; leave it out"
        )
    a = teacher.architecture
    width = spec.width or a.width
    units = spec.feed_forward or round(a.feed_forward * width / a.width)
    made = dataclasses.replace(
        a,
        encoder=spec.layers,
        decoder=spec.decoder or spec.layers,
        width=width,
        heads=spec.heads or a.heads,
        feed_forward=units,
    )
    student = _files.build(made, seed)
    if spec.start != "random":
        check_copied(_measures(made), _measures(a), spec.start)
        _copy(student, teacher, spec)
    return student


def _measures(a: Architecture) -> dict[str, int]:
    return {"width": a.width, "feed_forward": a.feed_forward, "heads": a.heads}


def _longest(task: Task) -> int:
    """Places of the longest sentence; of a translation, what is read is all of its row but one."""
    fields = [part.fields for part in (task.train, task.dev, task.test)]
    return max(len(row) - (name == "target_ids") for found in fields for name, rows in found.items() for row in rows)


def _copy(student: TranslationNetwork, teacher: TranslationNetwork, spec: Student) -> None:
    """Embeddings and norms become the teacher's, and with start="teacher" each layer that of its own by the map."""
    for stack in STACKS:
        own, theirs = getattr(student, stack), getattr(teacher, stack)
        if len(own.layers) > len(theirs.layers):
            raise TensorNetError(
                f"student: {len(own.layers)} layers for {len(theirs.layers)} of the teacher's {stack}, needed as many at most, "
                f"because each has a layer of its own to start from; set student.layers and student.decoder, or take a deeper "
                f"teacher"
            )
        around = {name: w for name, w in theirs.state_dict().items() if not name.startswith("layers.")}
        own.load_state_dict(around, strict=False)
        if spec.start == "teacher":
            for layer, j in zip(
                own.layers, layer_map(len(own.layers), len(theirs.layers), spec.layer_map), strict=True
            ):
                layer.load_state_dict(theirs.layers[j].state_dict())
