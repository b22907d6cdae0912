"""Train with a checkpoint after every step, going on from the last one: `killed_run.py FOLDER STEPS PAUSE`."""

import sys
import time
from pathlib import Path

import jax
import optax
from safetensors.flax import load_file, save_file

import tensornet_jax as tnj

sys.path.insert(0, str(Path(__file__).parents[1]))
from jax_adapter.students import batch, loss_of, params

folder, steps, pause = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
plan = tnj.plan(params(0), r".*kernel", cores=2)
schedule = optax.cosine_decay_schedule(1e-2, steps)
tx = tnj.overparameterize(optax.adamw(schedule), plan, alignment=tnj.Alignment(params(9), weight=10.0, every=7))


def save(tree, path):
    leaves = jax.tree.leaves(tree)
    save_file({f"{n:04d}": leaf for n, leaf in enumerate(leaves)}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def load(like, path):
    return jax.tree.unflatten(jax.tree.structure(like), [leaf for _, leaf in sorted(load_file(path).items())])


@jax.jit
def step(p, state, data):
    updates, state = tx.update(jax.grad(loss_of)(p, data), state, p)
    return optax.apply_updates(p, updates), state


p = params(0)
state, done = jax.jit(tx.init)(p), 0
if (folder / "last.safetensors").exists():
    p, state = load((p, state), folder / "last.safetensors")
    done = int(state.alignment.steps)
for k in range(done, steps):
    p, state = step(p, state, batch(k))
    save((p, state), folder / "last.safetensors")
    with (folder / "steps.txt").open("a") as log:
        log.write(f"{k}\n")
    time.sleep(pause)
save(p, folder / "final.safetensors")
