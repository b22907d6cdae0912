"""Which checkpoints of Hugging Face are taken, and which of their tensors may be missing or left over."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tensornet import TensorNetError
from tensornet._errors import some

from ..tasks import Task
from ._spec import Head

TYPES = ("bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta")
"""`model_type` of the encoders that are taken apart here: layers of one kind, one after the other, absolute positions."""

# Tensors that a checkpoint may lack, whole groups of them, and then get random values ...
FRESH = ("classifier.", "pooler.")
# ... and those that it may have in vain: heads of other tasks, and positions 0, 1, …, which older files hold
HEADS = ("cls.", "lm_head.", "qa_outputs.", "discriminator_predictions.", "generator_")
NUMBERED = re.compile(r"(label_)?\d+")  # names of labels that say their place alone
UNUSED = (*HEADS, "pooler.", "embeddings.position_ids")


def check_type(source: str, config: Any) -> None:
    decodes = getattr(config, "is_decoder", False)
    if config.model_type not in TYPES or decodes:
        raise TensorNetError(
            f"load: {source} is a model of type {config.model_type!r}{' for decoding' * decodes}, needed an encoder, "
            f"one of {', '.join(TYPES)}, because its layers are run one by one; take such a model"
        )


def check_report(
    source: str,
    own: Collection[str],
    report: Mapping[str, Any],
    labels: Sequence[str],
    task: Task,
    prefix: str,
    head: Head = "fresh",
) -> None:
    """Judge what was found of a model's tensors.

    own     their names; prefix is what those of the encoder begin with, where there is a head beside it
    report  missing_keys, unexpected_keys, and mismatched_keys (name, shape in the file, the model's)
    labels  names of the checkpoint's labels
    head    what one has to be
    """
    own = {name.removeprefix(prefix) for name in own}
    missing = {name.removeprefix(prefix) for name in report["missing_keys"]}
    groups = [{n for n in own if n.startswith(group)} for group in FRESH]
    lost = missing.difference(*(group for group in groups if group <= missing))
    surplus = [n for n in report["unexpected_keys"] if not n.removeprefix(prefix).startswith(UNUSED)]
    unlike = [f"{name} {tuple(theirs)}" for name, theirs, _ in report["mismatched_keys"]]
    if not groups[0] <= missing:
        _check_labels(source, labels, unlike, task, head != "fresh")
    elif head == "needed":
        raise TensorNetError(
            f"load: {source} has no head for task {task.name}, needed one, because teacher.epochs = 0 takes it as it is, and "
            f"random weights would answer; give teacher.epochs above 0, or the folder of a fine-tuned encoder"
        )
    if lost or surplus or unlike:
        raise TensorNetError(
            f"load: {source} lacks {some(sorted(lost))}, has nobody's {some(sorted(surplus))}, and of another shape than its "
            f"config.json says {some(unlike)}; needed the tensors of an encoder, with a head or without, because none may "
            f"keep a random value or be lost; save it again with save_pretrained"
        )


def _check_labels(source: str, labels: Sequence[str], unlike: list[str], task: Task, taken: bool) -> None:
    """That a head has the task's classes, and, where both have the same names, in the same order; of one that is `taken`
    as it is, names that say something have to be the task's.
    """
    if unlike and len(labels) != task.classes:
        raise TensorNetError(
            f"load: {source} has a head for {len(labels)} labels ({some(unlike)}), needed {task.classes}, because task "
            f"{task.name} has as many; take a teacher of this task, or the encoder without its head"
        )
    theirs, ours = [name.lower() for name in labels], [name.lower() for name in task.label_names]
    named = ours and not all(NUMBERED.fullmatch(name) for name in theirs)
    if taken and named and sorted(theirs) != sorted(ours):
        raise TensorNetError(
            f"load: {source} has labels {', '.join(theirs)} and task {task.name} has {', '.join(ours)}, needed the same names, "
            f"because teacher.epochs = 0 takes its answers as they are, and which label is which cannot be told; give it the "
            f"task's names in id2label, or label_0, label_1 … if its order is the task's"
        )
    if theirs != ours and sorted(theirs) == sorted(ours):
        raise TensorNetError(
            f"load: {source} has labels {', '.join(theirs)} and task {task.name} has {', '.join(ours)}, needed the same order, "
            f"because a logit is known by its place; reorder the rows of its head and id2label, or take it without its head"
        )
