"""A training killed with SIGKILL and resumed from its last checkpoint ends bit-identical to one that was not.

`KILLS=20 pytest tests/jax_adapter/test_kill.py -k orbax` kills it so many times.
"""

import os
from pathlib import Path

import jax.numpy as jnp
import pytest
from killing import run_killed, run_killed_at_random, run_whole
from safetensors.flax import load_file

FILES, ORBAX = (Path(__file__).with_name(f"{name}.py") for name in ("killed_run", "killed_orbax_run"))
KILLS = int(os.environ.get("KILLS", "2"))
STEPS = 20 * KILLS
FINAL = "final.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What is there when nobody interrupts it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run_whole(FILES, folder, STEPS)
    return load_file(folder / FINAL)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def quick(cache, monkeypatch):
    """Nothing is compiled twice after kills; the uninterrupted run compiles for itself."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(cache))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def same(whole, folder):
    killed = load_file(folder / FINAL)
    return whole.keys() == killed.keys() and all(jnp.array_equal(whole[k], killed[k]) for k in whole)


def test_killed_and_resumed_equals_uninterrupted(whole, quick, tmp_path):
    assert run_killed(FILES, tmp_path / "killed", STEPS, FINAL, every=15) >= 2
    assert same(whole, tmp_path / "killed")


def test_killed_at_random_and_resumed_through_orbax(whole, quick, tmp_path):
    run_killed_at_random(ORBAX, tmp_path / "killed", STEPS, FINAL, KILLS)
    assert same(whole, tmp_path / "killed")
