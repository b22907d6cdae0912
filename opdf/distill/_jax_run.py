"""A run in JAX, between the data and the report."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax

from tensornet import TensorNetError

from ..hosts._answers import check_answers
from ..models.jax_networks import Model, latency, make_student, save
from ..report import Tracker
from ..tasks import Task
from ._config import Config, cache_of
from ._course import carried_out
from ._jax import JaxEngine, predicted
from ._jax_teaching import taught_by, teacher_of, weights_digest
from ._lock import locked
from ._loop import Told
from ._order import Steps
from ._teachers import judged

MATMUL = {"highest": "float32", "high": "high", "medium": "default"}  # JAX's names


def run(config: Config, task: Task, trackers: Sequence[Tracker], told: Told) -> dict[str, Any]:
    """Teacher, cache, student, training, test, export; the framework's part of the summary."""
    if config.host == "kd":
        check_answers(config.kd, task)
    if config.training.threads:
        # XLA reads it once, when a process first needs a device
        os.environ["PJRT_NPROC"] = str(config.training.threads)
    with (
        jax.default_device(device_of(config.training.device)),
        jax.default_matmul_precision(MATMUL[config.training.matmul]),
    ):
        return _run(config, task, trackers, told)


def _run(config: Config, task: Task, trackers: Sequence[Tracker], told: Told) -> dict[str, Any]:
    training = config.training
    steps = Steps.over(task.train, training)
    cache = cache_of(config)
    with locked(cache, wait=True):  # runs that share it make what is missing one after another
        teacher = teacher_of(config, task, cache / "teachers", told)
        of_teacher, teacher = weights_digest(teacher), teacher.placed()
        said = judged(of_teacher, lambda x: predicted(teacher, x), task, config, cache / "judged", told)
        taught = taught_by(teacher, of_teacher, task, config, cache / "taught", told)
    spec = replace(config.student, start="random") if config.generator.on else config.student
    student = make_student(spec, teacher, training.seed)
    engine = JaxEngine(config, student, teacher, task.train, taught, steps.total)

    def export() -> dict[str, Any]:
        save(engine.model, config.out / "student", task)
        return {}

    return carried_out(
        engine,
        config,
        task,
        steps,
        of_teacher=of_teacher,
        teacher={**said, "parameters": _size(teacher)},
        parameters=_size(student),
        export=export,
        latencies=lambda inputs: latency((teacher, engine.model), inputs),
        trackers=trackers,
        told=told,
    )


def device_of(name: str) -> jax.Device:
    """cpu, cuda, cuda:1 … as PyTorch calls them."""
    kind, _, number = name.partition(":")
    try:
        return jax.devices(kind)[int(number or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        found = ", ".join(str(device) for device in jax.devices())
        raise TensorNetError(
            f"opdf distill: training.device = {name!r} is none that JAX has ({found}), needed one of these, because training "
            f"happens there; correct it, or install JAX for that device"
        ) from error


def _size(model: Model) -> int:
    return sum(w.size for w in model.weights.values())
