"""Translation networks made, written and read: config.json, model.safetensors, and tokenizer.json beside them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tensornet import TensorNetError
from tensornet.files._folder import WEIGHTS, whole

from ..models._architecture import CONFIG
from ..models._fits import check_tensors
from ..models._seeded import seeded
from ..tasks._vocabulary import TOKENIZER
from ._architecture import Architecture, described, is_translation_network
from ._network import TranslationNetwork


def build(description: Architecture, seed: int) -> TranslationNetwork:
    """With random weights, a function of the seed; torch's generator is left as it was."""
    with seeded(seed):
        return TranslationNetwork(description)


def write(network: TranslationNetwork, folder: Path, tokenizer: Any) -> None:
    """Into an existing folder."""
    (folder / CONFIG).write_text(json.dumps(asdict(network.architecture), indent=2) + "\n")
    (folder / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
    save_file({n: t.detach().contiguous() for n, t in network.state_dict().items()}, folder / WEIGHTS, {"format": "pt"})


def read(folder: Path) -> TranslationNetwork:
    """What `write` wrote, for evaluation.

    raises: TensorNetError for a folder of something else
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TensorNetError(
            f"load: {path} cannot be read ({error}), needed the folder of a translation network, because it is made by its "
            f"config.json; give one that a run exported"
        ) from None
    if not isinstance(config, dict) or not is_translation_network(config):
        raise TensorNetError(
            f"load: {path} is of no translation network, needed one, because it is to translate; take the folder `student` of "
            f"a run with task.name = 'translation'"
        )
    network = build(described(config, path), seed=0)
    with whole(folder / WEIGHTS, "load", SafetensorError):
        stored = load_file(folder / WEIGHTS)
    own, found = ({name: tuple(t.shape) for name, t in x.items()} for x in (network.state_dict(), stored))
    check_tensors(own, found, folder)
    network.load_state_dict(stored)
    return network.eval()
