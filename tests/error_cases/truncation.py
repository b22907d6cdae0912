"""Truncation: goals, dtypes, loops, tracing."""

import jax
import numpy as np

import tensornet as tn

FMT = tn.MPO((2, 2), (2, 3))
FACTORS = FMT.decompose(np.arange(24.0).reshape(4, 6))
SINGLE = FMT.decompose(np.ones((4, 6), dtype=np.float32))
RING = tn.Network((("a", "i", "b"), ("b", "j", "a")), ("i",), ("j",), (("a", 2), ("b", 2), ("i", 2), ("j", 2)))


def truncate(**goals):
    return lambda: tn.truncate(FMT, FACTORS, **goals)


def ring():
    from tensornet._tree import canonical

    canonical(RING, [np.ones((2, 2, 2))] * 2, 0)


def identity():
    from tensornet._tree import regauge

    regauge(FMT.network, FACTORS, "identity", None)


CASES = {
    "no goal": (truncate(), "truncate: got no goal, needed exactly one of eps, max_bond, num_params, to, because"),
    "two goals": (truncate(eps=0.1, max_bond=2), r"got \{'eps': 0.1, 'max_bond': 2\}, needed exactly one"),
    "max_bond 0": (truncate(max_bond=0), "max_bond=0, needed a positive integer"),
    "max_bond of another kind": (truncate(max_bond="2"), "max_bond='2', needed a positive integer"),
    "eps 0": (truncate(eps=0.0), "eps=0.0, needed a positive number"),
    "eps NaN": (truncate(eps=float("nan")), "eps=nan, needed a positive number"),
    "to a number": (truncate(to=2), "to=2, needed a format"),
    "to something larger": (
        lambda: tn.truncate(FMT.resized({"d1": 2}), FMT.resized({"d1": 2}).decompose(np.ones((4, 6))), to=FMT),
        r"to=MPO.*, needed MPO\(.*bonds=\(2,\)\) with bonds that are not larger",
    ),
    "to another kind": (truncate(to=tn.LowRank(4, 6, 2)), r"to=LowRank.*, needed MPO.* make it with resized"),
    "too little": (truncate(num_params=9), "num_params=9, needed at least 10, because .* MPO has with all bonds 1"),
    "eps below the rounding": (
        lambda: tn.truncate(FMT, SINGLE, eps=1e-7),
        "eps=1e-07, needed more than .*, because rounding alone may cost .* in float32; allow more",
    ),
    "eps in jit": (
        lambda: jax.jit(lambda f: tn.truncate(FMT, f, eps=0.1).factors)([jax.numpy.asarray(f) for f in FACTORS]),
        "got traced factors, whose Schmidt values cannot be looked at, .* or pass max_bond or to, which are static",
    ),
    "a dense weight of another shape": (
        lambda: tn.approximate(FMT, np.ones((5, 6)), max_bond=1),
        r"rows \(2, 2\) multiply to 4, but the matrix has 5 rows",
    ),
    "more than a search reaches": (
        lambda: tn.approximate(tn.CP((4,), (3,), 1, (3,)), np.random.default_rng(0).normal(size=(4, 3, 3)), eps=1e-3),
        r"\{'eps': 0.001\}, needed what CP can reach, an error of .* at the sizes that it has, because a network with loops",
    ),
    "fewer than rank 1": (
        lambda: tn.approximate(tn.CP((4,), (3,), 2, (3,)), np.ones((4, 3, 3)), num_params=9),
        "needed what CP can reach, 10 parameters with all sizes 1, .* or take a larger format",
    ),
    "a weight in the place of the format": (
        lambda: tn.approximate(np.ones((4, 4)), FMT, max_bond=1),
        "approximate: got a ndarray where a Format is needed, because .*; swap the two",
    ),
    "no weight": (
        lambda: tn.suggest({"a": FMT}, {}, num_params=99),
        "suggest: a has a format, but no weight was given",
    ),
    "too little for all": (
        lambda: tn.suggest({"a": FMT}, {"a": FACTORS}, num_params=9),
        "num_params=9, needed at least 10, because .* allow more, or leave weights out",
    ),
    "importance of nothing": (
        lambda: tn.suggest({"a": FMT}, {"a": FACTORS}, num_params=20, importance={"b": 1.0}),
        "importance of b, needed numbers ≥ 0 of weights that have a format",
    ),
    "negative importance": (
        lambda: tn.suggest({"a": FMT}, {"a": FACTORS}, num_params=20, importance={"a": -1.0}),
        "importance of a, needed numbers ≥ 0",
    ),
    "NaN in a factor": (
        lambda: tn.truncate(FMT, [f * np.nan for f in FACTORS], max_bond=1),
        r"truncate: factor 0 of shape \(1, 2, 2, 4\) has 16 NaN or Inf entries, needed numbers, because .* repair the weight",
    ),
    "loops": (ring, "is no tree of bonds, needed one, .* fit a smaller format to the matrix instead"),
    "identity of a truncated network": (
        identity,
        "the identity gauge puts a whole matrix into one factor, .* take gauge=",
    ),
}
