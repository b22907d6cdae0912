"""Sizes by hand: how they split, which are offered for those that do not, and which shapes and ranks are refused."""

import json
import math

import numpy as np
import pytest

import tensornet as tn
from tensornet._splits import divisor_pair, divisor_pairs, even_size, is_splittable, split_evenly, split_in_two
from tensornet.formats._sizing import positive


def test_the_most_even_pair():
    pairs = {1: (1, 1), 2: (2, 1), 4: (2, 2), 6: (3, 2), 7: (7, 1), 12: (4, 3), 36: (6, 6), 48: (8, 6), 768: (32, 24)}
    assert {n: divisor_pair(n) for n in pairs} == pairs


def test_all_pairs():
    assert divisor_pairs(1) == ((1, 1),)
    assert divisor_pairs(12) == ((1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1))


def test_what_splits_are_the_composite_numbers():
    assert [n for n in range(1, 31) if not is_splittable(n)] == [1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29]


@pytest.mark.parametrize(
    ("n", "split"),
    [
        *((1, (1, 1)), (2, (2,)), (4, (2, 2, 1)), (7, (7, 1)), (12, (4, 3)), (12, (3, 2, 2)), (49, (7, 7, 1))),
        *((64, (8, 8)), (64, (4, 4, 4)), (768, (12, 8, 8)), (768, (8, 6, 4, 4)), (30522, (5087, 3, 2))),
    ],
)
def test_an_even_split(n, split):
    assert split_evenly(n, len(split)) == split
    assert math.prod(split) == n


def test_the_next_even_size():
    assert [even_size(n) for n in range(1, 20)] == [4, 4, 4, 4, 6, 6, 8, 8, 9, 12, 12, 12, 15, 15, 15, 16, 18, 18, 20]
    assert [even_size(n, 3) for n in (1, 4, 5, 8, 9, 13, 17, 19)] == [4, 4, 8, 8, 12, 16, 18, 24]
    assert (even_size(30522), even_size(30522, 3)) == (30523, 30525)
    assert [even_size(n, 1) for n in (1, 3, 7, 30522)] == [1, 3, 7, 30522]


def test_nothing_is_padded_where_nothing_splits():
    assert tn.Tucker.for_shape((64, 3, 3, 3), pad=True, rank=2) == tn.Tucker.for_shape((64, 3, 3, 3), rank=2)
    assert tn.CP.for_shape((7, 5), pad=True) == tn.CP.for_shape((7, 5))
    assert tn.CP.for_shape((7, 5), modes=2, pad=True).inner.shape == (8, 6)


def test_sizes_of_other_libraries_become_plain_integers():
    four, six = np.int64(4), np.int32(6)
    made = [tn.LowRank(four, six), tn.Padded(tn.LowRank(8, 8), (four, six)), tn.Kronecker((four, 1), (six, 2))]
    made += [
        tn.MPO((four, 1), (six, 2)),
        tn.CP((four,), (six,)),
        tn.Tucker((four,), (six,)),
        tn.Monarch((four, 2), (six, 2)),
    ]
    made += [
        tn.BlockTensorTrain((four, 2), (six, 2)),
        tn.TensorRing((four, 2), (six, 2)),
        tn.ConvMPO((four,), (six,), (four,)),
    ]
    for fmt in made:
        assert tn.formats.from_dict(json.loads(json.dumps(fmt.to_dict()))) == fmt
        assert "np." not in repr(fmt)


@pytest.mark.parametrize(
    ("n", "offered", "padded"),
    [
        (1, "4 = 2 × 2", 4),
        (2, "4 = 2 × 2 or 6 = 3 × 2", 4),
        (3, "4 = 2 × 2 or 6 = 3 × 2", 4),
        (5, "4 = 2 × 2 or 6 = 3 × 2", 6),
        (7, "6 = 3 × 2 or 8 = 4 × 2", 8),
        (13, "12 = 4 × 3 or 14 = 7 × 2", 15),  # 14 = 7 × 2 is not even
        (37, "36 = 6 × 6 or 38 = 19 × 2", 40),
    ],
)
def test_the_nearest_two_sizes_are_offered_the_smaller_first(n, offered, padded):
    with pytest.raises(tn.TensorNetError) as caught:
        split_in_two("plan", "rows", n)
    assert str(caught.value) == (
        f"plan: the matrix has {n} rows, which does not split into two factors above 1, as two outer factors need; the "
        f"nearest sizes that do are {offered}; pass pad=True to round up to {padded} (the padding never shows), resize the "
        f"layer, leave it out, or give the split yourself, e.g. {n} = {n} × 1"
    )


# ---- shapes and ranks that are refused ------------------------------------------------------------------------------

OF_MATRICES = [tn.LowRank, tn.MPO, tn.Kronecker, tn.BlockTensorTrain]
OF_ANY = [tn.CP, tn.Tucker, tn.TensorRing]


@pytest.mark.parametrize("cls", [*OF_MATRICES, *OF_ANY, tn.ConvMPO], ids=lambda c: c.__name__)
@pytest.mark.parametrize("bad", [0, -4, 4.0, None])
def test_each_size_is_a_positive_integer(cls, bad):
    kernel = () if cls in OF_MATRICES else (3, 3)
    for axis in range(2 + len(kernel)):
        shape = [4, 6, *kernel]
        shape[axis] = bad
        with pytest.raises(tn.TensorNetError, match=f"{cls.__name__}.for_shape: shape .* positive integers, because"):
            cls.for_shape(tuple(shape))


@pytest.mark.parametrize("cls", [*OF_MATRICES, *OF_ANY, tn.ConvMPO], ids=lambda c: c.__name__)
def test_the_number_of_axes_is_that_of_the_format(cls):
    taken = {2} if cls in OF_MATRICES else {2, 3, 4} if cls in OF_ANY else {3, 4}
    for n in range(1, 5):
        if n in taken:
            assert cls.for_shape((4, 6, 3, 3)[:n]).shape == (4, 6, 3, 3)[:n]
        else:
            with pytest.raises(tn.TensorNetError, match=f"{cls.__name__}.for_shape: shape"):
                cls.for_shape((4, 6, 3, 3)[:n])


@pytest.mark.parametrize(
    ("size", "good"), [(1, True), (0, False), (-1, False), (True, True), (1.5, False), ("2", False)]
)
def test_sizes_of_an_index(size, good):
    if good:
        assert positive("who", "rows", [size, 2]) == positive("who", "rows", (np.int64(1), 2), 2) == (1, 2)
        return
    with pytest.raises(tn.TensorNetError) as caught:
        positive("who", "rows", (2, size))
    assert str(caught.value) == (
        f"who: rows=(2, {size!r}), needed a sequence of positive integers, because each is the size of an index; pass a tuple "
        f"of them"
    )


def test_each_rank_from_1_to_the_full_one_is_taken_and_no_other():
    """Of four formats with one rank, and of Tucker in each of its modes."""
    makers = [
        (lambda r: tn.CP((2, 2), (5,), r), 4),
        (lambda r: tn.LowRank(4, 6, r), 4),
        (lambda r: tn.Kronecker((2, 3), (2, 2), r), 4),
        (lambda r: tn.BlockTensorTrain((4, 2), (2, 3), r), 3),
        (lambda r: tn.Tucker((4,), (6,), (r, r)), 4),
    ]
    for make, full in makers:
        fmt = make(1)
        assert [make(r).num_params > 0 for r in range(1, full + 1)] == [True] * full
        for bad in (-1, full + 1, 2.0):
            with pytest.raises(tn.TensorNetError):
                make(bad)
        if fmt.name != "tucker":
            with pytest.raises(tn.TensorNetError):
                make(0)


def test_ranks_of_tucker_are_bounded_by_the_others():
    """A mode of 4 beside ranks of 1 and 3: a core of 4 × 1 × 3 would have a mode that nothing fills."""
    assert tn.Tucker((4,), (5,), (3, 1, 3), (3,)).ranks == (3, 1, 3)
    with pytest.raises(tn.TensorNetError, match=r"Tucker: ranks \(4, 1, 3\) of modes \(4, 5, 3\)"):
        tn.Tucker((4,), (5,), (4, 1, 3), (3,))
    assert tn.Tucker((4,), (6,)).ranks == (4, 4)
    assert tn.Tucker((7,), (2,), kernel=(3,)).ranks == (6, 2, 3)


@pytest.mark.parametrize("cls", [tn.LowRank, tn.MPO])
@pytest.mark.parametrize("taken", [{}, {"num_params": 5.0}], ids=["two", "three"])
def test_what_fixes_the_size_twice(cls, taken):
    options = {"rank": 2, "scale": 0.5, **taken}
    given = {k: options[k] for k in ("rank", "num_params", "scale") if k in options}
    with pytest.raises(tn.TensorNetError) as caught:
        cls.for_shape((12, 12), **options)
    assert str(caught.value) == (
        f"{cls.__name__}.for_shape: got {given}, needed one of rank, num_params and scale at most, because each of them fixes "
        f"the size; drop the others"
    )


def test_the_least_budget_is_named():
    with pytest.raises(tn.TensorNetError) as caught:
        tn.LowRank.for_shape((12, 10), scale=0.1)
    assert str(caught.value) == (
        "LowRank.for_shape: {'scale': 0.1} allows 12 parameters, needed at least the 22 of rank 1 (0.18 of the dense ones); "
        "raise the budget or take other modes"
    )


# ---- searches and formulas ------------------------------------------------------------------------------------------


def test_two_modes_take_a_formula_and_three_a_search():
    assert not tn.CP((4,), (5,), 2).iterative
    assert tn.CP((2, 2), (5,), 2).iterative
    assert not tn.CP((2, 2), (5,)).iterative
    assert not tn.Tucker((4,), (5,), (2, 2)).iterative


@pytest.mark.parametrize(
    ("ranks", "svds"),
    [((2, None, None), 1), ((2, 2, None), 2 + 5 * 2), ((2, 2, 2), 3 + 5 * 3)],
)
def test_tucker_takes_one_svd_of_each_mode_and_five_rounds_of_improvement(ranks, svds, monkeypatch):
    """A fixed number, so that decompose can be compiled; of a single basis there is nothing to improve. On noise, the worst
    there is, the sixth round and all after it would lower the error by less than a thousandth of it."""
    made, basis = [], tn.Tucker._basis
    monkeypatch.setattr(tn.Tucker, "_basis", lambda self, x, k: made.append(k) or basis(self, x, k))
    fmt, w = tn.Tucker((6,), (5,), ranks, (4,)), np.random.default_rng(0).standard_normal((6, 5, 4))
    errors = {}
    for sweeps in (5, 60):
        made.clear()
        if sweeps == 60:
            monkeypatch.setattr("tensornet.formats._tucker.SWEEPS", 60)
        errors[sweeps] = np.linalg.norm(fmt.contract(fmt.decompose(w)) - w)
        assert sweeps == 60 or len(made) == svds
    assert errors[60] <= errors[5] * (1 + 1e-12)
    assert errors[5] < errors[60] * 1.001


def test_the_default_ring_is_the_divisor_nearest_to_the_root_the_smaller_of_two():
    """Of ranks 6 (2 and 3 are 0.45 and 0.55 from √6), 12 (3 and 4 are 0.46 and 0.54 from √12) and 4."""
    for volume, ring in ((6, 2), (12, 3), (4, 2), (1, 1), (5, 1)):
        assert tn.TensorRing((volume, 4, 4), (1, 4, 4)).ring == ring


def test_an_mpo_says_which_side_is_wrong():
    fmt = tn.MPO((2, 2), (2, 3))
    for shape, said in (
        (
            (5, 6),
            "MPO: rows (2, 2) multiply to 4, but the matrix has 5 rows; choose factors of 5, e.g. (5, 1); or take",
        ),
        (
            (4, 8),
            "MPO: cols (2, 3) multiply to 6, but the matrix has 8 cols; choose factors of 8, e.g. (4, 2); or take",
        ),
        (
            (7, 5, 6),
            "MPO: rows (2, 2) multiply to 4, but the matrix has 5 rows; choose factors of 5, e.g. (5, 1); or take",
        ),
    ):
        assert str(fmt.shape_error(shape)) == f"{said} MPO.for_shape({shape[-2:]})"
    both = str(fmt.shape_error((6, 4)))
    assert both.count("multiply to") == 2
    assert "got a weight of shape (3, 4, 6), needed (…, 4, 6), because" in str(fmt.shape_error((3, 4, 6)))  # no side is
