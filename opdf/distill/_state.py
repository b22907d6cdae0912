"""Nested state ↔ one safetensors file: tensors by number, everything else as JSON beside them. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from tensornet import TensorNetError
from tensornet.files._replace import replacing

TENSOR = "<tensor>"
KEY = "opdf.state"


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write dicts, lists, tuples, numbers, texts and arrays (NumPy), to the bit; whole or not at all."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    outline = json.dumps(_outlined(state, tensors))
    with replacing(path) as file:
        file.write(save(tensors, {KEY: outline}))


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote; raises TensorNetError for anything else."""
    try:
        with safe_open(path, "numpy") as file:
            outline = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except Exception as error:  # safetensors' own errors have no base class
        raise TensorNetError(
            f"opdf: {path} cannot be read ({type(error).__name__}: {error}); needed a checkpoint of this run, because training "
            f"goes on from it; copy it again, or delete the run folder and start anew"
        ) from error
    found: dict[str, Any] = _filled(outline, tensors)
    return found


def _outlined(value: Any, tensors: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, Mapping):  # keys may be numbers: pairs keep them
        return {"map": [[key, _outlined(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        inner = [_outlined(x, tensors) for x in value]
        return {"tuple": inner} if isinstance(value, tuple) else inner
    if isinstance(value, np.ndarray | np.generic):
        name = str(len(tensors))
        tensors[name] = np.ascontiguousarray(value).reshape(value.shape)
        return {TENSOR: name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a {type(value).__name__} in the state of a run")


def _filled(value: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_filled(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_filled(inner, tensors) for inner in value["tuple"])
    return tensors[value[TENSOR]] if TENSOR in value else {key: _filled(inner, tensors) for key, inner in value["map"]}
