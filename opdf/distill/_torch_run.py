"""A run in PyTorch, between the data and the report."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from tensornet import TensorNetError

from ..hosts import host
from ..kronecker import compressed, exported
from ..models.networks import latency, make_student
from ..report import Tracker
from ..tasks import Task
from ._config import Config, cache_of
from ._course import carried_out
from ._lock import locked
from ._loop import Told
from ._order import Steps
from ._teachers import judged
from ._teaching import taught_by, teacher_of, weights_digest
from ._torch import TorchEngine, answered, tensors
from ._translating import retold, way


def run(config: Config, task: Task, trackers: Sequence[Tracker], told: Told) -> dict[str, Any]:
    """Teacher, cache, student, training, test, export; the framework's part of the summary."""
    training = config.training
    if training.threads:
        torch.set_num_threads(training.threads)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(training.matmul)
    try:
        return _run(config, task, trackers, told)
    finally:
        torch.set_float32_matmul_precision(before)


def _run(config: Config, task: Task, trackers: Sequence[Tracker], told: Told) -> dict[str, Any]:
    training = config.training
    device = device_of(training.device)
    cache = cache_of(config)
    with locked(cache, wait=True):  # runs that share it make what is missing one after another
        teacher = teacher_of(config, task, cache / "teachers", told).to(device)
        of_teacher = weights_digest(teacher)
        said = judged(
            of_teacher,
            lambda x: answered(teacher, x, task, config.translation, device),
            task,
            config,
            cache / "judged",
            told,
        )
        spec = replace(config.student, start="random") if config.generator.on else config.student
        student = compressed(make_student(spec, teacher, task, training.seed), spec).to(device)
        options = getattr(config, config.host, None)
        learnt = host(config.host).examples(task, options)
        if task.kind == "translation" and config.translation.sequence:
            learnt = retold(teacher, learnt, of_teacher, task, config, cache / "retold", told)
        steps = Steps.over(learnt, training)
        method = host(config.host)(student, teacher, task, options, steps.total)
        taught = taught_by(method, of_teacher, task, config, cache / "taught", told)
    return carried_out(
        TorchEngine(config, method, learnt, taught),
        config,
        task,
        steps,
        of_teacher=of_teacher,
        teacher={**said, "parameters": _size(teacher)},
        parameters=_size(student),
        export=lambda: exported(student, config.out, task),
        latencies=lambda inputs: latency((teacher, student), tensors(inputs, device), answer=way(task, config)),
        trackers=trackers,
        told=told,
    )


def device_of(name: str) -> torch.device:
    """cpu, cuda, cuda:1, mps … that can hold a number."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise TensorNetError(
            f"opdf distill: training.device = {name!r} is none that PyTorch can use ({str(error).splitlines()[0]}), needed "
            f"cpu or one of this machine's, because training happens there; correct it, or install PyTorch for that device"
        ) from error
    return device


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
