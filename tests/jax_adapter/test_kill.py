"""A training killed with SIGKILL and resumed from its last checkpoint ends bit-identical to one that was not."""

from pathlib import Path

import jax.numpy as jnp
from killing import run_killed, run_whole
from safetensors.flax import load_file

SCRIPT = Path(__file__).with_name("killed_run.py")
STEPS = 40


def test_killed_and_resumed_equals_uninterrupted(tmp_path):
    run_whole(SCRIPT, tmp_path / "whole", STEPS)
    assert run_killed(SCRIPT, tmp_path / "killed", STEPS, "final.safetensors", every=15) >= 2
    whole, killed = (load_file(tmp_path / d / "final.safetensors") for d in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(jnp.array_equal(whole[k], killed[k]) for k in whole)
