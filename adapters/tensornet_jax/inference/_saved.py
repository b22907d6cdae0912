"""Compressed parameters in a folder, in the files of `tensornet_torch`: model.safetensors with a note of formats."""

import json
import os
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

import tensornet as tn
from tensornet import TensorNetError
from tensornet._errors import some
from tensornet.files._compressed import KEY, factor_name, read_note, write_note
from tensornet.files._folder import WEIGHTS, weight_files, whole
from tensornet.files._replace import replacing

from .._tree import map_named, named_leaves
from ._factorized import Factorized, is_factorized
from ._receipt import named_weights

CONFIG = "config.json"


def save_pretrained(params: Any, folder: str | os.PathLike[str]) -> None:
    """Write compressed parameters for `from_pretrained`, of this adapter or of tensornet_torch: one file, whole or not at all.

    params  by the names that they shall have in the file. For PyTorch those of its model, and weights that stand (out, in):
            {"head.weight": small["head"]["kernel"].T, …}, of a kernel that is left dense its transpose
    raises: TensorNetError if nothing of it is factorised, or a leaf is no array; OSError where the system refuses
    """
    held = named_weights(params)
    nodes = {name: leaf for name, leaf in held.items() if is_factorized(leaf)}
    wrong = [f"{name} ({type(leaf).__name__})" for name, leaf in held.items() if not hasattr(leaf, "dtype")]
    if not nodes or wrong:
        raise TensorNetError(
            f"save_pretrained: {len(nodes)} weights are factorised, no arrays are {', '.join(wrong) or 'none'}; needed factors "
            f"and arrays alone, because a file holds those, and dense parameters have files of their own; pass what compress "
            f"gave, without its functions (equinox.filter(model, equinox.is_array))"
        )
    from safetensors.numpy import save

    tensors = {name: leaf for name, leaf in held.items() if name not in nodes}
    for name, node in nodes.items():
        tensors |= {factor_name(name, k): factor for k, factor in enumerate(node.factors)}
    note = json.dumps(write_note(_plan(nodes), dict.fromkeys(nodes)))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS) as file:
        file.write(save({n: np.asarray(t, order="C") for n, t in tensors.items()}, {KEY: note}))


def from_pretrained(folder: str | os.PathLike[str], like: Any = None) -> Any:
    """The compressed parameters of a folder that `save_pretrained` wrote, of this adapter, tensornet_torch or Transformers.

    folder  a local path; nothing is fetched
    like    dense parameters of the same names, arrays or jax.ShapeDtypeStructs, whose tree the result has; None gives a
            dict from the names of the file to arrays and `Factorized` nodes. In a file of PyTorch a tied weight stands once,
            and a row of padding beside its table ("table.padding")
    raises: TensorNetError for a folder that something else wrote, or of other names or shapes than `like`; for a dtype that
        JAX does not hold
    """
    folder = Path(folder)
    tensors, texts = _read(folder)
    plan, _ = read_note(str(folder), _note(folder, texts))
    try:
        nodes = {name: _node(name, plan, tensors) for name in plan}
    except KeyError as error:
        raise TensorNetError(
            f"from_pretrained: {folder} has no {error}, which its note of formats needs, because a weight is all of its "
            f"factors; save the model again"
        ) from error
    held = nodes | tensors
    return held if like is None else _placed(folder, held, like)


def _plan(nodes: dict[str, Factorized]) -> tn.Plan:
    return tn.Plan(
        {name: node.format for name, node in nodes.items()},
        transposed=frozenset(name for name, node in nodes.items() if node.transposed),
        stacked={name: node.shape[0] for name, node in nodes.items() if node.ndim > len(node.format.shape)},
    )


def _node(name: str, plan: tn.Plan, tensors: dict[str, Array]) -> Factorized:
    """Its factors, taken out of `tensors`."""
    fmt = plan[name]
    factors = tuple(tensors.pop(factor_name(name, k)) for k in range(len(fmt.shapes)))
    fmt.check_factors(factors)
    return Factorized(factors, fmt, name in plan.transposed)


def _placed(folder: Path, held: dict[str, Any], like: Any) -> Any:
    wanted = {name: tuple(leaf.shape) for name, leaf in named_leaves(like).items() if hasattr(leaf, "shape")}
    missing, surplus = [n for n in wanted if n not in held], [n for n in held if n not in wanted]
    unlike = [f"{n} {tuple(held[n].shape)} for {s}" for n, s in wanted.items() if n in held and held[n].shape != s]
    if missing or surplus or unlike:
        raise TensorNetError(
            f"from_pretrained: {folder} and the parameters do not belong together: missing in the file {some(missing)}, only "
            f"in the file {some(surplus)}, of another shape {some(unlike)}; needed the same, because none may keep a value "
            f"of its own; pass the dense parameters that were compressed, or none and take the names as they are"
        )
    return map_named(
        lambda name, leaf: held.get(name, leaf), like
    )  # a module of Equinox has functions among its leaves


def _read(folder: Path) -> tuple[dict[str, Array], dict[str, str]]:
    """All tensors, and the metadata of the files."""
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, Array] = {}
    texts: dict[str, str] = {}
    for path in weight_files(folder, "from_pretrained"):
        with (
            whole(path, "from_pretrained", SafetensorError),
            safe_open(path, framework="np") as file,
            safe_open(path, framework="flax") as halves,
        ):
            for name in file.keys():  # noqa: SIM118  # it is no dict
                half = file.get_slice(name).get_dtype() == "BF16"  # of which NumPy knows nothing
                tensors[name] = _held(path, name, (halves if half else file).get_tensor(name))
            texts |= file.metadata() or {}
    return tensors, texts


def _held(path: Path, name: str, x: Any) -> Array:
    made = jnp.asarray(x)
    if made.dtype != x.dtype and not np.array_equal(np.asarray(made), x):
        raise TensorNetError(
            f"from_pretrained: {name} in {path} is {x.dtype}, which JAX holds only with jax_enable_x64, needed, because no "
            f"value is rounded in silence; enable it"
        )
    return made


def _note(folder: Path, texts: dict[str, str]) -> Any:
    """Ours is in the metadata, that of Transformers in its config."""
    where, text = folder / WEIGHTS, texts.get(KEY)
    try:
        if text is not None:
            return json.loads(text)
        where = folder / CONFIG
        return json.loads(where.read_text())[KEY]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TensorNetError(
            f"from_pretrained: {where} notes no formats ({error!r}), needed, because they say which weights are factorised and "
            f"how; give a folder that was saved of a compressed model, and load a dense one as ever"
        ) from error
