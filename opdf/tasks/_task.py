"""Examples ready for a model, and a task made of them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tensornet import TensorNetError


@dataclass(frozen=True, eq=False)
class Examples:
    """n examples and their labels.

    fields  text: "input_ids" and, where the tokenizer gives them, "token_type_ids": n one-dimensional int64 arrays each;
            images: "pixels", float32 (n, height, width), normalised
    labels  int64 (n,); float32 (n,) where a number is predicted
    pad_id  what fills up input_ids in a batch
    limit   tokens that no batch exceeds, however it is rounded up
    """

    fields: Mapping[str, Sequence[np.ndarray] | np.ndarray]
    labels: np.ndarray
    pad_id: int = 0
    limit: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray | None:
        """Tokens of each example, int64 (n,); None for images."""
        ids = self.fields.get("input_ids")
        return None if ids is None else np.array([len(row) for row in ids], np.int64)

    def grouped(self, asked: bool) -> np.ndarray | None:
        """By which numbers (n,) alike examples are put into one batch; None: they are not."""
        return self.lengths if asked else None

    def batches(self, rows: np.ndarray, size: int) -> tuple[list[np.ndarray], np.ndarray]:
        """These examples, `size` in a batch, where order does not matter: texts from the shortest to the longest; and where
        each of `rows` is in all batches one after another.
        """
        order = np.arange(len(rows)) if self.lengths is None else np.argsort(self.lengths[rows], kind="stable")
        return np.split(rows[order], range(size, len(order), size)), np.argsort(order)

    def take(self, index: np.ndarray | Sequence[int]) -> "Examples":
        """The examples at these places, in this order, or where a mask is True."""
        index = self._places(index)
        return replace(self, fields={k: _at(v, index) for k, v in self.fields.items()}, labels=self.labels[index])

    def batch(self, index: np.ndarray | Sequence[int], multiple: int = 8) -> dict[str, np.ndarray]:
        """The inputs of a model for these examples, (batch, length) each, or pixels (batch, height, width).

        Text is padded on the right to the longest of the batch, rounded up to `multiple`, which bounds the number of shapes
        that a compiler sees; "attention_mask" is 1 for tokens and 0 for padding, int64.
        """
        index = self._some(index)
        if self.lengths is None:
            return {k: np.asarray(_at(v, index)) for k, v in self.fields.items()}
        pads = {name: self.pad_id if name == "input_ids" else 0 for name in self.fields}
        found = {name: padded(_at(v, index), multiple, self.limit, pads[name]) for name, v in self.fields.items()}
        return {"attention_mask": found["input_ids"][1]} | {name: ids for name, (ids, _) in found.items()}

    def targets(self, index: np.ndarray | Sequence[int]) -> np.ndarray:
        """What a model's outputs for `batch` are held to: the labels; of translations the pieces."""
        return self.labels[self._places(index)]

    def _some(self, index: np.ndarray | Sequence[int]) -> np.ndarray:
        index = self._places(index)
        if not len(index):
            raise TensorNetError("Examples: a batch of no examples, needed one at least; leave out the empty batch")
        return index

    def _places(self, index: np.ndarray | Sequence[int]) -> np.ndarray:
        return np.arange(len(self))[index if isinstance(index, np.ndarray) else np.asarray(index, np.int64)]


def padded(rows: Sequence[np.ndarray], multiple: int, limit: int | None, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of ids, filled up on the right to the longest rounded up to `multiple`, and 1 where they were; int64."""
    lengths = np.array([len(row) for row in rows], np.int64)
    longest = int(lengths.max())
    width = max(longest, min(-longest // multiple * -multiple, limit or np.iinfo(np.int64).max))
    mask = np.arange(width) < lengths[:, None]
    ids = np.full(mask.shape, pad, np.int64)
    ids[mask] = np.concatenate(rows)  # row after row, as the mask's True entries lie
    return ids, mask.astype(np.int64)


def _at(rows: Sequence[np.ndarray] | np.ndarray, index: np.ndarray) -> Any:
    return rows[index] if isinstance(rows, np.ndarray) else [rows[n] for n in index]


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learnt.

    classes      outputs of the model; 1 where a number is predicted; translation: pieces of the vocabulary
    label_names  of the classes, in order; empty where a number is predicted, and of pieces
    metrics      what `scores` gives; the first one chooses between models
    splits       where train, dev and test come from, in one sentence, for the model card
    tokenizer    of transformers, translation: of tokenizers, to be saved beside the student; None for images
    """

    name: str
    kind: Literal["text", "images", "translation"]
    classes: int
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    train: Examples
    dev: Examples
    test: Examples
    splits: str
    tokenizer: Any | None = None

    def digest(self, part: str) -> str:
        """SHA-256 over the fields and labels of "train", "dev" or "test": the key of what a teacher says about them."""
        if part not in ("train", "dev", "test"):
            raise TensorNetError(f"Task {self.name}: no part {part!r}; take train, dev or test")
        examples: Examples = getattr(self, part)
        sha = hashlib.sha256(f"{self.kind} {examples.pad_id}".encode())
        for name, rows in sorted(examples.fields.items()):
            ragged = not isinstance(rows, np.ndarray)
            _update(sha, name, np.concatenate(rows) if ragged else np.asarray(rows))
            _update(sha, "lengths", np.array([len(r) for r in rows] if ragged else []))
        texts = examples.labels.dtype == object
        _update(sha, "labels", _bytes(examples.labels) if texts else examples.labels)
        return sha.hexdigest()


def _bytes(texts: np.ndarray) -> np.ndarray:
    return np.frombuffer("\n".join(texts).encode(), np.uint8)


def _update(sha: Any, name: str, array: np.ndarray) -> None:
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    sha.update(f"{name} {little.dtype.str} {little.shape} ".encode())
    sha.update(little.data)
