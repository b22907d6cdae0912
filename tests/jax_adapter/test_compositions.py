"""The transformation inside optax's own wrappers, and they inside of it: each trains as the plain one does, or says why not."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter.small import NAME, close, data, loss, params, plan, stepper, train

import tensornet as tn
import tensornet_jax as tnj

STEPS = range(3)


def ours(p, inner=None, **options):
    return tnj.overparameterize(inner or optax.adamw(1e-2), plan(p), **options)


def trained(tx, p, steps=STEPS):
    return train(tx, p, tx.init(p), steps)[0]


def test_a_chain_clips_the_dense_gradient_before_it():
    p = params(0)
    chain = optax.chain(optax.clip_by_global_norm(0.1), ours(p, optax.sgd(1.0)))
    free = ours(p, optax.sgd(1.0))
    gradients = jax.grad(loss)(p, data(0))
    clipped = jax.tree.map(lambda g: g * (0.1 / optax.tree.norm(gradients)), gradients)
    updates, _ = chain.update(gradients, chain.init(p), p)
    expected, _ = free.update(clipped, free.init(p), p)
    close(updates, expected, 1e-6)
    assert float(jnp.abs(updates["fc"]["kernel"]).max()) > 1e-3


def test_nothing_may_follow_in_a_chain():
    """It would move the weight away from its factors, which the next update refuses."""
    p = params(0)
    tx = optax.chain(ours(p), optax.scale(0.5))

    def train_and_wait():
        jax.block_until_ready(trained(tx, p))
        jax.effects_barrier()

    with pytest.raises(jax.errors.JaxRuntimeError, match=rf"somebody else wrote {NAME} since the last update"):
        train_and_wait()


def masks():
    """Masks of what is planned, and of the rest."""
    planned = jax.tree_util.tree_map_with_path(
        lambda path, _: jax.tree_util.keystr(path, simple=True, separator=".") == NAME, params(0)
    )
    return planned, jax.tree.map(lambda m: not m, planned)


def two_optimizers(p):
    """Reference: explicit training of the factors with one optimiser, of the rest with another."""
    fmt = plan(p)[NAME]
    factors, rest = fmt.decompose(p["fc"]["kernel"].T), {"bias": p["fc"]["bias"], "head": p["head"]}
    txs = optax.adamw(1e-2), optax.sgd(0.1)

    def dense(factors, rest):
        return {"fc": {"kernel": fmt.contract(factors).T, "bias": rest["bias"]}, "head": rest["head"]}

    @jax.jit
    def step(trees, states, batch):
        gradients = jax.grad(lambda trees: loss(dense(*trees), batch))(trees)
        moved = [tx.update(g, s, t) for tx, g, s, t in zip(txs, gradients, states, trees, strict=True)]
        return tuple(optax.apply_updates(t, u) for t, (u, _) in zip(trees, moved, strict=True)), [s for _, s in moved]

    trees = (factors, rest)
    states = [tx.init(t) for tx, t in zip(txs, trees, strict=True)]
    for k in STEPS:
        trees, states = step(trees, states, data(k))
    return dense(*trees)


def test_masked_inside_a_chain():
    p = params(0)
    planned, rest = masks()
    tx = optax.chain(optax.masked(ours(p, lr_transfer=False), planned), optax.masked(optax.sgd(0.1), rest))
    close(trained(tx, p), two_optimizers(p), 1e-5)


@pytest.mark.parametrize("inside", [True, False], ids=["ours in theirs", "theirs in ours"])
def test_multi_transform(inside):
    """Labels of the dense tree serve both ways, because a tuple of factors stands where a weight stood."""
    p = params(0)
    labels = jax.tree.map(lambda m: "factors" if m else "rest", masks()[0])
    if inside:
        tx = optax.multi_transform({"factors": ours(p, lr_transfer=False), "rest": optax.sgd(0.1)}, labels)
    else:
        inner = optax.multi_transform({"factors": optax.adamw(1e-2), "rest": optax.sgd(0.1)}, labels)
        tx = ours(p, inner, lr_transfer=False)
    close(trained(tx, p), two_optimizers(p), 1e-5)


def test_weight_decay_may_be_masked_by_the_dense_names():
    p = params(0)
    tx = ours(p, optax.adamw(1e-2, weight_decay=0.5, mask=masks()[1]))
    plain = ours(p, optax.adamw(1e-2, weight_decay=0.0))
    masked, free = (trained(t, p, range(1)) for t in (tx, plain))
    close(masked["fc"]["kernel"], free["fc"]["kernel"], 1e-6)
    assert float(jnp.abs(masked["head"]["kernel"] - free["head"]["kernel"]).max()) > 1e-3


@pytest.mark.parametrize("inside", [True, False], ids=["ours in theirs", "theirs in ours"])
def test_injected_hyperparameters_are_read_at_each_step(inside):
    p = params(0)
    if inside:
        tx = optax.inject_hyperparams(lambda rate: ours(p, optax.sgd(rate)))(rate=0.1)
    else:
        tx = ours(p, optax.inject_hyperparams(optax.sgd)(learning_rate=0.1))
    step, state, q = jax.jit(stepper(tx)), tx.init(p), p
    for k, rate in enumerate((0.1, 0.02)):
        held = (state if inside else state.inner).hyperparams
        held["rate" if inside else "learning_rate"] = jnp.asarray(rate)
        q, state = step(q, state, data(k))
    scheduled = ours(p, optax.sgd(lambda n: jnp.where(n == 0, jnp.float32(0.1), jnp.float32(0.02))))
    close(q, trained(scheduled, p, range(2)), 1e-6)


@pytest.mark.parametrize("inside", [True, False], ids=["ours in theirs", "theirs in ours"])
def test_multi_steps_are_one_step_of_the_mean_gradient(inside):
    p = params(0)
    theirs = optax.MultiSteps(optax.adamw(1e-2), 3).gradient_transformation()
    tx = optax.MultiSteps(ours(p), 3) if inside else ours(p, theirs)
    step, state, q = jax.jit(stepper(tx)), tx.init(p), p
    for k in range(3):
        if k:
            close(q, p, 1e-6)
        q, state = step(q, state, data(k))
    gradients = [jax.grad(loss)(p, data(k)) for k in range(3)]
    mean = jax.tree.map(lambda *g: sum(g) / 3, *gradients)
    once = ours(p)
    updates, _ = once.update(mean, once.init(p), p)
    close(q, optax.apply_updates(p, updates), 1e-5)
    close(tnj.materialize(plan(p), state, q), q, 1e-6)


@pytest.mark.parametrize(
    ("inside", "dtype"),
    [(True, "float32"), (True, "bfloat16"), (False, "float32")],
    ids=["ours in theirs", "ours in theirs, 16 bits", "theirs in ours"],
)
def test_what_is_not_finite_is_skipped(inside, dtype):
    p = params(0, dtype)
    tx = optax.apply_if_finite(ours(p), 5) if inside else ours(p, optax.apply_if_finite(optax.adamw(1e-2), 5))
    step = jax.jit(lambda p, state, gradients: tx.update(gradients, state, p))
    gradients, state = jax.grad(loss)(p, data(0, dtype)), tx.init(p)
    bad = jax.tree.map(lambda g: g.at[0].set(np.nan), gradients)
    updates, state = step(p, state, bad)
    stood = optax.apply_updates(p, updates)
    close(stood, p, 0 if dtype == "bfloat16" else 1e-6)
    updates, state = step(stood, state, gradients)
    once = ours(p)
    close(updates, once.update(gradients, once.init(p), p)[0], 1e-2 if dtype == "bfloat16" else 1e-5)
    assert float(jnp.abs(updates["fc"]["kernel"]).max()) > 1e-3


def test_an_average_of_the_weights_beside_training_and_swapped_in():
    """It sees dense parameters; swapped in, it is an overwrite like any other, and `init` takes it."""
    p = params(0)
    tx = ours(p)
    step, state, q, mean = jax.jit(stepper(tx)), tx.init(p), p, p
    weights = [p]
    for k in STEPS:
        q, state = step(q, state, data(k))
        mean = optax.incremental_update(q, mean, 0.5)
        weights.append(q)
    expected = jax.tree.map(lambda a, b, c, d: a / 8 + b / 8 + c / 4 + d / 2, *weights)
    close(mean, expected, 1e-6)
    with pytest.raises(tn.TensorNetError, match=rf"somebody else wrote {NAME} .* EMA swap"):
        tx.update(jax.grad(loss)(mean, data(3)), state, mean)
    tx.update(jax.grad(loss)(mean, data(3)), tx.init(mean), mean)


def test_an_average_of_the_factors_updates():
    """optax.ema inside: it sees what the inner transformation makes of the factors."""
    p = params(0)
    with_ema = ours(p, optax.chain(optax.ema(0.0, debias=False), optax.sgd(0.1)))
    close(trained(with_ema, p), trained(ours(p, optax.sgd(0.1)), p), 1e-6)


def test_extra_arguments_reach_the_inner_transformation():
    p = params(0)
    seen = []

    def update(updates, state, params=None, *, value, **_):
        seen.append(value)
        return updates, state

    inner = optax.chain(optax.GradientTransformationExtraArgs(lambda _: optax.EmptyState(), update), optax.sgd(0.1))
    tx = optax.chain(optax.identity(), ours(p, inner))
    tx.update(jax.grad(loss)(p, data(0)), tx.init(p), p, value=3.0)
    assert seen == [3.0]


@pytest.mark.parametrize("key", [jax.random.key, jax.random.PRNGKey], ids=["typed", "old"])
def test_random_keys_in_the_state_and_among_the_parameters(key):
    """Noise has its key in optax's state; NNX keeps the keys of dropout in the tree, stacked ones too."""
    p = params(0)
    noisy = ours(p, optax.chain(optax.add_noise(0.1, 0.5, key=jax.random.key(0)), optax.sgd(0.1)))
    assert not np.allclose(trained(noisy, p)["fc"]["kernel"], trained(ours(p, optax.sgd(0.1)), p)["fc"]["kernel"])
    keys = jax.random.split(key(1), (4, 6) if key is jax.random.key else 4)
    made = tnj.plan({**p, "dropout": {"kernel": keys}}, r".*kernel", format="low_rank")
    assert list(made) == [NAME, "head.kernel"]
    assert made.skipped["dropout.kernel"] == f"no floats, but {keys.dtype}"
