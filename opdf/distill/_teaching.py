"""Before the student: a teacher that knows the task, and what it says of every training example. In PyTorch."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tensornet.files._replace import replacing

from ..hosts import host
from ..hosts._host import Host
from ..models.networks import load, make_teacher, save
from ..tasks import Task, scores
from ..tasks import load as load_task
from ._cache import Taught, describe, taught
from ._config import Config, Opdf, tokenizer_of
from ._loop import Told, train
from ._order import Steps
from ._torch import Array, TorchEngine, arrays, predicted, tensors

DONE = "model"  # the folder of a teacher that has been fine-tuned


def teacher_of(config: Config, task: Task, folder: Path, told: Told) -> nn.Module:
    """The teacher, fine-tuned on the task if that is asked for and has not been done.

    folder  of fine-tuned teachers; each is a run of its own in it, by the key of what made it, and can be killed and resumed
    """
    model = make_teacher(config.teacher, task)
    if not config.teacher.epochs:
        return model
    if config.teacher.whole_train and config.task.train_size is not None:
        task = load_task(replace(config.task, train_size=None), tokenizer=tokenizer_of(config))
    training = replace(
        config.training, epochs=config.teacher.epochs, lr=config.teacher.lr, seed=config.teacher.seed, backend="torch"
    )
    made_of = {"task": task.digest("train"), "dev": task.digest("dev"), "start": weights_digest(model)}
    same = {k: v for k, v in asdict(training).items() if k not in ("checkpoint_every", "device", "threads")}
    home = folder / _key({**made_of, "training": same})
    if not (home / DONE).exists():
        _fine_tune(replace(config, training=training, opdf=Opdf()), task, model, home, told)
    return load(home / DONE, task)


def _fine_tune(config: Config, task: Task, model: nn.Module, home: Path, told: Told) -> None:
    home.mkdir(parents=True, exist_ok=True)
    training = config.training
    steps = Steps.of(len(task.train), training.batch_size, training.epochs, training.seed, training.evaluations)
    engine = TorchEngine(config, host("labels")(model, None, task, None, steps.total), task.train, None)
    train(engine, task, training, steps, home, made_of={}, told=lambda _, *rest: told("teacher", *rest))
    save(model, home / DONE, task)


def taught_by(method: Host, task: Task, config: Config, folder: Path, told: Told) -> Taught | None:
    """What the teacher says of train, read from the cache or worked out into it; None where the host asks nothing."""
    if not method.taught or method.teacher is None:
        return None
    device = torch.device(config.training.device)
    note = {
        "teacher": weights_digest(method.teacher),
        "examples": task.digest("train"),
        "host": method.fingerprint(),
        "fields": list(method.taught),
        "batch_size": config.training.batch_size,
    }
    home = folder / _key(note)
    method.teacher.eval()

    def teach(inputs: Mapping[str, Array]) -> dict[str, Array]:
        said: dict[str, Array] = arrays(method.teach(tensors(inputs, device)))
        return said

    found = taught(
        home, task.train, teach, method.per_token, config.training.batch_size, lambda n, of: told("cache", n, of, "")
    )
    describe(home, note)
    return found


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes and bits of all weights."""
    sha = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _key(made_of: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:16]


def judged(teacher: nn.Module, task: Task, folder: Path, device: torch.device, told: Told) -> dict[str, Any]:
    """The teacher's scores on dev and test, from `folder` if they are there."""
    parts = {"dev": task.dev, "test": task.test}
    path = folder / f"{_key({'teacher': weights_digest(teacher), **{name: task.digest(name) for name in parts}})}.json"
    if path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    found = {}
    for n, (name, examples) in enumerate(parts.items()):
        told("judge", n, len(parts), f"the teacher on {name}")
        found[name] = scores(task, predicted(teacher, examples, device), examples.labels)
    told("judge", len(parts), len(parts), "")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(found).encode())
    return found
