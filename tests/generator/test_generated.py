"""The parameter generator: its equation, its pullback, its starts, in every array library."""

import itertools

import numpy as np
import pytest

import tensornet as tn
from tensornet.generator import _modes, selected

# (teacher, student, mapped axes, layers): a matrix, narrower and wider, at equal widths, a vector, an embedding, elementwise,
# a kernel, layers alone
CASES = {
    "narrower": ((6, 8), (3, 4), (0, 1), 3),
    "wider": ((4, 6), (8, 9), (0, 1), 2),
    "equal widths": ((4, 6), (4, 6), (0, 1), 3),
    "one layer": ((6, 4), (3, 4), (0, 1), 1),
    "rows alone": ((6, 4), (3, 4), (0,), 2),
    "vector": ((6,), (4,), (0,), 3),
    "embedding": ((7, 6), (7, 4), (1,), 1),
    "elementwise": ((4, 6), (4, 6), (), 1),
    "elementwise vector": ((5,), (5,), (), 1),
    "layers alone": ((4, 6), (4, 6), (), 2),
    "kernel": ((6, 4, 3), (3, 2, 3), (0, 1), 2),
}


def case(name: str, xp=np, *, dtype="float64", lead=()):
    """A generated weight, factors and a gradient."""
    teacher, shape, mapped, depth = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    generator = tn.Generator(tuple(f"t{k}" for k in range(depth)), teacher, shape, mapped)

    def array(*s):
        return xp.asarray(rng.standard_normal(s).astype(dtype))

    generated = generator.of([array(*teacher) for _ in range(depth)])
    return generated, [0.5 * array(*lead, *s) for s in generated.shapes], array(*lead, *shape)


def as_published(generated, factors):
    """The published einsum, written out over all indices at once."""
    generator, n = generated.generator, len(generated.shape)
    *linear, scale, shift = factors
    stack = np.stack(generated.layers, axis=-1)
    before, after = "abcd"[:n], list("abcd"[:n])
    operands = [stack]
    terms = [before + "l"]
    for axis in generator.mapped:
        after[axis] = "opqr"[axis]
        terms.append(before[axis] + after[axis])
        operands.append(linear[generator.mapped.index(axis)])
    if generator.depth > 1:
        terms += ["lm", "m"]
        operands += linear[-2:]
    else:
        operands[0], terms[0] = stack[..., 0], before
    return scale * np.tanh(np.einsum(f"{','.join(terms)}->{''.join(after)}", *operands)) + shift


@pytest.mark.parametrize("name", CASES)
def test_is_the_published_equation(name):
    generated, factors, _ = case(name)
    np.testing.assert_allclose(generated.contract(factors), as_published(generated, factors), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_pullback_is_the_finite_difference(name):
    generated, factors, g = case(name)
    pulled, h = generated.pullback(factors, g), 1e-6
    for k, factor in enumerate(factors):
        for at in itertools.islice(np.ndindex(*factor.shape), 0, None, max(1, factor.size // 7)):
            moved = [[f.copy() for f in factors] for _ in range(2)]
            moved[0][k][at] += h
            moved[1][k][at] -= h
            up, down = (np.sum(g * generated.contract(m)) for m in moved)
            assert pulled[k][at] == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=1e-8), (k, at)


@pytest.mark.parametrize("name", CASES)
def test_libraries_agree(name, library):
    if library.name == "jax" and name not in ("narrower", "embedding"):
        pytest.skip("each shape compiles anew; the adapter's tests go through the rest")
    generated, factors, g = case(name)
    theirs, its, slope = case(name, library.xp)
    np.testing.assert_allclose(np.asarray(theirs.contract(its)), generated.contract(factors), rtol=1e-12, atol=1e-12)
    w, pull = theirs.linearize(its)
    assert np.array_equal(np.asarray(w), np.asarray(theirs.contract(its)))
    for ours, other, again in zip(
        generated.pullback(factors, g), theirs.pullback(its, slope), pull(slope), strict=True
    ):
        np.testing.assert_allclose(np.asarray(other), ours, rtol=1e-11, atol=1e-12)
        assert np.array_equal(np.asarray(other), np.asarray(again))  # kept products change nothing


@pytest.mark.parametrize("name", CASES)
def test_leading_axes_are_carried(name):
    generated, factors, g = case(name, lead=(2,))
    whole, pulled = generated.contract(factors), generated.pullback(factors, g)
    for i in range(2):
        one = [f[i] for f in factors]
        np.testing.assert_allclose(whole[i], generated.contract(one), rtol=1e-12, atol=1e-12)
        for all_of_them, alone in zip(pulled, generated.pullback(one, g[i]), strict=True):
            np.testing.assert_allclose(all_of_them[i], alone, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_the_shift_is_no_view_of_that_of_the_weight():
    generated, factors, g = case("narrower")
    assert not np.shares_memory(generated.pullback(factors, g)[-1], g)


# ---- starts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 30.0])
def test_teacher_informed_start_is_the_teacher(scale, library):
    """At equal shapes and one layer, with and without maps, zeros and saturated entries included."""
    t = (scale * np.random.default_rng(0).standard_normal((6, 4))).astype("float32")
    t[0, 0] = 0
    for mapped in ((), (0, 1)):
        made = tn.Generator(("t",), (6, 4), (6, 4), mapped).of([library.xp.asarray(t)])
        found = np.asarray(made.contract(made.start(library.xp.asarray(t * 0))))
        np.testing.assert_allclose(found, t, rtol=1e-6, atol=0)


@pytest.mark.parametrize("name", CASES)
def test_teacher_informed_start_selects_from_the_last_layer(name):
    generated, _, _ = case(name)
    rows = [selected(t, s) for t, s in zip(generated.generator.teacher, generated.shape, strict=True)]
    expected = generated.layers[-1][np.ix_(*rows)]
    if name == "wider":  # what is read of a unit that is there twice counts half
        times = np.bincount(rows[1], minlength=6)
        expected = expected / times[list(rows[1])]
    found = generated.contract(generated.start(np.zeros(generated.shape)))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_published_start():
    """Xavier's variance, w = 1/L, W = 1, B = 0, all randomness the caller's."""
    rng = np.random.default_rng(3)
    generator = tn.Generator(("a", "b", "c"), (300, 200), (100, 150), (0, 1))
    made = generator.of([np.ones((300, 200))] * 3, "published", rng.standard_normal)
    w_o, w_i, w_l, w, scale, shift = made.start(np.zeros((100, 150), "float32"))
    for found in (w_o, w_i):
        assert np.std(found) == pytest.approx(np.sqrt(2 / sum(found.shape)), rel=0.02)
    assert w_l.shape == (3, 3)
    assert np.allclose(w, 1 / 3)
    assert np.all(scale == 1)
    assert np.all(shift == 0)
    assert {f.dtype for f in (w_o, w_l, w, scale)} == {np.dtype("float32")}
    again = generator.of(made.layers, "published", np.random.default_rng(3).standard_normal)
    assert np.array_equal(again.start(np.zeros((100, 150), "float32"))[0], w_o)


@pytest.mark.parametrize("name", CASES)
def test_decompose_ends_at_the_very_weight(name):
    generated, _, w = case(name)
    np.testing.assert_allclose(generated.contract(generated.decompose(w)), w, rtol=1e-12, atol=1e-12)


def test_no_factor_is_dead_at_the_start():
    """Each of them, from either start, moves the weight: the layers that the one-hot w leaves out, too."""
    generated, _, g = case("narrower")
    published = generated.generator.of(generated.layers, "published", np.random.default_rng(0).standard_normal)
    for made in (generated, published):
        factors = made.start(np.zeros(made.shape))
        assert all(np.linalg.norm(p) > 0 for p in made.pullback(factors, g))
    assert np.all(generated.pullback(generated.start(g), g)[3] != 0)  # dL/dw, of each layer


def test_factors_share_no_memory():
    """Neither with one another nor with the teacher: an optimiser writes to them."""
    rng = np.random.default_rng(0)
    for name, start in itertools.product(("narrower", "elementwise"), ({}, {"normal": rng.standard_normal})):
        generated, _, _ = case(name)
        made = generated.generator.of(generated.layers, "published" if start else "teacher", **start)
        arrays = [*made.start(np.zeros(made.shape)), *made.layers]
        assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(arrays, 2))


# ---- selection ------------------------------------------------------------------------------------------------------


def test_fused_projections_select_as_single_ones():
    """Queries, keys and values in one matrix: three blocks, each as one would be alone; with whole heads too."""
    for widths in ((1, 1), (4, 4), (4, 2)):
        one = selected(24, 12, widths)
        assert selected(72, 36, widths) == tuple(24 * k + i for k in range(3) for i in one)


def test_equal_numbers_of_heads_need_no_word():
    assert selected(24, 12) == selected(24, 12, (8, 4))


def test_whole_heads_are_selected():
    assert selected(24, 12, (6, 6)) == (*range(6), *range(12, 18))


def test_a_narrow_student_is_a_sub_network():
    """x ↦ W₂ relu(W₁ x): with the units that are left out at zero, the teacher says what the student says."""
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((16, 8)), rng.standard_normal((8, 16))
    small = []
    for t, shape in ((w1, (8, 4)), (w2, (4, 8))):
        made = tn.Generator(("t",), t.shape, shape, (0, 1)).of([t])
        small.append(made.contract(made.start(t)))
    stream, inner = list(selected(8, 4)), list(selected(16, 8))
    x = np.zeros(8)
    x[stream] = rng.standard_normal(4)
    h = np.maximum(w1 @ x, 0)
    h[[k for k in range(16) if k not in inner]] = 0
    np.testing.assert_allclose(small[1] @ np.maximum(small[0] @ x[stream], 0), (w2 @ h)[stream], rtol=1e-12)


def test_a_wide_student_says_the_same():
    """Units taken twice are read by half: the function is the teacher's."""
    rng = np.random.default_rng(0)
    w1, w2 = rng.standard_normal((6, 4)), rng.standard_normal((4, 6))
    wide = []
    for t, shape in ((w1, (12, 8)), (w2, (8, 12))):
        made = tn.Generator(("t",), t.shape, shape, (0, 1)).of([t])
        wide.append(made.contract(made.start(t)))
    x = rng.standard_normal(4)
    found = wide[1] @ np.maximum(wide[0] @ np.repeat(x, 2), 0)
    np.testing.assert_allclose(found, np.repeat(w2 @ np.maximum(w1 @ x, 0), 2), rtol=1e-12)


# ---- what it says of itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_counts(name):
    generated, factors, _ = case(name)
    assert generated.num_params == sum(f.size for f in factors)
    assert generated.scale == generated.num_params / np.prod(generated.shape)


@pytest.mark.parametrize("name", CASES)
def test_operations_are_counted(name, monkeypatch):
    """Of one contraction and one pullback: products as they are made, and the sums over layers by hand."""
    generated, factors, gradient = case(name)
    found = []

    class Counting:
        def __getattr__(self, attribute):
            return getattr(np, attribute)

        def matmul(self, a, b):
            found.append(2 * a.size * b.shape[-1])
            return np.matmul(a, b)

    monkeypatch.setattr(_modes, "namespace", lambda *_: Counting())
    made, products = generated.with_products(factors)
    generated.pullback(factors, gradient, products=products)
    deep = generated.generator.depth
    sums = 4 * deep * np.prod(generated.generator.teacher) * (deep > 1)
    assert generated.flops == sum(found) + sums + 8 * made.size


def test_the_digest_tells_teachers_apart():
    generated, _, _ = case("narrower")
    same = generated.generator.of([t.copy() for t in generated.layers])
    other = generated.generator.of([*generated.layers[:2], np.nextafter(generated.layers[2], 9)])
    assert same.to_dict() == generated.to_dict() != other.to_dict()
    assert generated.digest in repr(generated)
