"""The demo in JAX: bare pytrees, optax, one compiled function for a whole training."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import tensornet_jax as tnj

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

Tree = dict[str, jax.Array]  # "blocks.0.fc1.weight" → (out, in), as in the other framework


def forward(p: Tree, x: jax.Array) -> jax.Array:
    def linear(name: str, h: jax.Array) -> jax.Array:
        return h @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    h = linear("embed", x)
    for n in range(depth_of(p)):
        h = h + linear(f"blocks.{n}.fc2", jax.nn.relu(linear(f"blocks.{n}.fc1", h)))
    return linear("head", h)


class JaxBackend(Backend):
    name = "jax"
    version = jax.__version__

    def __init__(self, task: Task, teacher: Parameters | None = None) -> None:
        self.x = {p: jnp.asarray(getattr(task, p).x) for p in ("train", "validation", "test")}
        self.y = {p: jnp.asarray(getattr(task, p).y) for p in ("train", "validation", "test")}
        self.labels = jnp.asarray(one_hot(task.train.y))
        self.teacher = _tree(teacher or {})
        self.logits: Any = forward(self.teacher, self.x["train"]) if teacher else None
        self._trainer = cache(self._compiled)  # a compilation for each arm and λ; seed and learning rate are arguments

    def train_teacher(self, architecture: Architecture, seed: int, steps: int, lr: float) -> Parameters:
        order = jnp.asarray(batches(len(self.labels), TEACHER_BATCH, steps, seed))
        tx = optax.adamw(optax.cosine_decay_schedule(lr, steps), weight_decay=WEIGHT_DECAY)

        def step(carry: Any, index: jax.Array) -> tuple[Any, None]:
            p, state = carry
            gradient = jax.grad(lambda p: cross_entropy(forward(p, self.x["train"][index]), self.labels[index]))(p)
            updates, state = tx.update(gradient, state, p)
            return (optax.apply_updates(p, updates), state), None

        p = _tree(architecture.init(seed))
        (p, _), _ = jax.jit(partial(jax.lax.scan, step))((p, tx.init(p)), order)
        return _parameters(p)

    def accuracy(self, parameters: Parameters, part: str) -> float:
        return float(self._accuracy(_tree(parameters), part))

    def train(self, job: Job, *, test: bool) -> Run:
        order = jnp.asarray(batches(len(self.labels), BATCH, job.steps, job.seed)).reshape(EVALUATIONS, -1, BATCH)
        start = _tree(STUDENT.init(job.seed))
        p, state, records = self._trainer(job.arm, job.weight, job.steps)(start, order, jnp.float32(job.lr))
        curve = [
            {"step": float((n + 1) * order.shape[1]), **{k: float(v[n]) for k, v in records.items()}}
            for n in range(EVALUATIONS)
        ]
        factors = state.factors if isinstance(state, tnj.OverparameterizedState) else {}
        plan = _plan(arm(job.arm), start) if factors else {}
        return Run(
            job,
            _parameters(p),
            curve,
            validation=curve[-1]["validation"],
            test=float(self._accuracy(p, "test")) if test else None,
            fold_error=max((relative_error(p[n], plan[n], f) for n, f in factors.items()), default=0.0),
            trained=sum(f.size for fs in factors.values() for f in fs)
            + sum(v.size for n, v in p.items() if n not in factors),
        )

    def stepper(self, job: Job) -> Callable[[], None]:
        one = arm(job.arm)
        order = jnp.asarray(batches(len(self.labels), BATCH, 64, job.seed))
        tx = self._transformation(one, job.weight, job.lr, 1000)
        step = jax.jit(partial(self._step, one, tx))
        p = _tree(STUDENT.init(job.seed))
        carry, count = (p, jax.jit(tx.init)(p)), iter(range(10**9))

        def run() -> None:
            nonlocal carry
            carry, _ = step(carry, order[next(count) % len(order)])
            jax.block_until_ready(carry)

        run()
        return run

    def inference(self, parameters: Parameters) -> Callable[[], None]:
        p, infer = _tree(parameters), jax.jit(forward)

        def run() -> None:
            infer(p, self.x["test"]).block_until_ready()

        run()
        return run

    def _compiled(self, key: str, weight: float, steps: int) -> Callable[..., Any]:
        one = arm(key)

        @jax.jit
        def train(p: Tree, order: jax.Array, lr: jax.Array) -> Any:
            tx = self._transformation(one, weight, lr, steps)

            def stretch(carry: Any, chunk: jax.Array) -> Any:
                carry, terms = jax.lax.scan(lambda c, index: self._step(one, tx, c, index), carry, chunk)
                last = jax.tree.map(lambda t: t[-1], terms)
                return carry, {**last, "validation": self._accuracy(carry[0], "validation")}

            (p, state), records = jax.lax.scan(stretch, (p, tx.init(p)), order)
            return p, state, records

        return train

    def _step(self, one: Arm, tx: Any, carry: Any, index: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        p, state = carry

        def loss(p: Tree) -> tuple[jax.Array, dict[str, jax.Array]]:
            outputs = forward(p, self.x["train"][index])
            terms = {"cross_entropy": cross_entropy(outputs, self.labels[index])}
            if not one.distil:
                return terms["cross_entropy"], terms
            terms["hinton"] = hinton(outputs, self.logits[index], temperature=TEMPERATURE)
            return ALPHA * terms["hinton"] + (1 - ALPHA) * terms["cross_entropy"], terms

        (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(p)
        updates, state = tx.update(gradient, state, p)
        if one.gauge:
            terms["alignment"] = state.alignment.loss
        return (optax.apply_updates(p, updates), state), {"loss": value, **terms}

    def _accuracy(self, p: Tree, part: str) -> jax.Array:
        return 100 * (forward(p, self.x[part]).argmax(-1) == self.y[part]).mean()

    def _transformation(self, one: Arm, weight: float, lr: Any, steps: int) -> optax.GradientTransformation:
        def schedule(count: jax.Array) -> jax.Array:
            return lr * 0.5 * (1 + jnp.cos(jnp.pi * count / steps))

        tx = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)
        if not one.cores:
            return tx
        alignment = (
            tnj.Alignment(self.teacher, weight=weight, gauge=one.gauge, every=ROTATE_EVERY) if one.gauge else None
        )
        plan = _plan(one, _tree(STUDENT.init(0)))
        return tnj.overparameterize(tx, plan, alignment=alignment, lr_transfer=False)  # as published


def _plan(one: Arm, p: Tree) -> Any:
    return tnj.plan(p, r".*\.weight", cores=one.cores)


def _tree(parameters: Parameters) -> Tree:
    return {n: jnp.asarray(w) for n, w in parameters.items()}


def _parameters(p: Tree) -> Parameters:
    return {n: np.asarray(w) for n, w in p.items()}
