"""A learning rate that transfers, compiled: what is JAX's own; the rule is tested with PyTorch, and both agree elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax_adapter import small

import tensornet as tn
import tensornet_jax as tnj
from tensornet.transfer import lent, moved, reach, share, slopes, step_scales

RATE = 1e-2
FMT = tn.LowRank(4, 6)


def start(p, tx=None, plan=None, **options):
    plan = plan or small.plan(p)
    tx = tnj.overparameterize(tx or optax.adam(RATE), plan, **{"lr_transfer": True} | options)
    return tx, jax.jit(tx.init)(p)


def test_a_stack_takes_the_steps_of_its_layers():
    """By hand in NumPy: SGD with momentum and decay, of one layer that would go too far, and one that would not."""
    rate, decay, rng = 10.0, 1e-3, np.random.default_rng(0)
    stack = {"w": jnp.asarray(rng.normal(size=(2, 4, 6)) * np.reshape([10.0, 1e-2], (2, 1, 1)))}
    gradients = [np.asarray(rng.normal(size=(2, 4, 6)) * np.reshape([5.0, 1e-4], (2, 1, 1))) for _ in range(3)]
    plan = tnj.plan(stack, {"w": FMT}, stacked="w")
    sgd = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
    tx, state = start(stack, sgd, plan, lr_transfer="gradient")
    layers = [[np.asarray(f[n]) for f in state.factors["w"]] for n in (0, 1)]
    scales = [step_scales(FMT, layer, rule="gradient") for layer in layers]
    update, parts = jax.jit(tx.update), []
    for number, g in enumerate(gradients, start=1):
        updates, state = update({"w": jnp.asarray(g)}, state, stack)
        stack = optax.apply_updates(stack, updates)
        for n, old in enumerate(layers):
            pulled = FMT.pullback(old, g[n])
            steps = [-rate * (p + decay * t) for p, t in zip(pulled, lent(old, scales[n]), strict=True)]
            new = moved(old, scales[n], steps)
            bound = reach(scales[n], steps, slopes(g[n], pulled, 0))
            parts.append(float(share(bound, FMT.contract(old), FMT.contract(new))))
            layers[n] = moved(old, [np.asarray(parts[-1])] * 2, [b - a for a, b in zip(old, new, strict=True)])
            scales[n] = step_scales(FMT, layers[n], rule="gradient") if number in (1, 2) else scales[n]
    assert min(parts) < 0.9
    assert parts.count(1.0) > 1
    for n, layer in enumerate(layers):
        np.testing.assert_allclose(stack["w"][n], FMT.contract(layer), rtol=1e-9)
        np.testing.assert_allclose([m[n] for m in state.transfer.scales["w"]], scales[n], rtol=1e-9)
    assert int(state.transfer.steps) == 3


def test_updates_are_as_long_as_the_learning_rate_and_go_on_from_a_run():
    p, other = small.params(0), small.params(1)
    tx, state = start(p)
    update, gradient = jax.jit(tx.update), jax.tree.map(jnp.ones_like, p)

    def train(p, state):
        lengths = []
        for _ in range(3):
            updates, state = update(gradient, state, p)
            lengths.append(float(jnp.sqrt(jnp.mean(updates["fc"]["kernel"] ** 2))) / RATE)
            np.testing.assert_allclose(np.abs(updates["head"]["kernel"]), RATE, rtol=1e-4)  # not planned: as ever
            p = optax.apply_updates(p, updates)
        return p, state, lengths

    p, state, lengths = train(p, state)
    assert lengths[0] > 0.8
    assert max(lengths) < 2.01
    run = tnj.to_run(small.plan(p), p, state)
    assert run.scales[small.NAME] == tuple(float(m) for m in state.transfer.scales[small.NAME])
    begun = tnj.from_run(
        run, small.plan(p), other, state._replace(transfer=jax.tree.map(jnp.zeros_like, state.transfer))
    )
    small.close(train(*begun)[:2], train(p, state)[:2], 0)
    with pytest.raises(tn.TensorNetError, match=r"it is with lr_transfer"):
        tnj.from_run(run, small.plan(p), other, state._replace(transfer=None))


def test_half_precision_weights_move_by_what_their_factors_do():
    """Their own rounding is far more than the step, and no part of it."""
    p = {"w": jnp.asarray(1 + np.random.default_rng(0).normal(size=(4, 6)), jnp.bfloat16)}
    gradient, found = jax.tree.map(jnp.ones_like, p), []
    for dtype in (jnp.bfloat16, jnp.float32):
        q = jax.tree.map(lambda x, dtype=dtype: x.astype(dtype), p)
        tx, state = start(q, optax.sgd(1e-4), tnj.plan(q, {"w": FMT}), lr_transfer="sign")
        found.append(jax.jit(tx.update)(gradient, state, q)[1].factors)
    small.close(*found, 2e-6)


def test_refusals():
    p = small.params(0)
    with pytest.raises(tn.TensorNetError, match=r"overparameterize: lr_transfer: unknown rule 'adam'"):
        start(p, lr_transfer="adam")
    tx, plain = (tnj.overparameterize(optax.adam(RATE), small.plan(p), lr_transfer=on) for on in (True, False))
    with pytest.raises(tn.TensorNetError, match=r"differ in whether there is alignment, lr_transfer, or products"):
        tx.update(p, jax.eval_shape(plain.init, p), p)
