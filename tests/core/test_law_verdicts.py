"""What laws say: to which formats they apply, and that a small bug at each place that they look at is caught by them."""

import dataclasses

import numpy as np
import pytest

import tensornet as tn
from tensornet.testing import LAWS, LawError
from tensornet.testing._case import Case

BY_LAW = {law.name: law for law in LAWS}

LOOPS, FORMULA = "the network has loops", "decompose is a formula"
NO_BONDS, ALONE = "the network has no bonds", "the format has no auxiliary factor"
PART, NO_CUT = "not every matrix is in the format", "no bond lies between rows or columns above 1"
SEARCHES = "decompose searches, which a law of its own holds to what a search can promise"
UNROTATED = "nothing is rotated, or in a loop, where no end is there to begin at"
CUT = {"a search ends where nothing is gained": FORMULA}

# Laws that say nothing of a format, and why; of all others it is "holds".
EXCUSED = {
    tn.MPO((2, 3, 2), (3, 2, 2)): CUT,
    tn.BlockTensorTrain((2, 3), (3, 2)): CUT,
    tn.Padded(tn.LowRank(4, 6), (3, 5)): CUT,
    tn.MPO((2, 3, 2), (3, 2, 2), (2, 2)): CUT
    | {"identity gauge is exact": "the format has no identity gauge", "every direction is reached": PART},
    tn.MPO((24,), (22,)): CUT
    | {"every direction is reached": "W has more than 512 entries"}
    | {"contraction is gauge-invariant": "nothing is summed over", "balanced gauge splits evenly": NO_CUT}
    | {
        "orthogonal gauges are isometries": "the format has no orthogonal gauge",
        "alignment undoes rotations": UNROTATED,
    }
    | {
        f"alignment {what}": ALONE for what in ("is zero at equality", "is blind to the gauge", "gradient is the slope")
    },
    tn.TensorRing((2, 2), (2, 3)): CUT
    | {"orthogonal gauges are isometries": LOOPS, "balanced gauge splits evenly": NO_CUT}
    | {"truncation at the same bonds loses nothing": LOOPS, "spectra are singular values": LOOPS}
    | {"alignment undoes rotations": UNROTATED},
    tn.CP((4,), (3,), 2, (2,)): {
        "contract(decompose(W)) = W": SEARCHES,
        "identity gauge is exact": "the format has no identity gauge",
        "every direction is reached": PART,
        "balanced gauge splits evenly": NO_CUT,
        "alignment is blind to the gauge": NO_BONDS,
        "alignment undoes rotations": UNROTATED,
    }
    | dict.fromkeys(
        [
            "orthogonal gauges are isometries",
            "truncation at the same bonds loses nothing",
            "spectra are singular values",
        ],
        LOOPS,
    ),
}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@pytest.mark.parametrize("fmt", EXCUSED, ids=str)
def test_to_which_formats_a_law_applies(fmt, law):
    excuse = EXCUSED[fmt].get(law.name)
    assert law.check(Case(fmt, np, np.float64)) == ("holds" if excuse is None else f"does not apply: {excuse}")


# ---- small bugs -----------------------------------------------------------------------------------------------------

SLIGHTLY = 1 + 1e-6  # far above what rounds in float64, and nothing that anybody would see
LOW = tn.LowRank


def bug(**methods):
    """LowRank of 4 × 4 with these methods in place of its own."""
    cls = type("Bug", (LOW,), {"name": "bug_of_verdicts", **methods})
    return dataclasses.dataclass(frozen=True)(cls)(4, 4)


def batched(method, change):
    """`method`, whose result is changed where factors have leading axes."""

    def changed(self, factors, *rest, **options):
        found = method(self, factors, *rest, **options)
        return change(found) if factors[0].ndim > 2 else found

    return changed


def of_stacks(change, axes=3):
    """contract, changed for factors of so many axes."""
    return lambda self, f: change(LOW.contract(self, f)) if f[0].ndim == axes else LOW.contract(self, f)


def second_slightly(found):
    return (found[0], found[1] * SLIGHTLY)


def second_member(stack):
    return stack * np.asarray([1.0, SLIGHTLY])[:, None, None]


def pull_of(change):
    """linearize, whose pullback is changed."""

    def linearize(self, factors):
        w, pull = LOW.linearize(self, factors)
        return w, lambda g: change(pull(g))

    return linearize


def scale_of_all(self, w, gauge):
    """Rounded at the scale of the whole stack, as a norm over all axes would make it."""
    u, v = LOW._fill(self, w, gauge)
    return [u + 1e-9 * np.max(np.abs(w)), v + 1e-9 * np.max(np.abs(w))] if w.ndim > 2 else [u, v]


def first_rows(self, factors, ids, /, *, check=True):
    """What NumPy does with ids that are negative or, taken modulo the size, too large."""
    return LOW.lookup(self, factors, ids % 4, check=False)


def of_variance_1(self, normal, /, *, std=1.0):
    return LOW.sample(self, normal)


def unlike_sizes(self, normal, /, *, std=1.0):
    u, v = LOW.sample(self, normal, std=std)
    return 2 * u, v / 2


def in_16_bits(self, w, /, **options):
    kept = w.dtype if w.dtype == np.float16 else None
    return tuple(f.astype(kept or f.dtype) for f in LOW.decompose(self, w, **options))


def ever_the_same(self, factors, /, **options):
    made = LOW.prepare(self, factors, **options)
    return lambda x, *varying: made(x, *varying)[:1, ...] * np.ones((x.shape[0], 1))


BUGS = [
    ("apply = x @ W.T", "gives an error of", {"apply": lambda s, f, x, **o: LOW.apply(s, f, x) * SLIGHTLY}),
    ("apply = x @ W.T", "gives \\(1, 4\\)", {"apply": lambda s, f, x, **o: LOW.apply(s, f, x).reshape(-1, 4)}),
    ("apply carries leading axes", "member 0", {"apply": batched(LOW.apply, lambda y: y * SLIGHTLY)}),
    ("apply carries leading axes", "y is \\(6, 4\\)", {"apply": batched(LOW.apply, lambda y: y.reshape(-1, 4))}),
    ("prepared = apply", "constant factors", {"prepare": ever_the_same}),
    ("pullback is the gradient", "another matrix", {"linearize": lambda s, f: (s.contract(f) * SLIGHTLY, lambda g: ())}),
    ("pullback is the gradient", "pulls 1 elsewhere", {"linearize": pull_of(second_slightly)}),
    ("pullback is the gradient", "gradient 0 has shape", {
        "pullback": lambda s, f, g: [p[None] for p in LOW.pullback(s, f, g)],
    }),
    ("pullback is the gradient", "the slope by factor 1 is", {
        "pullback": lambda s, f, g: second_slightly(LOW.pullback(s, f, g)),
        "linearize": pull_of(second_slightly),
    }),
    ("leading axes are carried", "member 0 of a stack", {"contract": of_stacks(lambda w: w * SLIGHTLY)}),
    ("leading axes are carried", "member 1 of a stack", {"contract": of_stacks(second_member)}),
    ("leading axes are carried", "member 0 of a stack", {"pullback": batched(LOW.pullback, second_slightly)}),
    ("leading axes are carried", "two lead axes give", {"contract": of_stacks(lambda w: w[:, 0], 4)}),
    ("leading axes are carried", "two lead axes differ", {"contract": of_stacks(lambda w: w * SLIGHTLY, 4)}),
    ("leading axes are carried", "a stack \\(2, 4, 4\\) in gauge", {"_fill": scale_of_all}),
    ("lookup is rows of the matrix", "ids \\[0, -1\\] of 4 rows were taken", {"lookup": first_rows}),
    ("lookup is rows of the matrix", "from those of the matrix", {
        "lookup": lambda s, f, ids, check=True: LOW.lookup(s, f, ids, check=check) * SLIGHTLY,
    }),
    ("lookup is rows of the matrix", "rows are \\(\\(1, 4\\)", {
        "lookup": lambda s, f, ids, check=True: LOW.lookup(s, f, ids.reshape(-1), check=check),
    }),
    ("sampled factors give the variance asked", "the variance misses", {"sample": of_variance_1}),
    ("sampled factors give the variance asked", "factors are of sizes", {"sample": unlike_sizes}),
    ("16-bit weights are taken", "float16 gives float16", {"decompose": in_16_bits}),
    ("parameters and operations are counted", "num_params is 33", {"num_params": 33}),
    ("parameters and operations are counted", "scale is 2.5", {"scale": 2.5}),
    ("shapes match the network", "decompose returned a list", {
        "decompose": lambda s, w, **o: list(LOW.decompose(s, w, **o)),
    }),
    ("shapes match the network", "they contract to", {"contract": lambda s, f: LOW.contract(s, f)[:3]}),
    ("bad input is refused", "an unknown gauge was taken", {
        "decompose": lambda s, w, gauge="balanced", **o: LOW.decompose(s, w, gauge="left" if "such" in gauge else gauge, **o),
    }),
    ("bad input is refused", "no factors raised IndexError", {"contract": lambda s, f: f[0]}),
]  # fmt: skip


@pytest.mark.parametrize(("law", "said", "methods"), BUGS, ids=[f"{law}: {said}" for law, said, _ in BUGS])
def test_a_small_bug_is_caught(law, said, methods):
    with pytest.raises(LawError, match=said) as caught:
        BY_LAW[law].check(Case(bug(**methods), np, np.float64))
    assert caught.value.law == law


@pytest.mark.parametrize("law", sorted({law for law, *_ in BUGS}))
def test_without_a_bug_it_holds(law):
    assert BY_LAW[law].check(Case(bug(), np, np.float64)) == "holds"


def test_a_rounding_is_no_bug():
    """Of apply and of lookup, 1e-14 of the size of what is compared."""
    rounded = {"apply": lambda s, f, x, **o: LOW.apply(s, f, x) * (1 + 1e-14)}
    assert BY_LAW["apply = x @ W.T"].check(Case(bug(**rounded), np, np.float64)) == "holds"
    rounded = {"lookup": lambda s, f, ids, check=True: LOW.lookup(s, f, ids, check=check) * (1 + 1e-14)}
    assert BY_LAW["lookup is rows of the matrix"].check(Case(bug(**rounded), np, np.float64)) == "holds"
