"""What a run asks of translation networks: texts to score, how long they take, and targets in place of the references."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save
from torch import Tensor

from tensornet.files._replace import replacing

from ..tasks import Examples, Task
from ..tasks._translations import Translations, retold
from ..tasks._vocabulary import decoded
from ._network import TranslationNetwork
from ._search import translations

SHARD = 1024  # sentences in a file: a kill costs the work on one of them


def texts(network: TranslationNetwork, examples: Examples, task: Task, beam: int, length_penalty: float) -> np.ndarray:
    """The translation of each example as text, (n,) of objects."""
    found = translations(network, list(examples.fields["input_ids"]), beam, length_penalty)
    written = np.empty(len(found), object)
    written[:] = decoded(task.tokenizer, [row.tolist() for row in found])
    return written


def translate_batch(
    network: TranslationNetwork, inputs: Mapping[str, Tensor], beam: int, length_penalty: float
) -> None:
    """Translate a batch, for the time it takes."""
    sources = [
        ids[mask.bool()].cpu().numpy() for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]
    translations(network, sources, beam, length_penalty)


def retold_by(
    network: TranslationNetwork,
    examples: Examples,
    beam: int,
    length_penalty: float,
    folder: Path,
    progress: Callable[[int, int], None],
) -> Translations:
    """The examples with the network's own translations for targets: sequence-level distillation.

    folder  in which they are kept: what of them is there is read, the rest worked out into it
    ref: Kim, Rush 2016, arXiv 1606.07947
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources, targets = list(examples.fields["input_ids"]), list[np.ndarray]()
    for start in range(0, len(examples), SHARD):
        path = folder / f"{start:08d}.safetensors"
        if not path.exists():
            found = translations(network, sources[start : start + SHARD], beam, length_penalty)
            with replacing(path) as file:
                file.write(save(_joined(found)))
        stored = load_file(path)
        targets += np.split(stored["pieces"], np.cumsum(stored["lengths"])[:-1])
        progress(len(targets), len(examples))
    return retold(examples, targets)


def _joined(rows: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {"pieces": np.concatenate(rows), "lengths": np.array([len(row) for row in rows], np.int64)}
