"""A BERT as a bare pytree, and two steps of its distillation: with the user's own transformation, and with factors in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
import tensornet_jax as tnj

from ._step import Size

LINEAR = r"layers\..*\.(query|key|value|output|up|down)\.kernel"
VOCABULARY, CLASSES = 1000, 3
LEARNING_RATE, TEMPERATURE = 1e-5, 2.0
Step = Callable[[Any, Any, Any, Array], tuple[Any, Any]]


def encoder(size: Size, layers: int, key: Array) -> dict[str, Any]:
    """Parameters of `layers` layers of six kernels each."""
    h, inner, keys = size.hidden, 4 * size.hidden, iter(jax.random.split(key, 6 * layers + 3))

    def normal(*shape: int) -> Array:
        return jax.random.normal(next(keys), shape, jnp.float32) * 0.02

    def linear(n_in: int, n_out: int) -> dict[str, Array]:
        return {"kernel": normal(n_in, n_out), "bias": jnp.zeros(n_out, jnp.float32)}

    def layer() -> dict[str, Any]:
        square = {name: linear(h, h) for name in ("query", "key", "value", "output")}
        return {**square, "up": linear(h, inner), "down": linear(inner, h)}

    stack = [layer() for _ in range(layers)]
    return {
        "layers": stack,
        "tokens": normal(VOCABULARY, h),
        "places": normal(size.length, h),
        "head": linear(h, CLASSES),
    }


def logits(size: Size, p: dict[str, Any], ids: Array) -> Array:
    """Token ids (batch, length) → (batch, CLASSES) of the mean over tokens."""
    h = p["tokens"][ids] + p["places"]
    for w in p["layers"]:
        h = _layer(size.heads, w, h)
    return _linear(p["head"], h.mean(1))


def _layer(heads: int, w: dict[str, Any], x: Array) -> Array:
    """One post-norm layer."""
    split = (*x.shape[:-1], heads, -1)
    q, k, v = (_linear(w[name], x).reshape(split) for name in ("query", "key", "value"))
    x = _normed(x + _linear(w["output"], jax.nn.dot_product_attention(q, k, v).reshape(x.shape)))
    return _normed(x + _linear(w["down"], jax.nn.gelu(_linear(w["up"], x), approximate=False)))


def _linear(w: dict[str, Array], x: Array) -> Array:
    return x @ w["kernel"] + w["bias"]


def _normed(x: Array) -> Array:
    gap = x - x.mean(-1, keepdims=True)
    return gap * jax.lax.rsqrt((gap**2).mean(-1, keepdims=True) + 1e-12)


def loss(size: Size, student: Any, teacher: Any, ids: Array) -> Array:
    """KL of softened logits; the teacher's forward is part of it."""
    target, found = (jax.nn.log_softmax(logits(size, p, ids) / TEMPERATURE) for p in (teacher, student))
    return (jnp.exp(target) * (target - found)).sum(-1).mean() * TEMPERATURE**2


@dataclass(frozen=True)
class Distillation:
    """A student, its teacher, and the steps that train it; all of them functions of arrays, none of which is made here."""

    size: Size
    cores: int

    def models(self) -> tuple[Any, ...]:
        """Student and teacher."""
        return tuple(
            encoder(self.size, n, jax.random.key(k)) for k, n in enumerate((self.size.layers, self.size.teacher_layers))
        )

    def plan(self) -> tn.Plan:
        return tnj.plan(jax.eval_shape(self.models)[0], LINEAR, cores=self.cores)

    def plain(self) -> optax.GradientTransformation:
        return optax.adamw(LEARNING_RATE)

    def ours(self) -> optax.GradientTransformation:
        return tnj.overparameterize(self.plain(), self.plan(), gauge="identity", lr_transfer=False, keep_products=True)

    def gradient(self) -> Callable[[Any, Any, Array], Any]:
        return jax.grad(partial(loss, self.size))

    def step(self, tx: optax.GradientTransformation) -> Step:
        """(student, state, teacher, ids) → (student, state)."""

        def run(student: Any, state: Any, teacher: Any, ids: Array) -> tuple[Any, Any]:
            updates, state = tx.update(self.gradient()(student, teacher, ids), state, student)
            return optax.apply_updates(student, updates), state

        return run

    def with_layers(self, layers: int) -> "Distillation":
        """The same with another number of layers, and twice as many of the teacher's."""
        return replace(self, size=replace(self.size, layers=layers, teacher_layers=2 * layers))


def floor(plan: tn.Plan) -> Callable[[], list[Array]]:
    """What cannot be left out: the products of contraction and pullback, bare, and the bytes that AdamW moves."""
    multiply = jax.jit(partial(jnp.matmul, precision="float32"))
    copy, read = jax.jit(lambda x: x + 1), jax.jit(jnp.sum)
    products = {fmt: _products(fmt) for fmt in plan.values()}
    vectors = {fmt: jnp.ones(fmt.num_params, jnp.float32) for fmt in plan.values()}

    def run() -> list[Array]:
        last = []
        for fmt in plan.values():
            last = [multiply(a, b) for a, b in products[fmt]]
            # AdamW reads T, dL/dT and two moments and writes all but the gradient: 7 passes; a copy is 2
            last += [*(copy(vectors[fmt]) for _ in range(3)), read(vectors[fmt])]
            jax.block_until_ready(last)  # as a step frees what it has used
        return last

    return run


def _products(fmt: tn.Format) -> list[tuple[Array, Array]]:
    pairs = [p for s in fmt.path.steps for p in (s.forward, s.to_left, s.to_right)]
    stacks = [(p.batch,) if p.batch > 1 else () for p in pairs]
    return [
        (jnp.ones((*b, p.rows, p.summed), jnp.float32), jnp.ones((*b, p.summed, p.cols), jnp.float32))
        for b, p in zip(stacks, pairs, strict=True)
    ]
