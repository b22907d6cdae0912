"""The spine: networks, formats, weights, gauges, alignment, plans, pairs, testing."""

import jax
import numpy as np
import pytest
import torch

import tensornet as tn
from tensornet import formats, testing
from tensornet.alignment import checked_options
from tensornet.planning import pair_names

W = np.ones((4, 6))
FMT = tn.MPO((2, 2), (2, 3))
LOW = tn.LowRank(4, 6)
FACTORS = FMT.decompose(W)
SHAPES = {"layers.0.weight": (4, 6), "layers.1.weight": (4, 6), "head.weight": (7, 4), "head.bias": (7,)}
PLAN = tn.plan(SHAPES, "layers.*")
I4 = ("i", 4)


def network(*factors, rows=("i",), cols=("j",), sizes=(I4, ("j", 6), ("a", 2))):
    return tn.Network(factors, rows, cols, sizes)


def aligned(pairs, teacher=None):
    return PLAN.aligned(teacher or {f"layers.{k}.weight": (4, 6) for k in range(4)}, pairs)


def uniform(student, teacher):
    return pair_names(student, teacher, "uniform")


class Bare(tn.Format):
    """A format without for_shape."""

    name = "bare"


class Real(tn.LowRank):
    """A format of real weights, without resized."""

    complex = False
    resized = tn.Format.resized


CASES = {
    # networks
    "no size": (lambda: network(("i", "x"), ("x", "j")), "index 'x' has no size; name every index in sizes"),
    "held once": (lambda: network(("i", "a"), ("j",)), "'a' of size 2 is held once; .* nothing else would sum it"),
    "repeated": (lambda: network(("i", "i", "j")), r"\('i', 'i', 'j'\) repeats an index; traces"),
    "size 0": (lambda: network(("i", "j"), sizes=(("i", 0), ("j", 6))), "sizes must be at least 1, got .*'i': 0"),
    # formats
    "rows ≠ cols": (lambda: tn.MPO((2, 2), (6,)), "must have the same length, at least 1, .* fill up with ones"),
    "no cores": (lambda: tn.MPO((), ()), "must have the same length, at least 1"),
    "size 0 in rows": (lambda: tn.MPO((0, 2), (2, 3)), r"rows=\(0, 2\), needed a sequence of positive integers"),
    "a string": (lambda: tn.MPO("22", (2, 3)), "rows='22', needed a sequence of positive integers"),
    "no matrix": (lambda: tn.MPO.for_shape((4,)), r"shape \(4,\), needed \(rows, cols\)"),
    "one core": (
        lambda: tn.MPO.for_shape((4, 6), cores=1),
        "cores=1, needed an integer of at least 2, the two outer factors",
    ),
    "a prime": (
        lambda: tn.MPO.for_shape((769, 768)),
        r"769 rows, which does not split .* 768 = 32 × 24 or 770 = 35 × 22; .* give the split yourself, e.g. 769 = 769 × 1",
    ),
    "bonds too large": (
        lambda: tn.MPO((2, 2), (2, 3), (5,)),
        r"bonds \(5,\), needed 1 of at most \(4,\), the full bonds",
    ),
    "bonds too many": (lambda: tn.MPO((2, 2), (2, 3), (4, 4)), r"bonds \(4, 4\), needed 1 of at most"),
    "bonds that do not bridge": (
        lambda: tn.MPO((4, 1, 4), (1, 1, 1), (4, 2)),
        "bonds 4 and 2 at factor 1 differ by more than its 1 entries can bridge, .* lower the larger one to at most 2",
    ),
    "terms that are a truth": (lambda: tn.Kronecker((2, 3), (3, 2), True), "terms=True, needed an integer in 1…6"),
    "rank of another kind": (lambda: tn.LowRank(4, 6, 2.0), "rank 2.0 of a 4 × 6 matrix, needed an integer in 1…4"),
    "cores of another kind": (lambda: tn.MPO.for_shape((4, 6), cores=2.5), "cores=2.5, needed an integer"),
    "nothing in it": (
        lambda: FMT.decompose(np.ones((0, 4, 6))),
        r"weight of shape \(0, 4, 6\), needed at least one entry",
    ),
    "unlike leads": (
        lambda: FMT.contract([FACTORS[0][None], FACTORS[1]]),
        r"got factors of shapes \[\(1, 1, 2, 2, 4\), .* \(after the same leading batch axes in all\)",
    ),
    "lead of the gradient": (
        lambda: FMT.pullback([f[None] for f in FACTORS], np.ones((2, 4, 6))),
        r"the gradient has shape \(2, 4, 6\), needed \(1, 4, 6\)",
    ),
    "centre of another kind": (lambda: FMT.decompose(W, gauge=tn.Mixed("a")), r"Mixed\(centre='a'\) names no factor"),
    "a teacher for an alignment": (
        lambda: checked_options("bert"),
        "alignment is a str, needed an Alignment, which says how",
    ),
    "weight of another kind": (lambda: tn.Alignment(None, weight="x"), "weight='x', needed a number ≥ 0"),
    "rank": (lambda: tn.LowRank(4, 6, 5), "rank 5 of a 4 × 6 matrix, needed an integer in 1…4, because"),
    "name taken": (
        lambda: formats.register(type("Mine", (tn.LowRank,), {"name": "mpo"})),
        "the name 'mpo' belongs to MPO already; .* give Mine another name",
    ),
    "a format without a name": (
        lambda: formats.register(type("Nameless", (tn.Format,), {})),
        r"Nameless has no name, needed .*, because files and plans .*; write name: ClassVar\[str\]",
    ),
    "no such format": (
        lambda: formats.get("no_such"),
        "there is no format 'no_such'; there are .*low_rank, .*mpo, .*choose one of them, or import the module that",
    ),
    "no format named": (lambda: formats.from_dict({}), "there is no format ''; there are"),
    "other fields": (
        lambda: formats.from_dict({"format": "mpo", "row": [2]}),
        r"does not describe a MPO \(.*'row'\); needed what MPO.to_dict writes",
    ),
    # weights
    "MPO of another shape": (
        lambda: tn.MPO((8, 96), (2, 3)).decompose(np.ones((770, 6))),
        r"rows \(8, 96\) multiply to 768, but the matrix has 770 rows; choose factors of 770, e.g. \(35, 22\)",
    ),
    "MPO of a vector": (lambda: FMT.decompose(np.ones(4)), r"a weight of shape \(4,\), needed \(…, 4, 6\)"),
    "LowRank of another shape": (lambda: LOW.decompose(W.T), r"shape \(6, 4\), needed \(…, 4, 6\), because"),
    "integers": (
        lambda: FMT.decompose(np.ones((4, 6), dtype=int)),
        "dtype int64, needed a real floating or complex floating dtype",
    ),
    "complex": (
        lambda: Real(4, 6).decompose(W * 1j),
        "dtype complex128, needed a real floating dtype, .* convert it first",
    ),
    "no resized": (lambda: Real(4, 6).resized({}), "Real has no resized"),
    "NaN": (lambda: FMT.decompose(W * np.nan), r"shape \(4, 6\) has 24 NaN or Inf entries; .* repair the weight"),
    "one Inf": (lambda: FMT.decompose(np.diag([np.inf] + [1.0] * 5)[:4]), "has 1 NaN or Inf entries"),
    "traced": (
        lambda: jax.jit(FMT.decompose)(jax.numpy.asarray(W)),
        "a traced weight, .* call it outside jit, or pass check_finite=False",
    ),
    "two libraries": (
        lambda: FMT.contract([FACTORS[0], torch.ones(FMT.shapes[1])]),
        "got numpy.ndarray, torch.Tensor; all arrays of one call must come from one array library",
    ),
    # gauges and factors
    "unknown gauge": (
        lambda: FMT.decompose(W, gauge="centre"),
        "unknown gauge 'centre'; the gauges are identity, left",
    ),
    "no such centre": (lambda: FMT.decompose(W, gauge=tn.Mixed(2)), r"Mixed\(centre=2\) names no factor; .* 0…1"),
    "identity at truncated bonds": (
        lambda: tn.MPO((2, 2), (2, 3), (3,)).decompose(W, gauge="identity"),
        r"the identity gauge needs full bonds \(4,\), this format has \(3,\), .* or gauge='balanced'",
    ),
    "factors of another format": (
        lambda: FMT.contract(LOW.decompose(W)),
        r"got factors of shapes \[\(4, 4\), \(4, 6\)\], needed \[\(1, 2, 2, 4\), \(4, 2, 3, 1\)\]",
    ),
    "too few factors": (
        lambda: FMT.pullback(FACTORS[:1], W),
        "got factors of shapes .* pass the format they were made",
    ),
    "x of another width": (lambda: FMT.apply(FACTORS, W.T), r"x has 4 features, the matrix has 6 columns; .* \(…, 6\)"),
    "gradient of another shape": (
        lambda: FMT.pullback(FACTORS, W.T),
        r"the gradient has shape \(6, 4\), needed \(4, 6\), because it is that of W",
    ),
    # alignment
    "align gauge": (
        lambda: tn.align(FMT, FACTORS, FACTORS, gauge="raw"),
        "align: unknown alignment gauge 'raw'; there",
    ),
    "Alignment gauge": (lambda: tn.Alignment(None, gauge="raw"), "Alignment: unknown alignment gauge 'raw'; there are"),
    "unlike stacks": (
        lambda: tn.align(FMT, FACTORS, FMT.decompose(np.stack([W, W]))),
        r"different leading batch axes \[\(\), \(2,\)\]; needed the same for all",
    ),
    "nothing auxiliary": (
        lambda: tn.align(tn.MPO((4,), (6,)), [W[None, ..., None]], [W[None, ..., None]]),
        "has no auxiliary factor, .* use two cores or more",
    ),
    "nothing seen": (
        lambda: tn.align(tn.MPO((1, 4), (1, 6)), *[[np.ones((1, 1, 1, 1)), W[None, ..., None]]] * 2, gauge="invariant"),
        "no auxiliary factor .* carries a row or column above 1",
    ),
    "weight": (
        lambda: tn.Alignment(None, weight=-1.0),
        "weight=-1.0, needed a number ≥ 0, because a negative one repels",
    ),
    "NaN weight": (lambda: tn.Alignment(None, weight=float("nan")), "weight=nan, needed a number ≥ 0"),
    "every": (lambda: tn.Alignment(None, every=0), "every=0, needed an integer ≥ 1, a number of steps"),
    # plans
    "rule matches nothing": (
        lambda: tn.plan(SHAPES, r"layer\.\d"),
        r"'layer\\\\.\\\\d' matches no weight; .* layers.0.weight",
    ),
    "function chooses nothing": (lambda: tn.plan(SHAPES, lambda n, s: None), "the function matches no weight"),
    "nothing splits": (lambda: tn.plan({"a": (7, 5)}), "'all-linear' matches no weight"),
    "no weights": (lambda: tn.plan({}, ["a"]), "'a' matches no weight; .* the weights are none"),
    "two rules": (
        lambda: tn.plan(SHAPES, {"layers.*": FMT, r".*0\.weight": FMT}),
        r"layers.0.weight is claimed by 'layers.\*' and by .* one weight takes one format",
    ),
    "unknown rules": (lambda: tn.plan(SHAPES, 7), "rules=7 is of no known kind; needed 'all-linear', a regular"),
    "empty rules": (lambda: tn.plan(SHAPES, {}), r"rules=\{\} is of no known kind"),
    "no expression": (lambda: tn.plan(SHAPES, "*.weight"), r"'\*.weight' is no regular expression \(nothing to repeat"),
    "a bias": (
        lambda: tn.plan(SHAPES, ["bias"]),
        r"head.bias has shape \(7,\), needed a matrix \(out, in\), .* leave it out",
    ),
    "a prime by name": (lambda: tn.plan(SHAPES, "head.weight"), r"head.weight \(7, 4\): MPO.for_shape: .* 7 rows"),
    "no Format": (
        lambda: tn.plan(SHAPES, lambda n, s: "mpo"),
        "the rule for layers.0.weight gave 'mpo', needed a Format",
    ),
    "format of another shape": (
        lambda: tn.plan(SHAPES, {"head.weight": FMT}),
        r"head.weight: MPO: rows \(2, 2\) multiply to 4",
    ),
    "format for a vector": (
        lambda: tn.plan(SHAPES, lambda n, s: FMT if n == "head.bias" else None),
        r"head.bias: MPO: got a weight of shape \(7,\)",
    ),
    "expression for vectors": (
        lambda: tn.plan(SHAPES, {"head.bias": FMT}),
        r"head.bias has shape \(7,\), needed a matrix",
    ),
    "vector by name": (lambda: tn.plan(SHAPES, ["head.bias"]), r"head.bias has shape \(7,\), needed a matrix"),
    "all prime": (
        lambda: tn.plan({"head": (7, 4)}),
        "'all-linear' matches no weight; .* it would match head, left out: 7 does not split in two",
    ),
    "rule for what is left out": (
        lambda: tn.plan(SHAPES, ["frozen"], skipped={"frozen": "it does not train"}),
        "'frozen' matches no weight; .* it would match frozen, left out: it does not train",
    ),
    "rule that gives a number": (
        lambda: tn.plan(SHAPES, {"head.weight": 3}),
        "a rule gives 3, needed a format, the name",
    ),
    "options it does not have": (
        lambda: tn.plan(SHAPES, "layers.*", depth=3),
        r"MPO.for_shape does not take \{'depth': 3\} .*; pass the options that it has: .*cores",
    ),
    "no for_shape": (
        lambda: Bare.for_shape((4, 6)),
        r"Bare has no for_shape\(shape, …\), by which a plan makes formats",
    ),
    "no JSON": (lambda: tn.Plan.from_json("{"), r"not what Plan.to_json writes \(JSONDecodeError.*pass that"),
    "other JSON": (
        lambda: tn.Plan.from_json('{"version": 1, "formats": {}}'),
        r"not what Plan.to_json writes \(KeyError",
    ),
    "a list": (lambda: tn.Plan.from_json("[1]"), "not what Plan.to_json writes"),
    "version": (
        lambda: tn.Plan.from_json(PLAN.to_json().replace('"version": 1', '"version": 9')),
        "version 9 was written by another release, this one reads 1; install",
    ),
    # pairs
    "pair of unequal shapes": (
        lambda: aligned({"layers.0.weight": "t"}, {"t": (8, 6)}),
        r"layers.0.weight \(4, 6\) is paired with the teacher's t \(8, 6\), .* because Eq. 5 compares factor by factor",
    ),
    "no such student weight": (
        lambda: aligned({"layers.7.weight": "t"}),
        "'layers.7.weight' is no planned weight of the",
    ),
    "no such teacher weight": (
        lambda: aligned({"layers.0.weight": "t"}),
        "'t' is no weight of the teacher; .* layers.3",
    ),
    "unknown pairs": (lambda: aligned("every second"), "pairs='every second' is of no known kind; needed 'uniform'"),
    "nothing paired": (lambda: aligned(lambda n: None), "nothing is paired, .* pair one weight or drop alignment="),
    "teacher lacks it": (
        lambda: aligned("uniform", {"blocks.0.w": (4, 6)}),
        "no weight like layers.0.weight; 'uniform'",
    ),
    "two layer numbers": (
        lambda: uniform(["a.0.b.0.w"], [f"a.{i}.b.{j}.w" for i in range(2) for j in range(2)]),
        "2 of the numbers in a.0.b.0.w may be the layer, needed one, in which student and teacher differ",
    ),
    # testing
    "kind of gauge": (
        lambda: testing.assert_gauge_invariant(lambda f: 0.0, FMT, FACTORS, kinds=["unitary"]),
        "unknown kind of gauge 'unitary'; there are orthogonal, invertible, decompose",
    ),
    "no other gauge": (
        lambda: testing.assert_gauge_invariant(
            lambda f: 0.0, tn.MPO((4,), (3,)), [np.ones((1, 4, 3, 1))], kinds=["orthogonal"]
        ),
        "none of the gauges of kinds orthogonal moves these factors, needed one that does, because .*; take a format with",
    ),
    "no library": (lambda: without_libraries(), "found neither array_api_strict nor numpy, .* pass yours as xp="),
}


def without_libraries():
    def missing(name):
        raise ModuleNotFoundError(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tensornet.testing._laws.importlib.import_module", missing)
        testing.check_format(LOW)
