"""The training of killed_run.py with its checkpoints in the hands of Orbax: `killed_orbax_run.py FOLDER STEPS PAUSE`."""

import sys
from pathlib import Path

import jax
import orbax.checkpoint as ocp

sys.path.insert(0, str(Path(__file__).parents[1]))
from jax_adapter.killed_run import run


class Orbax:
    """The last two checkpoints, written in the background."""

    def __init__(self, folder):
        self.manager = ocp.CheckpointManager(folder / "orbax", options=ocp.CheckpointManagerOptions(max_to_keep=2))

    def save(self, done, tree):
        self.manager.save(done, args=ocp.args.StandardSave(tree))

    def last(self, start):
        done = self.manager.latest_step()
        if done is None:
            return None
        return self.manager.restore(done, args=ocp.args.StandardRestore(jax.eval_shape(start)))


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve()
    checkpoints = Orbax(folder)
    run(checkpoints, folder, int(sys.argv[2]), float(sys.argv[3]))
    checkpoints.manager.close()
