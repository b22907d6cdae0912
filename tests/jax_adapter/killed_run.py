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


class Files:
    """One safetensors file, replaced as a whole."""

    def __init__(self, folder):
        self.path = folder / "last.safetensors"

    def save(self, done, tree):
        save_file({f"{n:04d}": leaf for n, leaf in enumerate(jax.tree.leaves(tree))}, self.path.with_suffix(".new"))
        self.path.with_suffix(".new").replace(self.path)

    def last(self, start):
        """What was saved last, in the tree of what `start` makes; None at the beginning."""
        if not self.path.exists():
            return None
        leaves = [leaf for _, leaf in sorted(load_file(self.path).items())]
        return jax.tree.unflatten(jax.tree.structure(jax.eval_shape(start)), leaves)


def run(checkpoints, folder, steps, pause):
    plan = tnj.plan(params(0), r".*kernel", cores=2)
    schedule = optax.cosine_decay_schedule(1e-2, steps)
    tx = tnj.overparameterize(optax.adamw(schedule), plan, alignment=tnj.Alignment(params(9), weight=10.0, every=7))

    @jax.jit
    def step(p, state, data):
        updates, state = tx.update(jax.grad(loss_of)(p, data), state, p)
        return optax.apply_updates(p, updates), state

    @jax.jit
    def start():
        p = params(0)
        return {"params": p, "state": tx.init(p)}

    held = checkpoints.last(start) or start()
    p, state = held["params"], held["state"]
    for k in range(int(state.alignment.steps), steps):
        p, state = step(p, state, batch(k))
        checkpoints.save(k + 1, {"params": p, "state": state})
        with (folder / "steps.txt").open("a") as log:
            log.write(f"{k}\n")
        time.sleep(pause)
    save_file({f"{n}": leaf for n, leaf in enumerate(jax.tree.leaves(p))}, folder / "final.new")
    (folder / "final.new").replace(folder / "final.safetensors")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run(Files(folder), folder, int(sys.argv[2]), float(sys.argv[3]))
