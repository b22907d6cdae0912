"""Eight devices train as one does, each with an eighth of the factors, and the step is compiled once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec
from jax_adapter.small import params, plan
from libraries import EVERYTHING

import tensornet_jax as tnj

SCRIPT = Path(__file__).with_name("sharded_run.py")


@pytest.fixture(scope="module", params=["float32", "float64"] if EVERYTHING else ["float64"])
def ran(request):
    environment = {
        **os.environ,
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8",  # the suite's, and devices
        "JAX_ENABLE_X64": "0",
        "NPROC": "32",  # threads of XLA's pool: eight devices that wait for each other take eight, and the SVD wants more
    }
    done = subprocess.run([sys.executable, SCRIPT, request.param], env=environment, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return request.param, json.loads(done.stdout)


def test_eight_devices_equal_one(ran):
    dtype, found = ran
    assert found["devices"] == 8
    assert found["moved"] > 0.1
    for way in found["ways"].values():
        assert way["gap"] < (1e-9 if dtype == "float64" else 1e-5)


def test_a_hundred_donated_steps_compile_once_and_stay_where_they_were(ran):
    assert ran[1]["ways"]["by owner"]["steps"] == 100
    for way in ran[1]["ways"].values():
        assert way["compiled"] == 1
        assert way["stayed"]


def test_each_device_keeps_its_share(ran):
    """Of factors, moments and the teacher's factors: within 20 % of an eighth, and all of them without `shardings`."""
    ways = ran[1]["ways"]
    for name, way in ways.items():
        assert (way["share"] == 1.0) if name == "data parallel" else (1 / 8 <= way["share"] < 1.2 / 8)


def test_the_guard_works_on_eight_devices(ran):
    for way in ran[1]["ways"].values():
        poisoned, others_stand, said = way["alarm"]
        assert poisoned
        assert others_stand
        assert said.count("somebody else wrote head.kernel since the last update") == 1


def test_a_stack_is_split_by_layers_and_what_does_not_divide_is_everywhere():
    """On a mesh of one device, which is enough to see where things would go: it divides all."""
    p = params(0)
    tx = optax.chain(optax.identity(), tnj.overparameterize(optax.adam(1e-2), plan(p)))
    mesh = Mesh(np.array(jax.devices()[:1]), ("device",))
    placed = tnj.shardings(plan(p), tx.init(p), mesh, "device")
    assert jax.tree.structure(placed) == jax.tree.structure(tx.init(p))
    state = placed[1]
    moments = state.inner[0]
    for held in (state.factors["fc.kernel"], moments.mu["fc"]["kernel"], moments.nu["fc"]["kernel"]):
        assert all("device" in s.spec for s in held)
    assert moments.mu["head"]["kernel"].spec == state.written["fc.kernel"].spec == moments.count.spec == PartitionSpec()
