"""Stage 2: a compact student that another run has trained, with the head of a teacher that knows the task."""

import copy
import os
from typing import Any, cast

from torch import nn

import tensornet_torch as tnt
from tensornet import TensorNetError

SAME = ("model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
HEAD = ("id2label", "label2id", "problem_type")


def gone_on(folder: str | os.PathLike[str], dense: nn.Module) -> nn.Module:
    """The compressed encoder in `folder`, with the classifier of `dense` and its labels; for training.

    folder  as `tensornet_torch.save_pretrained` and a run's `compact` are
    dense   the student as it would begin without it: the teacher's sizes and head
    raises: TensorNetError for another vocabulary, width, depth, number of heads; for a folder that is not of a compressed model
    """
    small = cast(Any, tnt.from_pretrained(folder))
    theirs, own = small.config, cast(Any, dense).config
    if unlike := [f"{n} {getattr(theirs, n, None)} for {getattr(own, n)}" for n in SAME if _other(theirs, own, n)]:
        raise TensorNetError(
            f"student: {os.fspath(folder)} has {', '.join(unlike)}, needed the student's own, because it goes on with those "
            f"tokens and layers, and heads are in no shape; take the teacher that it was compressed from, fine-tuned, and set "
            f"student.layers"
        )
    if not hasattr(small, "classifier"):
        raise TensorNetError(
            f"student: {os.fspath(folder)} holds a {type(small).__name__} without a classifier, needed one for sequences, "
            f"because the teacher's takes its place; compress an AutoModelForSequenceClassification"
        )
    small.classifier, small.num_labels = copy.deepcopy(cast(Any, dense).classifier), own.num_labels
    for name in HEAD:
        setattr(theirs, name, copy.deepcopy(getattr(own, name)))
    return cast(nn.Module, small.train())


def _other(theirs: Any, own: Any, name: str) -> bool:
    return bool(getattr(theirs, name, None) != getattr(own, name))
