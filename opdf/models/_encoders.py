"""Encoders of Hugging Face with a head for sequences: from a folder or a hub name, or fresh from a configuration."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.utils import logging

from tensornet import TensorNetError
from tensornet._errors import some

from ..tasks import Task
from ._seeded import seeded

TYPES = ("bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta")
"""`model_type` of the encoders that are taken apart here: post-norm layers of one kind, absolute positions."""

UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError)

# Tensors that a checkpoint may lack, whole groups of them, and then get random values ...
FRESH = ("classifier.", "pooler.")
# ... and those that it may have in vain: heads of other tasks, and positions 0, 1, …, which older files hold
UNUSED = (
    "cls.",
    "lm_head.",
    "qa_outputs.",
    "discriminator_predictions.",
    "generator_",
    "pooler.",
    "embeddings.position_ids",
)


def read(source: str, task: Task, seed: int) -> PreTrainedModel:
    """The model of a folder or a hub name; what its head lacks is drawn from the seed.

    raises: TensorNetError for another kind of model; where tensors are missing, nobody's, or of another shape
    """
    with _readable(source), quiet():
        config = AutoConfig.from_pretrained(source)
    _check_config(source, config, task)
    labels = config.num_labels
    _fit(config, task)
    with _readable(source), quiet(), seeded(seed):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source, config=config, output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32
        )
    _check_report(source, model, report, labels, task)
    return model


def fresh(config: Any, seed: int) -> PreTrainedModel:
    """Random weights as Transformers draws them, a function of the seed."""
    with quiet(), seeded(seed):
        return AutoModelForSequenceClassification.from_config(config)


def resized(config: Any, layers: int, width: int | None, feed_forward: int | None, heads: int | None) -> Any:
    """A student's configuration: the teacher's but for these; feed-forward layers in proportion to the width."""
    made = copy.deepcopy(config)
    made.num_hidden_layers, made.hidden_size = layers, width or config.hidden_size
    made.intermediate_size = feed_forward or round(config.intermediate_size * made.hidden_size / config.hidden_size)
    made.num_attention_heads = heads or config.num_attention_heads
    return made


def write(model: PreTrainedModel, folder: Path, tokenizer: Any) -> None:
    """Model and tokenizer into an existing folder."""
    with quiet():
        model.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


@contextmanager
def _readable(source: str) -> Iterator[None]:
    """Whatever Transformers raises where it cannot read a model, in one sentence."""
    try:
        yield
    except UNREADABLE as error:
        raise TensorNetError(
            f"load: {source} cannot be read ({_first_line(error)}), needed the folder or hub name of a Hugging Face encoder, "
            f"or the folder of a network that a run exported; check the path, or download the model again"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and Transformers' table of missing tensors, which `_check_report` judges."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _fit(config: Any, task: Task) -> None:
    """Number and names of labels, and the kind of problem, which Transformers would guess from the first labels it sees."""
    config.id2label = dict(enumerate(task.label_names or [f"LABEL_{n}" for n in range(task.classes)]))
    config.label2id = {name: n for n, name in config.id2label.items()}
    config.problem_type = "regression" if task.classes == 1 else "single_label_classification"


def _check_config(source: str, config: Any, task: Task) -> None:
    if config.model_type not in TYPES:
        raise TensorNetError(
            f"load: {source} is a model of type {config.model_type!r}, needed one of {', '.join(TYPES)}, because its layers "
            f"are run one by one; take such an encoder"
        )
    theirs, ours = [name.lower() for name in config.id2label.values()], [name.lower() for name in task.label_names]
    if theirs != ours and sorted(theirs) == sorted(ours):
        raise TensorNetError(
            f"load: {source} has labels {', '.join(theirs)} and task {task.name} has {', '.join(ours)}, needed the same order, "
            f"because a logit is known by its place; reorder the rows of its head and id2label, or take it without its head"
        )


def _check_report(source: str, model: PreTrainedModel, report: dict[str, Any], labels: int, task: Task) -> None:
    prefix = f"{model.base_model_prefix}."
    own = {name.removeprefix(prefix) for name in model.state_dict()}
    missing = {name.removeprefix(prefix) for name in report["missing_keys"]}
    groups = [{n for n in own if n.startswith(group)} for group in FRESH]
    lost = missing.difference(*(group for group in groups if group <= missing))
    surplus = [n for n in report["unexpected_keys"] if not n.removeprefix(prefix).startswith(UNUSED)]
    unlike = [f"{name} {tuple(theirs)}" for name, theirs, _ in report["mismatched_keys"]]
    if unlike and labels != task.classes:
        raise TensorNetError(
            f"load: {source} has a head for {labels} labels ({some(unlike)}), needed {task.classes}, because task {task.name} "
            f"has as many; take a teacher of this task, or the encoder without its head"
        )
    if lost or surplus or unlike:
        raise TensorNetError(
            f"load: {source} lacks {some(sorted(lost))}, has nobody's {some(sorted(surplus))}, and of another shape than its "
            f"config.json says {some(unlike)}; needed the tensors of an encoder, with a head or without, because none may "
            f"keep a random value or be lost; save it again with save_pretrained"
        )
