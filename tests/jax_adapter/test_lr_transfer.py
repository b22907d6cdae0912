"""A learning rate that transfers, compiled: what is JAX's own; the rule is tested with PyTorch, and both agree elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from jax_adapter import small

import tensornet as tn
import tensornet_jax as tnj
from tensornet.transfer import TRIES, lengths, lent, moved, reach, share, slopes, step_scales, tried

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
            bound = reach(scales[n], lengths(steps, 0), slopes(g[n], pulled, 0))
            found, layers[n] = share(bound, FMT.contract(old), FMT.contract(new), 2), new
            for _ in range(TRIES):
                if found.known:
                    break
                layers[n] = moved(old, [found.share] * 2, [b - a for a, b in zip(old, new, strict=True)])
                found = tried(found, bound, FMT.contract(old), FMT.contract(layers[n]))
            parts.append(float(found.share))
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


@pytest.mark.parametrize("cores", [2, 10])
@pytest.mark.parametrize("size", [1e-1, 1e-5, 1e-9])
def test_weights_that_are_small_beside_the_rate_go_as_far_as_others(cores, size):
    """There products of the factors' steps have the most of the step: twelve dense steps would go 0.12 far."""
    rng = np.random.default_rng(0)
    p = {"w": jnp.asarray(size * rng.normal(size=(24, 36)), jnp.float32)}
    begun, gradient = p["w"], jnp.asarray(rng.normal(size=(24, 36)), jnp.float32)
    tx, state = start(p, optax.adam(1e-2), tnj.plan(p, ["w"], cores=cores))
    update = jax.jit(tx.update)
    for _ in range(12):
        updates, state = update({"w": gradient}, state, p)
        p = optax.apply_updates(p, updates)
    assert -((p["w"] - begun) * gradient).sum() / jnp.abs(gradient).sum() > 0.4 * 0.12


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


# ---- the default ----------------------------------------------------------------------------------------------------

SIGN, GRADIENT = "sign", "gradient"
LABELS = {"fc": {"kernel": "planned", "bias": "rest"}, "head": {"kernel": "rest"}}
PLANNED = jax.tree.map(lambda label: label == "planned", LABELS)


def either(planned, rest):
    return optax.multi_transform({"planned": planned, "rest": rest}, LABELS)


RULES = {
    "sgd": (optax.sgd(0.1), GRADIENT),
    "momentum": (optax.sgd(0.1, momentum=0.9), GRADIENT),
    "nesterov, schedule": (optax.sgd(optax.cosine_decay_schedule(0.1, 9), 0.9, nesterov=True), GRADIENT),
    "ema": (optax.chain(optax.ema(0.9), optax.scale(-0.1)), GRADIENT),
    "injected sgd": (optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9), GRADIENT),
    "clipped, decayed sgd": (
        optax.chain(optax.clip_by_global_norm(1.0), optax.add_decayed_weights(0.1), optax.sgd(0.1)),
        GRADIENT,
    ),
    "masked sgd": (optax.masked(optax.sgd(0.1, momentum=0.9), PLANNED), GRADIENT),
    "sgd of the mean": (optax.MultiSteps(optax.sgd(0.1), 2).gradient_transformation(), GRADIENT),
    "sgd of the sum": (optax.chain(optax.apply_every(2), optax.sgd(0.1)), GRADIENT),
    "noisy sgd": (optax.noisy_sgd(0.1, key=0), GRADIENT),
    "sgd if finite": (optax.apply_if_finite(optax.sgd(0.1), 3), GRADIENT),
    "sgd, adam for the rest": (either(optax.sgd(0.1), optax.adam(1e-2)), GRADIENT),
    "sign_sgd, which must be told": (optax.sign_sgd(1e-2), GRADIENT),
    "signum, which must be told": (optax.signum(1e-2), GRADIENT),
    "adam": (optax.adam(1e-2), SIGN),
    "adamw": (optax.adamw(1e-2), SIGN),
    "lion": (optax.lion(1e-3), SIGN),
    "rmsprop": (optax.rmsprop(1e-2), SIGN),
    "adagrad": (optax.adagrad(1e-2), SIGN),
    "adafactor": (optax.adafactor(1e-2), SIGN),
    "sm3": (optax.sm3(1e-2), SIGN),
    "lamb": (optax.lamb(1e-2), SIGN),
    "injected adam": (optax.inject_hyperparams(optax.adam)(learning_rate=1e-2), SIGN),
    "adam of the mean": (optax.MultiSteps(optax.adam(1e-2), 2).gradient_transformation(), SIGN),
    "masked adam": (optax.masked(optax.adam(1e-2), PLANNED), SIGN),
    "adam, sgd for the rest": (either(optax.adam(1e-2), optax.sgd(0.1)), SIGN),
    "adam on a vector of all": (optax.flatten(optax.adam(1e-2)), SIGN),
}


@pytest.mark.parametrize(("tx", "rule"), RULES.values(), ids=RULES)
def test_the_default_is_the_rule_of_the_transformation(tx, rule):
    p, fmt = small.params(0), small.plan(small.params(0))[small.NAME]
    state = tnj.overparameterize(tx, small.plan(p)).init(p)
    of = {r: step_scales(fmt, state.factors[small.NAME], rule=r) for r in (SIGN, GRADIENT)}
    small.close(state.transfer.scales[small.NAME], of[rule], 1e-6)
    assert not np.allclose(of[SIGN], of[GRADIENT], rtol=1e-2)


@pytest.mark.parametrize(
    ("tx", "rule", "other"),
    [(optax.sgd(0.3, momentum=0.9), GRADIENT, SIGN), (optax.adam(1e-2), SIGN, GRADIENT)],
    ids=["sgd", "adam"],
)
def test_it_is_the_default_and_trains_as_the_rule_spelled_out(tx, rule, other):
    p, trained = small.params(0), {}
    for options in ({}, {"lr_transfer": rule}, {"lr_transfer": other}):
        ours = tnj.overparameterize(tx, small.plan(p), **options)
        trained[options.get("lr_transfer")] = small.train(ours, p, ours.init(p), range(3))[0]["fc"]["kernel"]
    np.testing.assert_array_equal(trained[None], trained[rule])
    assert not np.allclose(trained[None], trained[other], rtol=1e-3)


def test_each_weight_has_the_rule_of_its_own_transformation():
    p = small.params(0)
    plan = tnj.plan(p, r".*kernel", format="low_rank")
    both = tnj.overparameterize(either(optax.sgd(0.1), optax.adam(1e-2)), plan).init(p)
    for name, rule in ((small.NAME, GRADIENT), ("head.kernel", SIGN)):
        small.close(both.transfer.scales[name], step_scales(plan[name], both.factors[name], rule=rule), 1e-6)


@pytest.mark.parametrize(
    "tx",
    [optax.contrib.schedule_free_sgd(0.1), optax.contrib.prodigy(), optax.lbfgs()],
    ids=["free", "prodigy", "lbfgs"],
)
def test_copies_of_the_factors_are_refused(tx):
    p = small.params(0)
    with pytest.raises(
        tn.TensorNetError, match=r"state has a copy of the parameters, needed .*; pass lr_transfer=False"
    ):
        jax.eval_shape(tnj.overparameterize(tx, small.plan(p)).init, p)
    assert jax.eval_shape(tnj.overparameterize(tx, small.plan(p), lr_transfer=False).init, p).transfer is None


def test_copies_of_what_is_not_planned_do_no_harm():
    p = small.params(0)
    tx = either(optax.sgd(0.1), optax.contrib.prodigy())
    assert jax.eval_shape(tnj.overparameterize(tx, small.plan(p)).init, p).transfer is not None
