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

from ..tasks import Task
from ._checkpoint import check_report, check_type
from ._seeded import seeded
from ._spec import Head

UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError)


def read(source: str, task: Task, seed: int, head: Head) -> PreTrainedModel:
    """The model of a folder or a hub name; what its head lacks is drawn from the seed, where `head` says that it may be.

    raises: TensorNetError for another kind of model; where tensors are missing, nobody's, or of another shape
    """
    with _readable(source), quiet():
        config = AutoConfig.from_pretrained(source)
    check_type(source, config)
    labels = [name for _, name in sorted(config.id2label.items())]  # a file may name them in any order
    _fit(config, task)
    with _readable(source), quiet(), seeded(seed):
        model, report = AutoModelForSequenceClassification.from_pretrained(
            source, config=config, output_loading_info=True, ignore_mismatched_sizes=True, dtype=torch.float32
        )
    check_report(source, model.state_dict(), report, labels, task, f"{model.base_model_prefix}.", head)
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
    """Without progress bars and Transformers' table of missing tensors, which `check_report` judges."""
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
