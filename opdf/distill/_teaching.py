"""Before the student: a teacher that knows the task, and what it says of every training example. In PyTorch."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ..hosts import host
from ..hosts._host import Host
from ..models.networks import load, make_teacher, save
from ..tasks import Task
from ._cache import Taught
from ._config import Config, head_of
from ._loop import Told, cleared, train
from ._teachers import DONE, FineTuning, digest, fine_tuned, said_by
from ._torch import Array, TorchEngine, arrays, tensors


def teacher_of(config: Config, task: Task, folder: Path, told: Told) -> nn.Module:
    """The teacher, fine-tuned on the task if that is asked for."""
    model = make_teacher(config.teacher, task, head=head_of(config))
    return fine_tuned(model, weights_digest(model), config, task, folder, partial(_fine_tune, told), load)


def _fine_tune(told: Told, tuning: FineTuning, model: nn.Module) -> None:
    tuning.home.mkdir(parents=True, exist_ok=True)
    model.to(tuning.config.training.device)
    config, task, steps = tuning.config, tuning.task, tuning.steps
    engine = TorchEngine(config, host("labels")(model, None, task, None, steps.total), task.train, None)
    train(engine, task, config.training, steps, tuning.home, made_of={}, told=lambda _, *rest: told("teacher", *rest))
    save(model, tuning.home / DONE, task)
    cleared(tuning.home)


def taught_by(method: Host, of_teacher: str, task: Task, config: Config, folder: Path, told: Told) -> Taught | None:
    """What the teacher says of train, read from the cache or worked out into it; None where the host asks nothing."""
    if not method.taught or method.teacher is None:
        return None
    device = torch.device(config.training.device)
    method.teacher.eval()

    def teach(inputs: Mapping[str, Array]) -> dict[str, Array]:
        said: dict[str, Array] = arrays(method.teach(tensors(inputs, device)))
        return said

    asked = (method.fingerprint(), method.taught, method.per_token)
    return said_by(of_teacher, *asked, task, config, folder, teach, told)


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes and bits of all weights."""
    return digest(arrays(dict(model.state_dict())))
