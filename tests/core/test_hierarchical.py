"""A format that is a tree of bonds and says no more than that has a formula: exact where it can be, else near the best."""

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import pytest
from libraries import BY_NAME, in_turn

import tensornet as tn
from tensornet.testing import check_format


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@tn.formats.register
@dataclass(frozen=True)
class Branched(tn.Format):
    """W[ik, jl]: a factor in the middle with three bonds, one of its neighbours a link that carries nothing, in n blocks."""

    name: ClassVar[str] = "test_branched"

    r: int = 4
    s: int = 4
    t: int = 5
    blocks: int = 1

    @cached_property
    def network(self) -> tn.Network:
        factors = (("n", "i", "r"), ("n", "j", "q"), ("n", "q", "s"), ("n", "k", "r", "s", "t"), ("n", "t", "l"))
        sizes = {"i": 4, "j": 4, "k": 3, "l": 5, "r": self.r, "q": self.s, "s": self.s, "t": self.t, "n": self.blocks}
        return tn.Network(factors, ("n", "i", "k"), ("j", "l"), tuple(sizes.items()))


BRANCHED = [Branched(), Branched(2, 3, 4), Branched(1, 4, 4), Branched(3, 2, 1, blocks=2)]


@pytest.mark.parametrize("name", ["strict", "numpy", "torch"])
@pytest.mark.parametrize("fmt", BRANCHED, ids=str)
def test_it_keeps_the_laws(fmt, name):
    check_format(fmt, xp=BY_NAME[name].xp, dtype=in_turn(BY_NAME[name], BRANCHED.index(fmt)))


def test_full_bonds_are_exact_and_static():
    small = Branched(2, 3, 4)
    assert (Branched().exact, Branched().iterative) == (True, False)
    assert (small.exact, small.iterative) == (False, False)
    assert Branched(
        4, 4, 6
    ).iterative  # the last factor cannot fill six values: only a search knows what to do with them


@pytest.mark.parametrize("fmt", [Branched(2, 3, 4), Branched(1, 1, 1), Branched(3, 2, 5)], ids=str)
def test_error_is_near_that_of_a_search(fmt, rng):
    """Within √bonds of the best factors (Grasedyck 2010, thm. 3.11), of which a search gives no less than it finds."""
    w = rng.standard_normal((12, 20))
    error = np.linalg.norm(fmt.contract(fmt.decompose(w)) - w) / np.linalg.norm(w)
    found = float(tn.fit(fmt, w, restarts=2).error)
    assert found * (1 - 1e-6) <= error <= 4**0.5 * found


@pytest.mark.parametrize("scale", [1e37, 1e30, 1e-30, 1e-37])
def test_any_norm_of_the_dtype(scale, rng):
    """float32 holds all of these, but not their squares, and of the last not the reciprocal of half of it."""
    fmt, w = Branched(2, 3, 4), rng.uniform(-1, 1, (12, 20)).astype(np.float32)
    w /= np.abs(w).max()
    with np.errstate(all="raise", under="ignore"):
        again = fmt.contract(fmt.decompose(w * np.float32(scale))) / np.float32(scale)
    assert np.linalg.norm(again - fmt.contract(fmt.decompose(w))) <= 1e-5 * np.linalg.norm(w)


def test_what_the_format_represents_is_found(rng):
    fmt = Branched(2, 3, 4)
    w = fmt.contract(fmt.sample(rng.standard_normal))
    assert np.linalg.norm(fmt.contract(fmt.decompose(w)) - w) <= 1e-12 * np.linalg.norm(w)


def test_it_is_compiled_by_jax(rng):
    jax = pytest.importorskip("jax")
    fmt, w = Branched(2, 3, 4), rng.standard_normal((12, 20)).astype(np.float32)
    again = jax.jit(lambda w: fmt.contract(fmt.decompose(w, check_finite=False)))(
        importlib.import_module("jax.numpy").asarray(w)
    )
    assert np.linalg.norm(np.asarray(again) - fmt.contract(fmt.decompose(w))) <= 1e-5 * np.linalg.norm(w)
