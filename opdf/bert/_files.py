"""A BertModel's folder in and out: config.json and safetensors, whose matrices are (out, in) where kernels are (in, out)."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.flax import save

from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.files._folder import WEIGHTS, weight_files, whole
from tensornet.files._replace import replacing

from ._config import Config
from ._model import Encoder
from ._names import old_name, torch_name

CONFIG = "config.json"
PREFIX = "bert."  # of the encoder's tensors in the files of models with a head
HEADS = ("cls.", "classifier.", "qa_outputs.")  # such heads
POSITIONS = "embeddings.position_ids"  # 0, 1, …, which older files hold

Keys = tuple[Any, ...]  # "layers", 0, "up", "kernel"


def from_pretrained(folder: str | os.PathLike[str], *, dtype: Any = jnp.float32) -> Encoder:
    """The encoder of a saved BertModel, or that of a saved model with a head, which is left out.

    folder  a local one, with config.json and model.safetensors, or shards and their index; nothing is fetched
    dtype   of its parameters, whatever the file's is
    returns: with a pooler if the file has one
    raises: TensorNetError for another architecture, and for tensors that are missing, of other shapes, or nobody's
    """
    folder = Path(folder)
    config = Config.read(folder / CONFIG)
    stored = _read(folder)
    pooler = torch_name("pooler.kernel") in stored
    model = nnx.eval_shape(lambda: Encoder(config, pooler=pooler, dtype=dtype, rngs=nnx.Rngs(0)))
    nnx.update(model, nnx.from_flat_state({p: a.astype(dtype) for p, a in _placed(model, stored, folder).items()}))
    return model


def save_pretrained(model: Encoder, folder: str | os.PathLike[str]) -> None:
    """Write config.json and model.safetensors, which `BertModel.from_pretrained` loads, and `from_pretrained` here.

    raises: OSError where the system refuses
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    tensors = {torch_name(_dotted(path)): _turned(path, variable[...]) for path, variable in flat}
    with replacing(folder / WEIGHTS) as file:
        file.write(save(tensors, {"format": "pt"}))
    with replacing(folder / CONFIG) as file:
        file.write(json.dumps(model.config.to_dict(), indent=2).encode())


def _read(folder: Path) -> dict[str, jax.Array]:
    """The encoder's tensors by their names in a BertModel's file."""
    stored: dict[str, jax.Array] = {}
    for path in weight_files(folder, "bert.from_pretrained"):
        with whole(path, "bert.from_pretrained", SafetensorError), safe_open(path, framework="flax") as file:
            keys = {k.removeprefix(PREFIX): k for k in file.keys() if not k.startswith(HEADS)}  # noqa: SIM118  # no dict
            stored |= {name: file.get_tensor(key) for name, key in keys.items() if name != POSITIONS}
    return stored


def _placed(model: Encoder, stored: dict[str, jax.Array], folder: Path) -> dict[Keys, jax.Array]:
    """The array of each of the model's parameters, (in, out) where it is a kernel; none missing, none left over."""
    flat = dict(nnx.to_flat_state(nnx.state(model, nnx.Param)))
    names = {path: _at(torch_name(_dotted(path)), stored) for path in flat}
    arrays = {path: _turned(path, stored[name]) for path, name in names.items() if name in stored}
    missing = [name for path, name in names.items() if path not in arrays]
    surplus = sorted(stored.keys() - set(names.values()))
    unlike = [f"{names[p]} {stored[names[p]].shape}" for p, a in arrays.items() if a.shape != flat[p].shape]
    if missing or surplus or unlike:
        raise TensorNetError(
            f"bert.from_pretrained: {folder} lacks {some(missing)}, has nobody's {some(surplus)}, and of another shape than "
            f"{CONFIG} says {some(unlike)}; needed the tensors of a BertModel, after {PREFIX!r} or not, with "
            f"{', '.join(HEADS)} beside them or not, because none may keep a value of its own or be lost; save such a model"
        )
    return arrays


def _at(name: str, stored: dict[str, jax.Array]) -> str:
    return old_name(name) if name not in stored and old_name(name) in stored else name


def _dotted(path: Keys) -> str:
    return ".".join(map(str, path))


def _turned(path: Keys, array: jax.Array) -> jax.Array:
    """The way round of the other side."""
    return array.T if path[-1] == "kernel" else array
