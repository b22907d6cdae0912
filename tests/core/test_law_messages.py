"""What a broken law says of how far off a format is, and of how far it may be, for bugs of a known size."""

import dataclasses

import numpy as np
import pytest

import tensornet as tn
from tensornet.testing import LAWS, LawError
from tensornet.testing._case import Case
from tensornet.testing._matrices import matrices, rank_deficient
from tensornet.testing._training import _starts

BY_LAW = {law.name: law for law in LAWS}
SLIGHTLY = 1 + 1e-6
LOW = tn.LowRank


def moved(u, v, gauges=("left", "mixed", "balanced")):
    """_fill with factors multiplied by u and v in these gauges."""

    def fill(self, w, gauge):
        first, second = LOW._fill(self, w, gauge)
        return [u * first, v * second] if gauge in gauges else [first, second]

    return fill


BUGS = [
    (
        "contract(decompose(W)) = W",
        {"_fill": moved(SLIGHTLY, 1)},
        "a random W in gauge 'left' comes back with a relative error of 1.0e-06, needed at most 1e-13,",
    ),
    (
        "identity gauge is exact",
        {"_fill": moved(SLIGHTLY, 1, ["identity"])},
        "a random W changes by 1.0e-06, needed the same bits,",
    ),
    (
        "orthogonal gauges are isometries",
        {"_fill": moved(SLIGHTLY, 1 / SLIGHTLY, ["left"])},
        "gauge 'left' of a random W: factor 0 misses an isometry by 2.0e-06, needed at most 1e-12,",
    ),
    (
        "balanced gauge splits evenly",
        {"_fill": moved(SLIGHTLY, 1 / SLIGHTLY)},
        "bond d of a random W misses the even split by 2.0e-06 of the largest Schmidt value, needed at most 1e-11,",
    ),
    (
        "leading axes are carried",
        {"contract": lambda s, f: LOW.contract(s, f) * (SLIGHTLY if f[0].ndim == 3 else 1)},
        "member 0 of a stack differs by 1.0e-06, needed equality,",
    ),
    (
        "lookup is rows of the matrix",
        {"lookup": lambda s, f, ids, check=True: LOW.lookup(s, f, ids, check=check)[..., :3]},
        "rows are ((3,), dtype('float64'), 'cpu'), needed ((4,), dtype('float64'), 'cpu'),",
    ),
    (
        "sampled factors give the variance asked",
        {"sample": lambda s, normal, std=1.0: LOW.sample(s, normal, std=std * SLIGHTLY)},
        "the variance misses σ² = 1.0e+00 by 2.0e-06, needed σ²,",
    ),
    (
        "sampled factors give the variance asked",
        {"sample": lambda s, normal, std=1.0: LOW.sample(s, normal, std=std * (SLIGHTLY if std < 1 else 1))},
        "the variance misses σ² = 4.0e-04 by 2.0e-06, needed σ²,",
    ),
    (
        "parameters and operations are counted",
        {"flops": 7},
        "flops is 7, needed the 384 of contract and pullback together,",
    ),
    (
        "shapes match the network",
        {"contract": lambda s, f: LOW.contract(s, f)[:3]},
        "they contract to (3, 4), needed (4, 4),",
    ),
    (
        "apply = x @ W.T",
        {"apply": lambda s, f, x, **o: LOW.apply(s, f, x)[..., :3]},
        "x (4,) gives (3,), needed (4,),",
    ),
    (
        "gradient steps go downhill",
        {"pullback": lambda s, f, g: tuple(-p for p in LOW.pullback(s, f, g))},
        "from a random W in gauge 'identity' a small step moves W by 0.0e+00 of what its gradient says, needed about 1 "
        "against dW,",
    ),
    (
        "a zero weight learns",
        {"pullback": lambda s, f, g: tuple(0 * p for p in LOW.pullback(s, f, g))},
        "in gauge 'identity' 100.0% of the squared error is left after 500 steps, needed less than 5%,",
    ),
]


@pytest.mark.parametrize(("law", "methods", "said"), BUGS, ids=[f"{n} {law}" for n, (law, *_) in enumerate(BUGS)])
def test_the_size_of_a_bug_is_told(law, methods, said):
    cls = type("Bug", (LOW,), {"name": "bug_of_messages", **methods})
    fmt = dataclasses.dataclass(frozen=True)(cls)(4, 4)
    with pytest.raises(LawError) as caught:
        BY_LAW[law].check(Case(fmt, np, np.float64))
    assert str(caught.value).startswith(f"Bug(out=4, in_=4, rank=4) on numpy float64: law {law!r}: {said} because ")


# ---- on which matrices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (1, 5), (3, 3)])
def test_matrices_are_what_they_are_called(shape):
    case = Case(tn.LowRank(*shape), np, np.float64)
    found = dict(matrices(case))
    assert list(found) == ["random", "zero", "1e20-scaled", "1e-20-scaled", "identity", "rank-deficient", "constant"]
    least = min(shape)
    ranks = [np.linalg.matrix_rank(w) for w in found.values()]
    assert ranks == [least, 0, least, least, least, max(1, least // 2), 1]
    assert np.array_equal(found["identity"], np.eye(*shape))
    assert np.array_equal(found["1e20-scaled"], 1e20 * found["random"])
    assert np.array_equal(found["1e-20-scaled"], 1e-20 * found["random"])
    assert np.array_equal(found["constant"], np.ones(shape))


def test_of_a_format_for_part_of_all_matrices_there_are_four():
    assert len(list(matrices(Case(tn.LowRank(4, 6, 2), np, np.float64)))) == 4


def test_entries_of_a_rank_deficient_matrix_are_of_variance_1():
    """Sums of 50 products over √50: five standard deviations of the mean of 10,000 squares that are not independent."""
    w = rank_deficient(Case(tn.LowRank(100, 100), np, np.float64))
    assert np.linalg.matrix_rank(w) == 50
    assert abs((w**2).mean() - 1) < 5 * (2 / 100 + 2 / 50) ** 0.5 / 10


def test_descent_starts_from_weights_of_norm_1_and_from_zero():
    for fmt, names in (
        (tn.LowRank(4, 6), ["random", "zero", "rank-deficient"]),
        (tn.LowRank(4, 6, 2), ["random", "zero"]),
    ):
        starts = _starts(Case(fmt, np, np.float64))
        assert [name for name, _ in starts] == names
        assert [np.linalg.norm(w) for _, w in starts] == pytest.approx([1.0, 0.0, 1.0][: len(names)])
