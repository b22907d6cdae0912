"""A compressed model in a folder: model.safetensors and, of a model of Transformers, its config.json. No pickle."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tensornet import TensorNetError
from tensornet.files._compressed import KEY, read_note
from tensornet.files._folder import WEIGHTS
from tensornet.files._replace import replacing

from ._factorized import factorized_weights
from ._hosts import is_pretrained, skeleton
from ._replace import Filled, Planned, factorized, note_of, planned
from ._tensors import assign, named_tensors, read

CONFIG = "config.json"


def save_pretrained(model: nn.Module, folder: str | os.PathLike[str]) -> None:
    """Write a compressed model for `from_pretrained`: factors, all its other tensors, and the formats.

    A model of Transformers is written by its own `save_pretrained`, which may as well be called directly: the formats are in
    its config. Any other is one file, written whole or not at all.
    raises: TensorNetError if nothing of it is factorised, or a module has a get_extra_state; OSError where the system refuses
    """
    if not (isinstance(model, nn.Module) and factorized_weights(model)):
        raise TensorNetError(
            f"save_pretrained: got a {type(model).__name__} without a factorised weight, needed what compress gave, because a "
            f"dense model has a file format of its own; save its state_dict"
        )
    folder, named = Path(folder), named_tensors("save_pretrained", model)
    if is_pretrained(model):
        model.save_pretrained(folder)  # type: ignore[operator]
        return
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {names[0]: t.detach().contiguous() for names, t in named.items()}
    with replacing(folder / WEIGHTS) as file:
        file.write(save(tensors, {KEY: json.dumps(note_of(model))}))


def from_pretrained(
    folder: str | os.PathLike[str],
    model: nn.Module | Callable[[], nn.Module] | None = None,
    *,
    memory: int | None = None,
) -> nn.Module:
    """The compressed model of a folder that `save_pretrained` wrote, ours or Transformers'.

    folder  a local path; nothing is fetched
    model   the dense model whose place it takes, whatever its weights (a meta device will do), or what makes one. None for a
            model of Transformers, whose class and config are in the folder
    memory  as in `compress`
    returns: in eval mode, with the dtypes of the file, on the device of `model` (of a meta device, on the CPU)
    raises: TensorNetError for a folder that something else wrote, or that belongs to another model
    """
    folder = Path(folder)
    tensors, texts = read(folder)
    has_config = KEY not in texts and (folder / CONFIG).is_file()  # a file of ours says it all
    config = _json(folder / CONFIG, (folder / CONFIG).read_text()) if has_config else {}
    if KEY not in config and KEY not in texts:
        raise TensorNetError(
            f"from_pretrained: {folder} notes no formats, in {CONFIG} or in {WEIGHTS}, needed, because they say which weights "
            f"are factorised and how; give a folder that was saved of a compressed model, and load a dense one as ever"
        )
    where = folder / (CONFIG if KEY in config else WEIGHTS)
    plan, errors = read_note(str(where), config.get(KEY) or _json(where, texts[KEY]))
    if model is None:
        model = skeleton(folder, config)
    elif not isinstance(model, nn.Module):
        model = model()
    who = f"from_pretrained: {folder}"

    def empty(w: Planned) -> Filled:
        return [torch.empty(shape, device="meta") for shape in w.format.shapes], errors[w.name]

    small = factorized(model, planned(model, plan, who), empty, who=who, memory=memory)
    assign(small, tensors, folder)
    return small.eval()


def _json(path: Path, text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise TensorNetError(
            f"from_pretrained: {path} holds no JSON object ({error}), needed one, because the formats are noted in it; save "
            f"the model again"
        ) from error
