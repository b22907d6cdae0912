"""Before the student: a teacher that knows the task, and what it says of every training example. In JAX."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ..models.jax_networks import Model, load, make_teacher, save
from ..tasks import Task
from ._cache import Taught
from ._config import Config, head_of
from ._engine import Array
from ._jax import JaxEngine, answered
from ._loop import Told, cleared, train
from ._teachers import DONE, FineTuning, digest, fine_tuned, said_by

FIELDS = ("logits",)


def teacher_of(config: Config, task: Task, folder: Path, told: Told) -> Model:
    """The teacher, fine-tuned on the task if that is asked for."""
    model = make_teacher(config.teacher, task, head=head_of(config))
    return fine_tuned(model, weights_digest(model), config, task, folder, partial(_fine_tune, told), load)


def _fine_tune(told: Told, tuning: FineTuning, model: Model) -> None:
    home = tuning.home / "jax"  # PyTorch could not go on from its checkpoint
    home.mkdir(parents=True, exist_ok=True)
    config, task, steps = tuning.config, tuning.task, tuning.steps
    engine = JaxEngine(config, model, None, task.train, None, steps.total)
    train(engine, task, config.training, steps, home, made_of={}, told=lambda _, *rest: told("teacher", *rest))
    save(engine.model, tuning.home / DONE, task)
    cleared(home)


def taught_by(teacher: Model, of_teacher: str, task: Task, config: Config, folder: Path, told: Told) -> Taught | None:
    """The teacher's logits of train, read from the cache or worked out into it; None where the host asks nothing."""
    if config.host == "labels":
        return None
    size = config.training.batch_size

    def teach(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {"logits": answered(teacher, inputs, size)}

    # the fingerprint is that of KD without layers, whose logits are the same
    return said_by(of_teacher, "layers ()", FIELDS, frozenset(), task, config, folder, teach, told)


def weights_digest(model: Model) -> str:
    """SHA-256 over names, shapes and bits of all weights."""
    return digest({name: np.ascontiguousarray(w) for name, w in model.weights.items()})
