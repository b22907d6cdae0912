"""A step in JAX, compiled whole: the host's terms, the dense gradients clipped, AdamW with or without factors inside."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

import tensornet as tn
import tensornet_jax as tnj

from ..hosts._answers import answers, supervised
from ..models.jax_networks import Model, Network
from ._config import Config, Opdf, Training
from ._engine import BETAS, EPS
from ._planned import alignment_weight

SMALL = 1e-6  # beside the norm, as PyTorch clips

Tree = dict[str, Array]  # by PyTorch's names, (out, in)
Carry = tuple[Tree, Any]  # weights, state of the transformation
Step = Callable[..., tuple[Tree, Any, dict[str, Any]]]


def adamw(training: Training, weights: Mapping[str, Any]) -> optax.GradientTransformationExtraArgs:
    """Weight decay on matrices alone, and on what is trained in their place; the learning rate comes with each update, as `lr`.

    weights  name → the dense weight
    """

    def matrices(params: Mapping[str, Any]) -> dict[str, bool]:
        return {name: weights[name].ndim > 1 for name in params}

    def scaled(updates: Any, state: Any, params: Any = None, *, lr: Array, **_: Any) -> Any:
        return jax.tree.map(lambda u: -lr * u, updates), state

    return optax.chain(
        optax.scale_by_adam(*BETAS, eps=EPS),
        optax.add_decayed_weights(training.weight_decay, matrices),
        optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), scaled),
    )


def overparameterized(
    tx: optax.GradientTransformationExtraArgs, plan: tn.Plan, opdf: Opdf, teacher: Model | None, steps: int
) -> optax.GradientTransformationExtraArgs:
    """`tx` on factors, aligned with the teacher's if that is asked for."""
    alignment = None
    if opdf.alignment and teacher is not None:
        arrays = {name: jnp.asarray(w) for name, w in teacher.weights.items()}
        weight = alignment_weight(opdf, steps)
        alignment = tnj.Alignment(arrays, opdf.pairs, weight, opdf.alignment_gauge, opdf.resync_every)
    return tnj.overparameterize(tx, plan, alignment=alignment, gauge=opdf.gauge, lr_transfer=opdf.lr_transfer)


def compiled(network: Network, config: Config, tx: optax.GradientTransformationExtraArgs) -> Step:
    """(weights, state, batch, key, lr, more) → (weights, state, what to log). The first two are donated.

    more  what else `tx` takes with an update, by name
    """

    def step(
        weights: Tree, state: Any, batch: Mapping[str, Any], key: Array, lr: Array, more: Mapping[str, Any]
    ) -> Any:
        def loss(weights: Tree) -> tuple[Array, dict[str, Array]]:
            terms = terms_of(config, network.logits(weights, batch["inputs"], key), batch)
            return jnp.stack([*terms.values()]).sum(), terms

        (value, terms), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
        gradient, norm = clipped(gradient, config.training.max_grad_norm)
        updates, state = tx.update(gradient, state, weights, lr=lr, **more)
        said = {"loss": value, "terms": terms, "grad_norm": norm}
        if isinstance(state, tnj.OverparameterizedState) and state.alignment is not None:
            said["alignment_loss"] = state.alignment.loss
        return optax.apply_updates(weights, updates), state, said

    return jax.jit(step, donate_argnums=(0, 1))


def terms_of(config: Config, logits: Array, batch: Mapping[str, Any]) -> dict[str, Array]:
    """Name → weighted term of the host's loss."""
    if config.host == "labels":
        return {"labels": supervised(logits, batch["labels"])}
    return answers(config.kd, logits, batch["teacher"]["logits"], batch["labels"])


def clipped(gradient: Tree, limit: float) -> tuple[Tree, Array]:
    """g · min(1, limit/(‖g‖ + 1e-6)), all gradients taken as one vector; and ‖g‖."""
    norm = optax.tree.norm(gradient)
    scale = jnp.minimum(1.0, limit / (norm + SMALL))
    return jax.tree.map(lambda g: g * scale, gradient), norm
