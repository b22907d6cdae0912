"""Sentences and their translations as ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensornet import TensorNetError

from ._source import Part
from ._task import Examples, padded
from ._vocabulary import BOS, EOS, PAD

QUOTED = 40  # characters of a sentence that is refused


@dataclass(frozen=True, eq=False)
class Translations(Examples):
    """n sentences and their translations.

    fields  "input_ids", pieces and EOS, and "target_ids", BOS, pieces and EOS, of each: n one-dimensional int64 arrays each
    labels  the translations as texts (n,), which are what scores compare with
    """

    def grouped(self, asked: bool) -> np.ndarray:
        """By the longer side, always."""
        sides = (self.fields["input_ids"], self.fields["target_ids"])
        return np.array([[len(row) for row in rows] for rows in sides], np.int64).max(0)

    def batch(self, index: np.ndarray | Sequence[int], multiple: int = 1) -> dict[str, np.ndarray]:
        """For the encoder "input_ids" and "attention_mask" (batch, length); for the decoder "target_ids" and "target_mask"
        (batch, target length), all of each translation but its EOS.
        """
        index = self._some(index)
        sources, targets = ([self.fields[name][n] for n in index] for name in ("input_ids", "target_ids"))
        ids, mask = padded(sources, multiple, self.limit, PAD)
        read, read_mask = padded([row[:-1] for row in targets], multiple, self.limit, PAD)
        return {"input_ids": ids, "attention_mask": mask, "target_ids": read, "target_mask": read_mask}

    def targets(self, index: np.ndarray | Sequence[int]) -> np.ndarray:
        """What follows each place that `batch` has 1 for in "target_mask", sentence after sentence: (Σ target lengths,)."""
        rows = self.fields["target_ids"]
        return np.concatenate([rows[n][1:] for n in self._some(index)])


def translations(tokenizer: Any, part: Part, max_length: int) -> Translations:
    """Both sides of each pair as ids.

    raises: TensorNetError for a sentence of more than max_length pieces: a part of it has no part of its translation
    """
    sources, targets = (
        [np.array(found.ids, np.int64) for found in tokenizer.encode_batch(list(column))]
        for column in (part.inputs[0], part.labels)
    )
    sides = ((part.inputs[0], sources), (part.labels, targets))
    length, longest = max((len(ids), text) for side in sides for text, ids in zip(*side, strict=True))
    if length > max_length:
        beginning = longest if len(longest) <= QUOTED else f"{longest[:QUOTED]}…"
        raise TensorNetError(
            f"translation: {beginning!r} of {part.name} has {length} pieces, needed {max_length} at most, because there are "
            f"that many positions, and half a sentence is not translated by half of its translation; raise task.max_length, "
            f"or leave the pair out"
        )
    begun = [np.concatenate([[BOS], row]) for row in targets]
    return Translations({"input_ids": sources, "target_ids": begun}, part.labels, PAD, max_length)


def retold(examples: Examples, targets: Sequence[np.ndarray]) -> Translations:
    """The same sentences with other translations, pieces without BOS and EOS; the texts to compare with stay."""
    rows = [np.concatenate([[BOS], row, [EOS]]).astype(np.int64) for row in targets]
    fields = {**examples.fields, "target_ids": rows}
    return Translations(fields, examples.labels, examples.pad_id, examples.limit)
