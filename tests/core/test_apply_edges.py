"""apply and prepare at their edges: no rows, one row, one call, other shapes of x, padding, and whole messages."""

import numpy as np
import pytest

import tensornet as tn
from tensornet.cost import Machine, choose

WIDE, PADDED = tn.LowRank(4, 6, 2), tn.Padded(tn.LowRank(8, 9, 2), (4, 6))
STACKS = pytest.mark.parametrize("lead", [(), (2,), (2, 3)], ids=str)
FORMATS = pytest.mark.parametrize("fmt", [WIDE, PADDED, tn.MPO((2, 2), (2, 3))], ids=str)


def drawn(fmt, *shape, seed=0):
    """Factors of a stack (all axes of x but its own), and x."""
    rng = np.random.default_rng(seed)
    lead, own = shape
    return [rng.standard_normal((*lead, *s)) for s in fmt.shapes], rng.standard_normal((*lead, *own, 6))


def product(fmt, factors, x, lead):
    w = fmt.contract(factors)
    rows = x.reshape(*x.shape[: len(lead)], -1, 6)
    return (rows @ np.swapaxes(w, -1, -2)).reshape(*x.shape[:-1], 4)


@STACKS
@FORMATS
@pytest.mark.parametrize("own", [(), (1,), (5,), (2, 3), (0,), (3, 0, 2)], ids=str)
def test_y_is_the_product_for_x_of_any_shape(fmt, lead, own):
    factors, x = drawn(fmt, lead, own)
    want = product(fmt, factors, x, lead)
    assert want.shape == (*lead, *own, 4)
    for constant in (None, (), (0,), (1,)):
        applied = fmt.prepare(factors, batch=1, calls=1, constant=constant)
        varying = [] if constant is None else [f for k, f in enumerate(factors) if k not in constant]
        got = applied(x, *varying)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    got = fmt.apply(factors, x)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_an_empty_stack_has_an_empty_product():
    factors, x = drawn(WIDE, (0,), (5,))
    y = WIDE.apply(factors, x.astype(np.float32))
    assert (y.shape, y.dtype) == ((0, 5, 4), np.float32)


def refused(call, *arguments, **options):
    with pytest.raises(tn.TensorNetError) as caught:
        call(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("batch", "calls", "constant"), [(0, 1, ()), (1, 0, ()), (-1, 5, ()), (1, 1, (2,)), (1, 1, (-1,)), (0, 0, (0, 9))]
)
def test_what_cannot_be_prepared(batch, calls, constant):
    factors, _ = drawn(WIDE, (), (1,))
    assert refused(WIDE.prepare, factors, batch=batch, calls=calls, constant=constant) == (
        f"LowRank.prepare: batch={batch}, calls={calls}, constant={constant}, needed at least one row and one call, and "
        f"numbers of factors in 0…1, because what is done once is shared among the calls; pass such"
    )


def test_x_of_other_shapes_is_told_what_is_needed():
    factors, x = drawn(WIDE, (), (7,))
    assert refused(WIDE.apply, factors, x[:, :5]) == (
        "LowRank.apply: x has 5 features, the matrix has 6 columns; x must be (…, 6), because apply is x @ W.T with W (out, "
        "in); transpose x or use the format of W.T"
    )
    assert refused(WIDE.apply, factors, x[0, 0]).startswith(
        "LowRank.apply: x has no features, the matrix has 6 columns"
    )
    stack, _ = drawn(WIDE, (2,), (7,))
    for shape in ((3, 7, 6), (7, 6), (6,)):
        assert refused(WIDE.apply, stack, np.ones(shape)) == (
            f"LowRank.apply: x has shape {shape}, needed (2,) before its own axes, because the factors are of a stack (2,) of "
            f"matrices, each with its x; for one x in all of them, broadcast it to {(2, *shape)}"
        )
    six, _ = drawn(WIDE, (6,), (1,))  # one x of 6 features is no stack of six
    assert "x has shape (6,), needed (6,) before its own axes" in refused(WIDE.apply, six, np.ones(6))


@pytest.mark.parametrize(("x", "kind"), [([1.0] * 6, "list"), (np.ones(6, dtype=int), "int64"), (None, "NoneType")])
def test_x_must_be_an_array_of_floats(x, kind):
    factors, _ = drawn(WIDE, (), (1,))
    assert refused(WIDE.apply, factors, x) == (
        f"LowRank.apply: x is {kind}, needed an array of floats, as the factors are, because it is multiplied by them; "
        f"convert it, e.g. xp.astype(x, factors[0].dtype)"
    )


def test_a_prepared_call_says_which_factors_it_needs():
    factors, x = drawn(WIDE, (2,), (7,))
    half = WIDE.prepare(factors, batch=7, calls=2, constant=(1,))
    assert refused(half, x) == (
        "LowRank.prepare: called with factors of shapes [], needed [(2, 4, 2)], those of factors [0], which are not "
        "constant; pass x first, then them in their order"
    )
    np.testing.assert_allclose(half(x, 2 * factors[0]), 2 * WIDE.apply(factors, x), rtol=1e-12)


def test_each_kind_of_element_has_its_size():
    """Costs are in bytes: 2, 4, 8 and 16 of them."""
    from tensornet.cost._apply import itemsize

    assert [itemsize(np.ones(1, dtype=d)) for d in ("float16", "float32", "float64", "complex64", "complex128")] == [
        *(2, 4, 8, 8, 16)
    ]


def test_of_ways_of_one_price_the_whole_path_is_the_quickest():
    """Where the largest intermediate is the same, the slim way is the quicker of such, summed over all of its products."""
    fmt = tn.MPO((16, 4, 3, 8), (2, 2, 4, 8), (8, 2, 3))
    ways = {c.name: c for c in choose(fmt.network, 5, machine=Machine()).candidates}
    sizes = {n: max(s.forward.size for s in c.path.steps) for n, c in ways.items()}
    assert sizes["slim"] == sizes["factored"] < sizes["dense"]


def test_paths_of_many_batches_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr("tensornet.cost._apply.KEPT", 3)
    fmt = tn.LowRank(4, 6, 2)
    factors, _ = drawn(fmt, (), (1,))
    w = fmt.contract(factors)
    for rows in (1, 2, 3, 4, 5, 4, 2):
        x = np.ones((rows, 6))
        np.testing.assert_allclose(fmt.apply(factors, x), x @ w.T)
    assert [key[0] for key in fmt._choices] == [4, 5, 2]
