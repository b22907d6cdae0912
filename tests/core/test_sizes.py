"""for_shape: budgets kept and used up, ranks capped, layouts chosen."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tensornet as tn

SPLIT = st.sampled_from([4, 6, 8, 9, 12, 15, 16, 24, 30])
SHAPES = st.tuples(SPLIT, SPLIT)
KERNELS = st.tuples(SPLIT, SPLIT, st.integers(1, 3), st.integers(1, 3))
ANY = st.tuples(st.integers(2, 31), st.integers(2, 31))  # primes too
MAKERS = [
    (tn.LowRank, SHAPES, {}),
    (tn.MPO, SHAPES, {"cores": 2}),
    (tn.MPO, SHAPES, {"cores": 5}),
    (tn.MPO, SHAPES, {"cores": 3, "layout": "even"}),
    (tn.Kronecker, SHAPES, {}),
    (tn.BlockTensorTrain, SHAPES, {}),
    (tn.MPO, ANY, {"cores": 3, "pad": True}),
    (tn.Kronecker, ANY, {"left": (3, 2), "pad": True}),
    (tn.BlockTensorTrain, ANY, {"pad": True}),
    (tn.ConvMPO, KERNELS, {}),
    (tn.ConvMPO, KERNELS, {"cores": 3, "layout": "even"}),
]
EVERY = pytest.mark.parametrize(("cls", "shapes", "options"), MAKERS, ids=lambda v: getattr(v, "__name__", None))


def bonds(fmt) -> list[int]:
    return [fmt.network.size[b] for b in fmt.network.bonds]


def of_rank(cls, shape, rank, options):
    return cls.for_shape(shape, rank=rank, **options)


@EVERY
def test_a_budget_is_kept_and_used_up(cls, shapes, options):
    """One rank more would not fit: no format of the family within the budget is larger."""

    @given(shapes, st.floats(0.01, 1.2))
    def holds(shape, share):
        full = cls.for_shape(shape, **options)
        budget = int(share * full.num_params)
        assume(budget >= of_rank(cls, shape, 1, options).num_params)
        fmt = cls.for_shape(shape, num_params=budget, **options)
        assert fmt.num_params <= budget
        if fmt != full:
            rank = max(bonds(fmt))
            assert fmt == of_rank(cls, shape, rank, options)
            assert of_rank(cls, shape, rank + 1, options).num_params > budget

    holds()


@EVERY
def test_a_share_is_a_budget(cls, shapes, options):
    @given(shapes, st.floats(0.05, 1.0))
    def holds(shape, scale):
        assume(of_rank(cls, shape, 1, options).scale <= scale)
        fmt = cls.for_shape(shape, scale=scale, **options)
        assert fmt.scale <= scale * (1 + 1e-12)
        assert fmt == cls.for_shape(shape, num_params=int(scale * np.prod(shape, dtype=int)), **options)

    holds()


@EVERY
def test_a_rank_caps_every_bond_and_changes_no_smaller_one(cls, shapes, options):
    @given(shapes, st.integers(1, 40))
    def holds(shape, rank):
        full, fmt = cls.for_shape(shape, **options), of_rank(cls, shape, rank, options)
        assert full.exact
        assert bonds(fmt) == [min(rank, b) for b in bonds(full)]

    holds()


@EVERY
def test_no_rank_is_below_1(cls, shapes, options):
    @given(shapes)
    def holds(shape):
        least = of_rank(cls, shape, 1, options).num_params
        assert cls.for_shape(shape, num_params=least, **options).num_params <= least
        with pytest.raises(tn.TensorNetError, match=f"needed at least the {least} of rank 1"):
            cls.for_shape(shape, num_params=least - 1, **options)

    holds()


@given(SHAPES, st.floats(1.01, 8.0))
def test_a_scale_above_1_is_aimed_at(shape, scale):
    """No two outer factors come nearer, by ratio."""
    fmt = tn.MPO.for_shape(shape, cores=4, scale=scale)
    (r1, *units, _), (c1, *_) = fmt.rows, fmt.cols
    assert fmt.exact
    assert set(units) <= {1}
    assert r1 * fmt.rows[-1] == shape[0]
    assert c1 * fmt.cols[-1] == shape[1]
    found = abs(np.log(fmt.scale / scale))
    for a in (d for d in range(1, shape[0] + 1) if shape[0] % d == 0):
        for b in (d for d in range(1, shape[1] + 1) if shape[1] % d == 0):
            other = tn.MPO((a, 1, 1, shape[0] // a), (b, 1, 1, shape[1] // b))
            assert found <= abs(np.log(other.scale / scale)) + 1e-12


def test_the_papers_scale_is_found():
    """3.25 × of (3072, 768) by five cores is the layout that the paper prints."""
    fmt = tn.MPO.for_shape((3072, 768), cores=5, scale=3.25)
    assert fmt.scale == pytest.approx(3.25, rel=1e-9)


def test_a_scale_above_1_of_a_kernel_keeps_it():
    fmt = tn.ConvMPO.for_shape((16, 8, 3, 3), cores=3, scale=2.0)
    assert fmt.kernel == (3, 3)
    assert 1.0 < fmt.scale < 4.0


def test_more_than_everything_is_everything():
    for cls, shape in ((tn.LowRank, (6, 4)), (tn.Kronecker, (6, 4)), (tn.BlockTensorTrain, (6, 4))):
        full = cls.for_shape(shape)
        assert cls.for_shape(shape, num_params=10**9) == cls.for_shape(shape, rank=10**9) == full
        assert full.exact


def test_crosswise_splits_make_small_terms():
    """Of both ways to pair even splits, the one with fewer parameters a term."""
    assert tn.Kronecker.for_shape((6, 4), rank=1).num_params == 3 * 2 + 2 * 2
    assert tn.Kronecker.for_shape((12, 12), rank=1).num_params == 24 < tn.Kronecker((4, 4), (3, 3), 1).num_params
