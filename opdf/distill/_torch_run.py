"""A run in PyTorch, between the data and the report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..hosts import host
from ..kronecker import compressed, exported
from ..models.networks import latency, make_student
from ..report import Tracker
from ..tasks import Task, scores
from ._config import Config
from ._lock import locked
from ._loop import Told, train
from ._order import Steps
from ._teachers import judged
from ._teaching import taught_by, teacher_of, weights_digest
from ._torch import TorchEngine, predicted, tensors

LATENCY_ROWS = 32  # examples of dev in a call that is timed


def run(config: Config, task: Task, trackers: Sequence[Tracker], told: Told) -> dict[str, Any]:
    """Teacher, cache, student, training, test, export; the framework's part of the summary."""
    training = config.training
    if training.threads:
        torch.set_num_threads(training.threads)
    device = torch.device(training.device)
    cache = config.cache or config.out / "cache"
    with locked(cache, wait=True):  # runs that share it make what is missing one after another
        teacher = teacher_of(config, task, cache / "teachers", told).to(device)
        of_teacher = weights_digest(teacher)
        teacher_scores = judged(of_teacher, lambda x: predicted(teacher, x, device), task, cache / "judged", told)
        student = compressed(make_student(config.student, teacher, task, training.seed), config.student).to(device)
        options = getattr(config, config.host, None)
        learnt = host(config.host).examples(task, options)
        steps = Steps.of(len(learnt), training.batch_size, training.epochs, training.seed, training.evaluations)
        method = host(config.host)(student, teacher, task, options, steps.total)
        taught = taught_by(method, task, config, cache / "taught", told)
    engine = TorchEngine(config, method, learnt, taught)
    if engine.plan is not None:
        (config.out / "plan.json").write_text(engine.plan.to_json(), encoding="utf-8")
    made_of = {"train": task.digest("train"), "dev": task.digest("dev"), "teacher": of_teacher}
    done = train(engine, task, training, steps, config.out, made_of=made_of, trackers=trackers, told=told)
    told("test", 0, 1, "")
    test = scores(task, predicted(student, task.test, device), task.test.labels)
    told("test", 1, 1, "")
    compact = exported(student, config.out, task)
    facts = dict(done.facts)
    sizes = {"parameters": _size(student), "training_parameters": facts.pop("training_parameters")}
    times = _latencies(teacher, student, task, device)
    return {
        "dev": done.dev,
        "test": test,
        "teacher": {**teacher_scores, "parameters": _size(teacher), "latency_ms": times[0]},
        "student": {**sizes, "latency_ms": times[1]},
        "latency_rows": LATENCY_ROWS,
        **compact,
        **facts,
        "best_step": done.best_step,
        "steps": steps.total,
        "seconds": done.seconds,
        "step_ms": done.step_ms,
    }


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _latencies(teacher: nn.Module, student: nn.Module, task: Task, device: torch.device) -> tuple[float, ...]:
    """Median milliseconds of a batch, of both in turn."""
    inputs = tensors(task.dev.batch(np.arange(min(LATENCY_ROWS, len(task.dev)))), device)
    return latency((teacher, student), inputs)
