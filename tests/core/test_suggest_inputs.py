"""What truncate and suggest are given: stacks, which count as often as they have layers, and numbers that are none."""

import dataclasses
import re

import jax
import numpy as np
import pytest
import torch

import tensornet as tn

FMT = tn.MPO((4, 4), (4, 4))
PLAN = tn.plan({"w": (16, 16), "v": (16, 16)}, {".*": FMT}, stacked={"w": 12})


def given(seed=0):
    rng = np.random.default_rng(seed)
    return {"w": rng.standard_normal((12, 16, 16)), "v": rng.standard_normal((16, 16))}


def error_of(formats, weights):
    lost = whole = 0.0
    for n, w in weights.items():
        made = tn.approximate(FMT, w, to=formats[n])
        lost += np.linalg.norm(made.format.contract(made.factors) - w) ** 2
        whole += np.linalg.norm(w) ** 2
    return (lost / whole) ** 0.5


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_budget_is_of_all_layers(share):
    found = tn.suggest(PLAN, given(), num_params=int(share * PLAN.num_params))
    assert found.num_params == found.formats.num_params <= share * PLAN.num_params
    assert found.num_params > 0.8 * share * PLAN.num_params
    assert error_of(found.formats, given()) <= found.error * (1 + 1e-9)


def test_as_if_each_layer_were_a_weight_of_its_own():
    """Of equal layers, so that the greedy choice must not tell them apart."""
    one = given()["v"]
    found = tn.suggest(PLAN, {"w": np.stack([one] * 12), "v": one}, num_params=PLAN.num_params // 2)
    alone = tn.suggest(
        {str(k): FMT for k in range(13)}, {str(k): one for k in range(13)}, num_params=PLAN.num_params // 2
    )
    assert found.error == pytest.approx(alone.error, rel=0.1)


def test_the_least_budget_is_of_all_layers():
    least = 13 * FMT.resized({"d1": 1}).num_params
    assert tn.suggest(PLAN, given(), num_params=least).num_params == least
    with pytest.raises(tn.TensorNetError, match=f"needed at least {least}, because"):
        tn.suggest(PLAN, given(), num_params=least - 1)


def test_a_layer_that_is_cheap_to_cut_in_a_stack():
    """A value of the stack costs as much for each parameter as one of the single weight: 12 squares for 12 times as many."""
    one = given()["v"]
    for stacked in ({}, {"w": 12}):
        plan = dataclasses.replace(PLAN, stacked=stacked)
        w = np.stack([one] * stacked.get("w", 1)) if stacked else one
        found = tn.suggest(plan, {"w": w, "v": one}, num_params=plan.num_params // 2)
        ranks = [found.formats[n].bonds[0] for n in ("w", "v")]
        assert max(ranks) - min(ranks) <= 1 + 12 * bool(stacked)  # the single weight takes what the stack cannot divide
        assert abs(ranks[0] - 8) <= 1


# ---- numbers that are none --------------------------------------------------------------------------------------------


def spoiled(value, library):
    factors = [np.array(f) for f in FMT.decompose(np.eye(16))]
    factors[1][0, 0, 0, 0] = factors[1][1, 0, 0, 0] = value
    return [library(f) for f in factors]


REFUSED = re.escape("has 2 NaN or Inf entries, needed numbers, because")
LIBRARIES = {"numpy": np.asarray, "torch": torch.as_tensor, "jax": jax.numpy.asarray}


@pytest.mark.parametrize("goal", [{"eps": 0.1}, {"max_bond": 2}, {"num_params": 100}])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_truncate_refuses(value, library, goal):
    with pytest.raises(tn.TensorNetError, match="truncate: factor 1 .*" + REFUSED):
        tn.truncate(FMT, spoiled(value, LIBRARIES[library]), **goal)


def test_truncate_refuses_factors_of_a_loop():
    fmt = tn.TensorRing((2, 2), (2, 2), 2)
    factors = [np.full(s, np.inf) for s in fmt.shapes]
    with pytest.raises(tn.TensorNetError, match=r"truncate: factor 0 .* NaN or Inf entries"):
        tn.truncate(fmt, factors, max_bond=1)


@pytest.mark.parametrize("library", LIBRARIES)
def test_suggest_refuses(library):
    factors = spoiled(np.nan, LIBRARIES[library])
    with pytest.raises(tn.TensorNetError, match="suggest: factor 1 of a .*" + REFUSED):
        tn.suggest({"a": FMT}, {"a": factors}, num_params=100)
    values = LIBRARIES[library](np.array([np.inf, np.nan, *[1.0] * 14]))
    with pytest.raises(tn.TensorNetError, match="suggest: the spectrum d1 of a .*" + REFUSED):
        tn.suggest({"a": FMT}, {"a": {"d1": values}}, num_params=100)
    with pytest.raises(tn.TensorNetError, match=r"suggest: the weight .* NaN or Inf"):
        tn.suggest({"a": FMT}, {"a": LIBRARIES[library](np.full((16, 16), np.nan))}, num_params=100)


def test_what_is_traced_is_not_looked_at():
    factors = spoiled(np.nan, jax.numpy.asarray)

    def bound(factors):
        return tn.truncate(FMT, factors, max_bond=2).bound

    assert np.isnan(jax.jit(bound)(factors))
    stack = [torch.as_tensor(f)[None] for f in FMT.decompose(np.eye(16))]
    assert torch.vmap(bound)(stack) == bound(stack)
