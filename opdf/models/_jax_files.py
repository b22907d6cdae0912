"""Networks in JAX, from and to the folders that PyTorch's are in."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tensornet import TensorNetError
from tensornet.files._folder import WEIGHTS, weight_files, whole

from ..bert._names import old_name
from ..tasks import Task
from ._architecture import CONFIG, architecture_of, described, is_image_network
from ._checkpoint import check_report
from ._fits import check_image, check_tensors, check_tokens, image_size
from ._folder import write_folder
from ._jax_bert import PREFIX, Bert
from ._jax_network import Model
from ._jax_residual import Residual
from ._spec import Head, Teacher

Arrays = dict[str, np.ndarray[Any, Any]]


def load(source: str | Path, task: Task, seed: int = 0, *, head: Head = "fresh") -> Model:
    """A folder of Hugging Face's BERT, with a head for the task or without, or of a residual network; float32.

    source  a local folder. A checkpoint without a head for sequences gets one that is drawn from seed
    head    what a head of an encoder has to be
    raises: TensorNetError for another kind of model, incomplete ones, and such as do not fit the task
    """
    folder = Path(source)
    config = _config(folder)
    if is_image_network(config):
        found = described(config, folder)
        check_image(found, task, source)
        network, stored = Residual(found), _read(folder)
        check_tensors(network.shapes, {n: w.shape for n, w in stored.items()}, folder)
        return Model(network, {name: stored[name] for name in network.shapes})
    if task.kind == "images":
        raise TensorNetError(
            f"load: {source} holds no image network, needed one, because task {task.name} is of images; give a folder that a "
            f"run exported, or leave teacher.source out for random weights"
        )
    return _encoder(folder, config, task, seed, head)


def make_teacher(spec: Teacher, task: Task, *, head: Head = "fresh") -> Model:
    """`load` of its source, or a residual network with random weights."""
    if spec.source is not None:
        return load(spec.source, task, spec.seed, head=head)
    made = Residual(architecture_of(spec, image_size(task), task.classes))
    return Model(made, made.fresh(spec.seed))


def save(model: Model, folder: str | Path, task: Task) -> None:
    """A folder for `load`, here and in PyTorch; of an encoder also for AutoModelForSequenceClassification, with its tokenizer.

    raises: TensorNetError for a folder of something else, or where the system refuses
    """

    def write(part: Path) -> None:
        model.network.describe(part)
        arrays = {n: np.ascontiguousarray(w) for n, w in model.weights.items()}
        save_file(arrays, part / WEIGHTS, {"format": "pt"})
        if task.tokenizer is not None:
            task.tokenizer.save_pretrained(part)

    write_folder(Path(folder), write)


def _config(folder: Path) -> dict[str, Any]:
    """config.json of a folder; {} where there is none that can be read, of which `Bert.read` says why."""
    try:
        found = json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _encoder(folder: Path, config: dict[str, Any], task: Task, seed: int, head: Head) -> Model:
    names = task.label_names or tuple(f"LABEL_{n}" for n in range(task.classes))
    network = Bert.read(folder, names)
    c, shapes, stored = network.config, network.shapes, _named(_read(folder), network.shapes)
    unlike = [(n, w.shape, shapes[n]) for n, w in stored.items() if n in shapes and w.shape != shapes[n]]
    missing = shapes.keys() - stored.keys()
    report = {
        "missing_keys": missing,
        "unexpected_keys": stored.keys() - shapes.keys(),
        "mismatched_keys": unlike,
    }
    check_report(str(folder), shapes, report, _labels(config), task, PREFIX, head)
    rows = {"input_ids": c.vocab_size, "token_type_ids": c.type_vocab_size}
    check_tokens(rows, c.max_position_embeddings, task, folder)
    fresh = network.fresh(seed) if missing else {}
    return Model(network, {name: fresh[name] if name in missing else stored[name] for name in shapes})


def _labels(config: dict[str, Any]) -> list[str]:
    """Of a checkpoint, by their numbers: a file may name them in any order."""
    named = config.get("id2label", {n: f"LABEL_{n}" for n in range(config.get("num_labels", 2))})
    return [name for _, name in sorted((int(number), name) for number, name in named.items())]


def _named(stored: Arrays, names: Iterable[str]) -> Arrays:
    """By the names that a model with a head has; what has none of these keeps its own."""
    found, left = {}, dict(stored)
    for name in names:
        bare = name.removeprefix(PREFIX)
        held = next((n for n in (name, bare, old_name(name), old_name(bare)) if n in left), None)
        if held is not None:
            found[name] = left.pop(held)
    return found | left


def _read(folder: Path) -> Arrays:
    """All tensors of a folder, in float32."""
    found: Arrays = {}
    for path in weight_files(folder, "load"):
        with whole(path, "load", SafetensorError), safe_open(path, framework="flax") as file:  # NumPy has no bfloat16
            found |= {n: np.asarray(file.get_tensor(n)).astype(np.float32) for n in file.keys()}  # noqa: SIM118  # no dict
    return found
