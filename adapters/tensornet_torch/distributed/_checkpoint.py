"""An optimiser from torch.distributed.checkpoint (DCP), whatever the number of processes that saved it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from tensornet import TensorNetError

from .._optimizer import Overparameterized

Place = tuple[Any, ...]  # keys, from the outermost dict inwards


def load(optimizer: Overparameterized, folder: str | Path, *, under: str = "optimizer") -> None:
    """Go on from `dcp.save({under: optimizer.state_dict(), …}, checkpoint_id=folder)`.

    dcp.load fills what it is given, and an optimiser that has not stepped has no moments to be filled: what this process
    owns now is asked for as the checkpoint says it was saved. The model's planned weights are written from their factors;
    its other parameters are loaded with the model.

    folder  of the checkpoint, with its .metadata
    raises: TensorNetError if the checkpoint has nothing under that name, or another plan, gauge or alignment
    """
    metadata = dcp.FileSystemReader(folder).read_metadata()
    saved: dict[str, Place] = metadata.planner_data or {}
    places = {key: place[1:] for key, place in saved.items() if place[0] == under}
    if not places:
        there = ", ".join(sorted({str(place[0]) for place in saved.values()})) or "nothing"
        raise TensorNetError(
            f"load: the checkpoint {folder} has nothing under {under!r}, but {there}; needed what state_dict() returned; pass "
            f"under= as in the dict that was given to dcp.save"
        )
    held = optimizer.held()
    wanted = {key: place for key, place in places.items() if _is_mine(place, held)}
    state = {
        key: _blank(metadata.state_dict_metadata[key], held.get(_of(place) or "")) for key, place in wanted.items()
    }
    dcp.load(state, checkpoint_id=folder, process_group=optimizer.group)
    optimizer.load_state_dict(_nested({place: state[key] for key, place in wanted.items()}))


def _of(place: Place) -> str | None:
    """The parameter that an entry is about, None if it is about no one."""
    match place:
        case ("state" | "slots", name, *_):
            return name
        case ("factors", name, number) | ("alignment", "targets", name, number):
            return f"{name}.{number}"
        case ("lr_transfer", "scales", name):
            return f"{name}.0"
    return None


def _is_mine(place: Place, held: Mapping[str, Tensor]) -> bool:
    name = _of(place)
    return name is None or name in held


def _blank(metadata: Any, like: Tensor | None) -> Tensor | None:
    """What DCP fills: sharded as the parameter is, if it is about all its entries; None for what is no tensor."""
    if not isinstance(metadata, TensorStorageMetadata):
        return None
    dtype = metadata.properties.dtype
    if like is not None and like.shape == metadata.size:
        return torch.empty_like(like.detach(), dtype=dtype)
    return torch.empty(metadata.size, dtype=dtype)


def _nested(entries: Mapping[Place, Any]) -> dict[str, Any]:
    """Dicts in dicts; a level whose keys are numbers is a list. DCP does not save dicts that are empty."""
    state: dict[Any, Any] = {"state": {}, "factors": {}, "slots": {}}
    for place, value in entries.items():
        level = state
        for key in place[:-1]:
            level = level.setdefault(key, {})
        level[place[-1]] = value
    if "alignment" in state:
        state["alignment"].setdefault("targets", {})
    if "lr_transfer" in state:
        state["lr_transfer"].setdefault("scales", {})
    return {key: _lists(value) for key, value in state.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(v) for key, v in value.items()}
    return [inner[k] for k in sorted(inner)] if inner and all(isinstance(k, int) for k in inner) else inner
