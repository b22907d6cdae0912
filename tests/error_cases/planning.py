"""Plans: options, kernels, JSON; importance and top; laws by name; masks for ids."""

import json

import numpy as np

import tensornet as tn

W = np.ones((4, 6))
PLAN = tn.plan({"a": (4, 6)})


def with_(**changes):
    return json.dumps(json.loads(PLAN.to_json()) | changes)


CASES = {
    # options and shapes
    "a stack": (
        lambda: tn.plan({"w": (5, 16, 16)}, {"w": tn.MPO((4, 4), (4, 4))}),
        r"plan: w has shape \(5, 16, 16\), and MPO is of \(16, 16\), needed a format of all 3 axes, because .* not of stacks; "
        r"take one with a kernel, e.g. ConvMPO.for_shape\(\(5, 16, 16\)\), or leave it out",
    ),
    "budget too small": (
        lambda: tn.plan({"a": (4, 6), "b": (48, 64)}, scale=0.01),
        r"plan: a \(4, 6\): MPO.for_shape: .*'scale': 0.01.* allows 0 parameters, needed at least",
    ),
    "option of the inner format": (
        lambda: tn.plan({"a": (4, 6)}, format="padded", depth=3),
        r"a \(4, 6\): Padded.for_shape does not take \{'depth': 3\} \(MPO.for_shape\(\) got .*; pass the options that it has",
    ),
    "option of another kind": (
        lambda: tn.plan({"a": (4, 6)}, scale="0.5"),
        r"a \(4, 6\): MPO.for_shape does not take \{'scale': '0.5'\} .*; pass the options that it has: .*num_params",
    ),
    "options for a format": (
        lambda: tn.plan({"a": (4, 6)}, {"a": tn.LowRank(4, 6)}, rank=2),
        r"\{'rank': 2\} would change nothing, because the rules give the formats themselves",
    ),
    "options for a function": (
        lambda: tn.plan({"a": (4, 6)}, lambda n, s: tn.LowRank(*s), cores=3),
        r"\{'cores': 3\} would change nothing",
    ),
    "options for a format, for all": (
        lambda: tn.plan({"a": (4, 6)}, format=tn.LowRank(4, 6), rank=2),
        r"\{'rank': 2\} would change nothing",
    ),
    "arrays for shapes": (
        lambda: tn.plan({"a": W}),
        r"plan: got a dict that is no mapping from names to shapes \(.*\), needed one, .*; pass \{name: w.shape, …\}",
    ),
    "a model for shapes": (lambda: tn.plan(W), "got a ndarray that is no mapping from names to shapes"),
    "kernel for a format of matrices": (
        lambda: tn.plan({"conv": (4, 6, 3, 3)}, ["conv"]),
        r"plan: conv \(4, 6, 3, 3\): MPO.for_shape: shape .* because this format is of a matrix",
    ),
    "a prime without pad": (
        lambda: tn.plan({"a": (7, 4)}, ["a"]),
        r"plan: a \(7, 4\): .* pass pad=True to round up to 8",
    ),
    "all frozen": (
        lambda: tn.plan({}, skipped={"a": "frozen"}),
        "'all-linear' matches no weight; .*; it would match a, left out: frozen",
    ),
    # JSON
    "formats of another type": (
        lambda: tn.Plan.from_json(with_(formats=[1])),
        "transposed, teachers, weights, stacked or widths are of other types than Plan.to_json writes; pass its",
    ),
    "a list of stacks": (
        lambda: tn.Plan.from_json(with_(stacked=["a"])),
        "weights, stacked or widths are of other types",
    ),
    # stacks of layers
    "a stack of no layers": (
        lambda: tn.plan({"a": (4, 6)}, stacked={"a": 0}),
        r"plan: stacked gives a: 0, needed an integer of at least 1 for each, .*; pass \{name: w.shape\[0\], …\}",
    ),
    "a stack of halves": (lambda: tn.Plan.from_json(with_(stacked={"a": 1.5})), r"stacked gives a: 1.5, needed"),
    "a stack and one matrix": (
        lambda: tn.plan({"a": (4, 6)}, stacked={"a": 2}).aligned({"a": (4, 6)}, "uniform"),
        r"a is a stack of 2 × \(4, 6\) and is paired with the teacher's a \(4, 6\); needed .*; stack the teacher's layers",
    ),
    # importance
    "no gradient": (lambda: tn.importance({"a": W, "b": W}, {"a": W}), "b has no weight or no gradient, needed both"),
    "gradient of None": (lambda: tn.importance({"a": W, "b": W}, {"a": None, "b": None}), "a, b have no weight or no"),
    "gradient alone": (lambda: tn.importance({}, {"a": W}), "a has no weight or no gradient, .*; leave out on both"),
    "gradient of another shape": (
        lambda: tn.importance({"a": W}, {"a": W.T}),
        r"a has shape \(4, 6\) and its gradient \(6, 4\), needed the same, .*; transpose one",
    ),
    "n of 0": (lambda: tn.top({"a": 1.0}, 0), "top: n=0, needed an integer of at least 1"),
    "n of another kind": (lambda: tn.top({"a": 1.0}, 1.5), "top: n=1.5, needed an integer"),
    "n of True": (lambda: tn.top({"a": 1.0}, True), "top: n=True, needed an integer"),
    "score of NaN": (
        lambda: tn.top({"a": 1.0, "b": float("nan")}, 1),
        "top: got the scores b: nan, needed a number that is not NaN",
    ),
    "score of another kind": (lambda: tn.top({"a": None}, 1), "top: got the scores a: None, needed a number"),
    "no scores": (lambda: tn.top({}, 1), "top: got the scores of no weight, needed a number"),
    "scores of another model": (
        lambda: tn.plan({"a": (4, 6)}, tn.top({"b": 1.0}, 1)),
        "'b' matches no weight; .* the weights are a",
    ),
    # laws
    "no such law": (
        lambda: tn.testing.check_format(tn.LowRank(2, 2), only=["it works"]),
        r"check_format: only=\['it works'\], needed a list of at least one name of a law, .*; the laws are shapes match",
    ),
    "one law is no list": (
        lambda: tn.testing.check_format(tn.LowRank(2, 2), only="JSON round trip"),
        "check_format: only='JSON round trip', needed a list",
    ),
    "no law": (lambda: tn.testing.check_format(tn.LowRank(2, 2), only=[]), r"only=\[\], .* a check of no law passes"),
    # ids
    "mask for ids": (
        lambda: tn.LowRank(4, 6).lookup(tn.LowRank(4, 6).decompose(W), np.asarray([True, False, True, True])),
        r"LowRank.lookup: got ids of dtype bool, needed integers, .*; convert them first, a mask with xp.nonzero",
    ),
    "numbers for ids": (
        lambda: tn.LowRank(4, 6).lookup(tn.LowRank(4, 6).decompose(W), np.asarray([1.0])),
        "LowRank.lookup: got ids of dtype float64, needed integers",
    ),
}
