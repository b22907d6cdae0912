"""What every test file shares: quiet, deterministic, one thread each, float64 in JAX."""

import os
import sys

# Before a library is loaded, because each reads its variables then. The suite runs in two processes on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if os.environ.get("LAWS") != "all":
    # Almost all the time of a test in JAX is that of compiling, for sizes that need no optimising. What a user runs, XLA
    # with its defaults, is what `make laws` goes through, and what runs in a process of its own is (kills, many devices).
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")

import pytest
from hypothesis import HealthCheck, settings
from libraries import LIBRARIES, Library

settings.register_profile(
    "suite",
    deadline=None,  # the first call of a shape compiles
    derandomize=True,  # the same examples on every machine
    database=None,
    max_examples=25,
    # the fixtures below are constants, so that it is no harm that examples share them
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("suite")


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.name)
def library(request) -> Library:
    """Each array library in turn."""
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request) -> str:
    return request.param


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled():
    """JAX keeps what it compiled, some gigabytes of it over the whole suite, and no module needs that of another."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
