"""What a run exports, as it is used: text in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..tasks._vocabulary import decoded, read_vocabulary
from ._files import read
from ._network import TranslationNetwork
from ._search import translations


@dataclass(frozen=True, eq=False)
class Translator:
    """A network and its tokenizer."""

    network: TranslationNetwork
    tokenizer: Any

    def translate(self, sentences: Sequence[str], beam: int = 5, length_penalty: float = 1.0) -> list[str]:
        """The translation of each sentence, as text.

        beam            beginnings of each translation that go on together; 1: the likeliest piece at each step
        length_penalty  α of the score Σ log p / n^α
        raises: TensorNetError for a sentence of more pieces than the network has positions
        """
        sources = [np.array(found.ids, np.int64) for found in self.tokenizer.encode_batch(list(sentences))]
        return decoded(
            self.tokenizer, [row.tolist() for row in translations(self.network, sources, beam, length_penalty)]
        )


def load(folder: str | Path) -> Translator:
    """The translator in the folder `student` of a run.

    raises: TensorNetError for a folder of something else
    """
    return Translator(read(Path(folder)), read_vocabulary(Path(folder)))
