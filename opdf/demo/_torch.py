"""The demo in PyTorch."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import tensornet_torch as tnt

from ..losses import cross_entropy, hinton
from ._arms import Arm, Job, arm
from ._backend import (
    ALPHA,
    BATCH,
    EVALUATIONS,
    ROTATE_EVERY,
    TEACHER_BATCH,
    TEMPERATURE,
    WEIGHT_DECAY,
    Backend,
    Run,
    relative_error,
)
from ._network import STUDENT, Architecture, Parameters, depth_of
from ._task import Task, batches, one_hot


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.fc2(torch.relu(self.fc1(h)))


class Network(nn.Module):
    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.embed = nn.Linear(architecture.inputs, architecture.width)
        self.blocks = nn.Sequential(*(Block(architecture.width) for _ in range(architecture.depth)))
        self.head = nn.Linear(architecture.width, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x)))


class TorchBackend(Backend):
    name = "torch"
    version = torch.__version__

    def __init__(self, task: Task, teacher: Parameters | None = None) -> None:
        torch.set_num_threads(1)
        self.x = {p: torch.from_numpy(getattr(task, p).x) for p in ("train", "validation", "test")}
        self.y = {p: torch.from_numpy(getattr(task, p).y) for p in ("train", "validation", "test")}
        self.labels = torch.from_numpy(one_hot(task.train.y))
        self.teacher = _loaded(teacher) if teacher else None
        with torch.no_grad():
            self.logits: Any = self.teacher(self.x["train"]) if self.teacher else None

    def train_teacher(self, architecture: Architecture, seed: int, steps: int, lr: float) -> Parameters:
        model = _loaded(architecture.init(seed))
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        schedule = _cosine(optimizer, steps)
        for index in torch.from_numpy(batches(len(self.labels), TEACHER_BATCH, steps, seed)):
            optimizer.zero_grad()
            cross_entropy(model(self.x["train"][index]), self.labels[index]).backward()
            optimizer.step()
            schedule.step()
        return _parameters(model)

    @torch.no_grad()
    def accuracy(self, parameters: Parameters, part: str) -> float:
        return self._accuracy(_loaded(parameters), part)

    def train(self, job: Job, *, test: bool) -> Run:
        one, model = arm(job.arm), _loaded(STUDENT.init(job.seed))
        optimizer = self._optimizer(one, job, model)
        schedule = _cosine(optimizer, job.steps)
        curve: list[dict[str, float]] = []
        for step, index in enumerate(torch.from_numpy(batches(len(self.labels), BATCH, job.steps, job.seed)), start=1):
            record = self._step(one, model, optimizer, index)
            schedule.step()
            if step % (job.steps // EVALUATIONS) == 0:
                values = {k: float(v) for k, v in record.items()}
                curve.append({"step": step, **values, "validation": self._accuracy(model, "validation")})
        held = optimizer.inner if isinstance(optimizer, tnt.Overparameterized) else optimizer
        return Run(
            job,
            _parameters(model),
            curve,
            validation=curve[-1]["validation"],
            test=self._accuracy(model, "test") if test else None,
            fold_error=_fold_error(model, optimizer),
            trained=sum(p.numel() for g in held.param_groups for p in g["params"]),
        )

    def stepper(self, job: Job) -> Callable[[], None]:
        one, model = arm(job.arm), _loaded(STUDENT.init(job.seed))
        optimizer = self._optimizer(one, job, model)
        order = torch.from_numpy(batches(len(self.labels), BATCH, 64, job.seed))
        count = iter(range(10**9))

        def step() -> None:
            self._step(one, model, optimizer, order[next(count) % len(order)])

        step()
        return step

    def inference(self, parameters: Parameters) -> Callable[[], None]:
        model = _loaded(parameters)

        def infer() -> None:
            with torch.no_grad():
                model(self.x["test"])

        infer()
        return infer

    def _step(self, one: Arm, model: nn.Module, optimizer: torch.optim.Optimizer, index: Tensor) -> dict[str, Tensor]:
        optimizer.zero_grad()
        outputs = model(self.x["train"][index])
        terms = {"cross_entropy": cross_entropy(outputs, self.labels[index])}
        if one.distil:
            terms["hinton"] = hinton(outputs, self.logits[index], temperature=TEMPERATURE)
        loss = ALPHA * terms["hinton"] + (1 - ALPHA) * terms["cross_entropy"] if one.distil else terms["cross_entropy"]
        loss.backward()
        optimizer.step()
        if one.gauge and isinstance(optimizer, tnt.Overparameterized):
            terms["alignment"] = optimizer.alignment_loss
        return {k: v.detach() for k, v in {"loss": loss, **terms}.items()}

    def _optimizer(self, one: Arm, job: Job, model: nn.Module) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(model.parameters(), lr=job.lr, weight_decay=WEIGHT_DECAY)
        if not one.cores:
            return optimizer
        alignment = (
            tnt.Alignment(self.teacher, weight=job.weight, gauge=one.gauge, every=ROTATE_EVERY) if one.gauge else None
        )
        plan = tnt.plan(model, "all-linear", cores=one.cores)
        return tnt.overparameterize(optimizer, model, plan, alignment=alignment, lr_transfer=False)  # as published

    @torch.no_grad()
    def _accuracy(self, model: nn.Module, part: str) -> float:
        return 100 * float((model(self.x[part]).argmax(-1) == self.y[part]).float().mean())


def _cosine(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 0.5 * (1 + math.cos(math.pi * n / steps)))


def _loaded(parameters: Parameters) -> Network:
    model = Network(Architecture(depth_of(parameters)))
    model.load_state_dict({n: torch.from_numpy(w.copy()) for n, w in parameters.items()}, strict=True)
    return model


def _parameters(model: nn.Module) -> Parameters:
    return {n: t.detach().numpy().copy() for n, t in model.state_dict().items()}


def _fold_error(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    if not isinstance(optimizer, tnt.Overparameterized):
        return 0.0
    return max(
        relative_error(
            model.get_parameter(name).detach().numpy(), fmt, [f.detach().numpy() for f in optimizer.factors(name)]
        )
        for name, fmt in optimizer.plan.items()
    )
