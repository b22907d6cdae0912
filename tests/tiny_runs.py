"""Configurations of runs that end in seconds, on files written for them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import task_files
import torch
from transformers import BertConfig, BertModel

from opdf.distill import Config, parsed
from opdf.distill._loop import Told


def images(folder: Path, **overrides: Any) -> Config:
    """A residual student of one block, its teacher of two, 60 images."""
    data = folder / "fashion"
    if not data.exists():
        task_files.fashion_mnist(data)
    table = {
        "out": str(folder / "run"),
        "cache": str(folder / "cache"),
        "task": {"name": "fashion_mnist", "folder": str(data), "dev_size": 10},
        "teacher": {"depth": 2, "width": 8, "epochs": 1.0, "lr": 1e-2},
        "student": {"layers": 1, "start": "random"},
        "opdf": {"on": True, "cores": 3, "alignment": 1.0, "resync_every": 4},
        "training": {
            "epochs": 2.0,
            "batch_size": 10,
            "lr": 1e-2,
            "evaluations": 2,
            "checkpoint_every": 3,
            "threads": 1,
        },
    }
    return parsed(table, {key.replace("__", "."): value for key, value in overrides.items()})


def texts(folder: Path, **overrides: Any) -> Config:
    """A BERT of four layers and width 8 as teacher, two of its layers as student, 40 pairs of sentences."""
    data, encoder = folder / "mrpc", folder / "encoder"
    if not data.exists():
        task_files.mrpc(data)
        write_encoder(encoder)
    table = {
        "out": str(folder / "run"),
        "cache": str(folder / "cache"),
        "task": {"name": "mrpc", "folder": str(data)},
        "teacher": {"source": str(encoder), "epochs": 1.0, "lr": 1e-3},
        "student": {"layers": 2},
        "opdf": {"on": True, "cores": 3, "alignment": 1.0},
        "training": {"epochs": 2.0, "batch_size": 8, "lr": 1e-3, "evaluations": 2, "checkpoint_every": 3, "threads": 1},
    }
    return parsed(table, {key.replace("__", "."): value for key, value in overrides.items()})


def write_encoder(folder: Path, **changes: Any) -> Path:
    """A folder of Hugging Face: a small BERT with random weights, and its tokenizer."""
    task_files.tokenizer(folder)
    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    torch.manual_seed(0)
    rest = {"vocab_size": 5 + len(task_files.WORDS), "max_position_embeddings": 64}
    BertModel(BertConfig(**{**sizes, **rest, **changes})).save_pretrained(folder)
    return folder


def translations(folder: Path, **overrides: Any) -> Config:
    """Two and two layers of width 16 as teacher, two and one as student, 40 sentences of toy German."""
    data = folder / "parallel"
    if not data.exists():
        task_files.parallel(data)
    table = {
        "out": str(folder / "run"),
        "cache": str(folder / "cache"),
        "task": {"name": "translation", "folder": str(data), "vocabulary": 300, "max_length": 20},
        "teacher": {"depth": 2, "width": 16, "heads": 2, "feed_forward": 16, "epochs": 1.0, "lr": 1e-2},
        "student": {"layers": 2, "decoder": 1},
        "translation": {"beam": 2},
        "training": {
            "epochs": 2.0,
            "batch_size": 10,
            "lr": 1e-2,
            "evaluations": 2,
            "checkpoint_every": 3,
            "threads": 1,
        },
    }
    return parsed(table, {key.replace("__", "."): value for key, value in overrides.items()})


class Killed(Exception):
    """In the place of a kill: nothing in the run catches it."""


def killed_at(moments: Iterable[tuple[str, int]]) -> tuple[Told, set[tuple[str, int]]]:
    """A listener that ends the run at these (phase, done), each once; and those to come."""
    left = set(moments)

    def told(phase: str, done: int, total: int, said: str) -> None:
        if (phase, done) in left:
            left.remove((phase, done))
            raise Killed

    return told, left
