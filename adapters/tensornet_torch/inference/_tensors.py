"""The tensors of a module by name, tied ones once; out of safetensors files and into a module."""

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _EXTRA_STATE_KEY_SUFFIX

from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.files._folder import weight_files, whole


def named_tensors(who: str, model: nn.Module) -> dict[tuple[str, ...], Tensor]:
    """All names of a tensor → the tensor, of parameters and of the buffers that are saved."""
    names: dict[int, list[str]] = {}
    tensors = model.state_dict(keep_vars=True)
    if extra := [name for name in tensors if name.endswith(_EXTRA_STATE_KEY_SUFFIX)]:
        raise TensorNetError(
            f"{who}: {some(extra)} is what get_extra_state gives, needed parameters and buffers alone, because a file of "
            f"tensors has no place for it and it would be lost; make it a buffer"
        )
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), []).append(name)
    return {tuple(alike): tensors[alike[0]] for alike in names.values()}


def assign(model: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Put `tensors` in the places of all tensors of `model`, each on the device of the old one (of a meta one, on the CPU).

    raises: TensorNetError if names or shapes of the two differ
    """
    places = named_tensors("from_pretrained", model)
    new = {id(old): tensors[name] for names, old in places.items() for name in names if name in tensors}
    missing = [names[0] for names, old in places.items() if id(old) not in new]
    surplus = sorted(set(tensors) - {n for names in places for n in names})
    unlike = [
        f"{names[0]} {tuple(new[id(old)].shape)} for {tuple(old.shape)}"
        for names, old in places.items()
        if id(old) in new and new[id(old)].shape != old.shape
    ]
    unlike += [
        f"{' and '.join(names)}, one here and different there"
        for names in places
        if any(not torch.equal(tensors[a], tensors[b]) for a, b in pairwise(n for n in names if n in tensors))
    ]
    unsaved = [n for n, b in model.named_buffers() if b.is_meta and id(b) not in new]
    if missing or surplus or unlike or unsaved:
        raise TensorNetError(
            f"from_pretrained: {folder} and the model do not belong together: missing in the file {some(missing)}, only in "
            f"the file {some(surplus)}, of another shape {some(unlike)}, on the meta device and in no file {some(unsaved)}; "
            f"needed the same tensors, because none may keep a value of its own; pass the dense model of the class and config "
            f"that was compressed"
        )
    placed = {id(old): _like(old, new[id(old)]) for old in places.values()}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            held.update({name: placed[id(t)] for name, t in held.items() if t is not None and id(t) in placed})  # type: ignore


def _like(old: Tensor, new: Tensor) -> Tensor:
    new = new if old.is_meta else new.to(old.device)
    return nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of model.safetensors, or of the files that its index names, and the metadata of the first."""
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, Tensor] = {}
    texts: dict[str, str] = {}
    for path in weight_files(folder, "from_pretrained"):
        with whole(path, "from_pretrained", SafetensorError), safe_open(path, framework="pt") as file:
            tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            texts |= file.metadata() or {}
    return tensors, texts
