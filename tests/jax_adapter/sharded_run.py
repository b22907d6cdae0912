"""Train on eight devices of one CPU: `sharded_run.py DTYPE`, which prints what the test judges as JSON."""

import io
import json
import logging
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import tensornet_jax as tnj

LAYERS, WIDTH = 8, 16
DTYPE = sys.argv[1]
LOG = io.StringIO()
logging.getLogger("tensornet_jax").addHandler(logging.StreamHandler(LOG))


def params(seed):
    """A stack of layers, which is split by layers, and a kernel by itself, whose factors are split along an axis."""
    rng = np.random.default_rng(seed)

    def array(*shape):
        return jnp.asarray(rng.normal(size=shape) / WIDTH**0.5, DTYPE)

    stack = {"kernel": array(LAYERS, WIDTH, WIDTH), "bias": array(LAYERS, WIDTH)}
    return {"layers": stack, "head": {"kernel": array(WIDTH, WIDTH), "bias": array(WIDTH)}}


def loss(p, batch):
    def layer(x, w):
        return x + jnp.tanh(jnp.matmul(x, w["kernel"], precision="highest") + w["bias"]), None

    h, _ = jax.lax.scan(layer, batch, p["layers"])
    return jnp.mean((jnp.matmul(h, p["head"]["kernel"], precision="highest") + p["head"]["bias"] - batch[:, ::-1]) ** 2)


def step(p, state, batch):
    updates, state = tx.update(jax.grad(loss)(p, batch), state, p)
    return optax.apply_updates(p, updates), state


def batch(k):
    return jnp.asarray(np.random.default_rng(50 + k % 4).normal(size=(16, WIDTH)), DTYPE)


def everywhere(tree):
    return jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), tree)


def columns(tree):
    """Parameters split over the devices too, along their last axis."""
    return jax.tree.map(lambda a: NamedSharding(mesh, PartitionSpec(*(None,) * (a.ndim - 1), "device")), tree)


def run(of_params, of_state, steps):
    """The weights after `steps`, how often the step was compiled, whether all stayed where it was, and the last state."""
    jitted = jax.jit(step, donate_argnums=(0, 1), out_shardings=(of_params, of_state))
    q, s = jax.device_put(jax.tree.map(jnp.copy, start), of_params), jax.device_put(tx.init(start), of_state)
    for k in range(steps):
        q, s = jitted(q, s, jax.device_put(batch(k), NamedSharding(mesh, PartitionSpec("device"))))
    wanted = jax.tree.leaves((of_params, of_state))
    stayed = all(a.sharding == w for a, w in zip(jax.tree.leaves((q, s)), wanted, strict=True))
    return q, {"compiled": jitted._cache_size(), "stayed": stayed}, (jitted, s)


def gap(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


def share(tree):
    """Bytes on the fullest device over all bytes."""
    leaves = jax.tree.leaves(tree)
    held = [sum(a.addressable_shards[d].data.nbytes for a in leaves) for d in range(len(jax.devices()))]
    return max(held) / sum(a.nbytes for a in leaves)


def alarm(jitted, q, s):
    """The weight after a step that finds that somebody else wrote it, and what went to the log."""
    q["head"]["kernel"] = q["head"]["kernel"].at[0, 0].add(1.0)
    q, _ = jitted(q, s, batch(0))
    jax.block_until_ready(q)
    jax.effects_barrier()
    said = LOG.getvalue()
    LOG.seek(0)
    LOG.truncate()
    return bool(jnp.isnan(q["head"]["kernel"]).all()), bool(jnp.isfinite(q["layers"]["kernel"]).all()), said


with jax.enable_x64(DTYPE == "float64"):
    start, mesh = params(0), Mesh(np.array(jax.devices()), ("device",))
    plan = tnj.plan(start, r".*kernel", cores=2, stacked=r"layers\..*")
    alignment = tnj.Alignment(params(1), weight=1e-2, every=40)
    tx = tnj.overparameterize(optax.sgd(2e-2, momentum=0.9), plan, alignment=alignment, guard="nan")
    single, (one, s) = jax.jit(step), (start, tx.init(start))
    after = {}
    for k in range(100):
        one, s = single(one, s, batch(k))
        after[k + 1] = one
    state = jax.eval_shape(tx.init, start)
    by_owner = tnj.shardings(plan, state, mesh, "device")
    ways = {"by owner": (everywhere(start), by_owner, 100)}
    if DTYPE == "float64":
        ways["data parallel"] = (everywhere(start), everywhere(state), 10)
        ways["parameters split too"] = (columns(start), by_owner, 10)
    found = {"devices": len(jax.devices()), "moved": gap(one, start), "ways": {}}
    for name, (of_params, of_state, steps) in ways.items():
        q, seen, (jitted, s) = run(of_params, of_state, steps)
        seen |= {
            "steps": steps,
            "gap": gap(q, after[steps]),
            "share": share((s.factors, s.inner[0].trace, s.alignment)),
        }
        found["ways"][name] = {**seen, "alarm": alarm(jitted, q, s)}
    print(json.dumps(found))
