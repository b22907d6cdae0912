"""The laws can fail: each bug planted here is caught, by the law that names it."""

import dataclasses
from typing import Any

import pytest
from array_api_compat import array_namespace
from libraries import BY_NAME

import tensornet as tn
from tensornet.formats import register
from tensornet.testing import LawError, check_format

SIZES = (4, 4)  # square, so that a transposed matrix has the right shape


def bug(name: str, base: type[tn.Format] = tn.LowRank, **methods: Any) -> tn.Format:
    """A format like `base` but for `methods`; registered, so that only the planted bug can be caught."""
    cls = type(name, (base,), {"name": f"bug_{name}", **methods})
    return register(dataclasses.dataclass(frozen=True)(cls))(*SIZES)


def svd(w):
    xp = array_namespace(w)
    return xp, *xp.linalg.svd(w, full_matrices=False)


def balanced_only(fill):
    """A `_fill` that refuses all other gauges, as a format may."""

    def checked(self, w, gauge):
        if gauge != "balanced":
            raise tn.TensorNetError(f"{self.name}: gauge {gauge!r}, needed 'balanced'; take that")
        return fill(self, w)

    return checked


@balanced_only
def halved(self, w):
    _, u, s, vh = svd(w)
    return [u, 0.5 * s[..., :, None] * vh]


@balanced_only
def without_scale(self, w):
    _, u, _, vh = svd(w)
    return [u, vh]


@balanced_only
def roots_on_both_sides(self, w):
    xp, u, s, vh = svd(w)  # √0·√0: neither side has a gradient
    return [u * xp.sqrt(s)[..., None, :], xp.sqrt(s)[..., :, None] * vh]


@balanced_only
def all_on_one_side(self, w):
    _, u, s, vh = svd(w)
    return [u, s[..., :, None] * vh]


@balanced_only
def divided_by_singular_values(self, w):
    xp, u, s, _ = svd(w)
    left = u * xp.sqrt(s)[..., None, :]
    return [left, xp.matmul(xp.matrix_transpose(u / xp.sqrt(s)[..., None, :]), w)]


@balanced_only
def normalised_by_squares(self, w):
    xp = array_namespace(w)
    norm = xp.sqrt(xp.sum(w**2, axis=(-2, -1), keepdims=True))  # overflows in float32
    norm = xp.where(norm > 0, norm, xp.ones_like(norm))
    return [f * xp.sqrt(norm) for f in tn.LowRank._fill(self, w / norm, "balanced")]


@balanced_only
def only_what_is_there(self, w):
    """Directions without a Schmidt value get zeros on the left and floors on the right, but for the first."""
    xp, u, s, vh = svd(w)
    first = xp.asarray([1.0] + [0.0] * (s.shape[-1] - 1), dtype=s.dtype)
    g = xp.sqrt(xp.where(s > 1e-5 * s[..., :1], s, first))
    return [u * g[..., None, :], (s / xp.where(g > 0, g, xp.ones_like(g)))[..., :, None] * vh]


def left_is_not_left(self, w, gauge):
    return tn.LowRank._fill(self, w, "balanced" if gauge == "left" else gauge)


def promoted(self, w, gauge):
    xp = array_namespace(w)
    return [xp.astype(f, xp.float64) for f in tn.LowRank._fill(self, w, gauge)]


def stacks_forgotten(self, w, gauge):
    return tn.LowRank._fill(self, w if w.ndim == 2 else array_namespace(w).zeros_like(w), gauge)


def uncopied(self, w, /, *, gauge="balanced", check_finite=True):
    factors = tn.LowRank.decompose(self, w, gauge=gauge, check_finite=check_finite)
    return (w, factors[1]) if gauge == "identity" and w.dtype == factors[0].dtype else factors


def unchecked(self, w, /, *, gauge="balanced", check_finite=True):
    return tn.LowRank.decompose(self, w, gauge=gauge, check_finite=False)


def transposed(self, factors, /):
    return array_namespace(*factors).matrix_transpose(tn.LowRank.contract(self, factors))


def product_with_w(self, factors, x, /):
    return array_namespace(x).matmul(x, self.contract(factors))


def doubled(self, factors, gradient, /):
    return tuple(2 * g for g in tn.LowRank.pullback(self, factors, gradient))


def blurred(self, w, gauge):
    u, v = tn.LowRank._fill(self, w, gauge)
    return [u * (1 + 2e-7) if gauge == "identity" else u, v]


BUGS = [
    (bug("transposed", contract=transposed), "contract(decompose(W)) = W"),
    (bug("dropped_scale", _fill=without_scale), "contract(decompose(W)) = W"),
    (bug("division_by_zero", _fill=divided_by_singular_values), "contract(decompose(W)) = W"),
    (bug("overflow", _fill=normalised_by_squares), "contract(decompose(W)) = W"),
    (bug("dead_zero", _fill=roots_on_both_sides), "gradient steps go downhill"),
    (bug("dead_direction", _fill=only_what_is_there), "every direction is reached"),
    (bug("unbalanced", _fill=all_on_one_side), "balanced gauge splits evenly"),
    (bug("no_isometry", _fill=left_is_not_left), "orthogonal gauges are isometries"),
    (bug("inexact_identity", _fill=blurred), "identity gauge is exact"),
    (bug("promoted", _fill=promoted), "dtype and device are kept"),
    (bug("aliases_weight", decompose=uncopied), "factors own their memory"),
    (bug("stacks_forgotten", _fill=stacks_forgotten), "leading axes are carried"),
    (bug("takes_nan", decompose=unchecked), "bad input is refused"),
    (bug("apply_untransposed", apply=product_with_w), "apply = x @ W.T"),
    (bug("pullback_doubled", pullback=doubled), "pullback is the gradient"),
    (bug("miscounted", num_params=7), "parameters and operations are counted"),
    (bug("wrong_flops", flops=7), "parameters and operations are counted"),
    (bug("forgotten_factor", auxiliary=()), "shapes match the network"),
    (bug("listed", decompose=lambda s, w, **kw: list(tn.LowRank.decompose(s, w, **kw))), "shapes match the network"),
    (bug("half_found", iterative=True, _fill=halved), "a search ends where nothing is gained"),
    (bug("never_resized", resized=lambda s, sizes: s), "the error of a truncation is within its bound"),
    (bug("unreadable", to_dict=lambda s: {"format": "low_rank", "out": 4, "in_": 4}), "JSON round trip"),
]


@pytest.mark.parametrize(("fmt", "law"), BUGS, ids=lambda p: p if isinstance(p, str) else p.name)
def test_bug_is_caught_by_its_law(fmt, law):
    with pytest.raises(LawError) as caught:
        check_format(fmt)
    assert caught.value.law == law, caught.value


def test_the_same_format_without_a_bug_passes():
    check_format(bug("none_at_all"))


def test_shared_memory_between_factors_is_caught():
    class Shared(tn.LowRank):
        def decompose(self, w, /, *, gauge="balanced", check_finite=True):
            u, v = super().decompose(w, gauge=gauge, check_finite=check_finite)
            both = array_namespace(w).stack([u, v])
            return both[0, ...], array_namespace(w).matrix_transpose(both[0, ...]) if gauge == "right" else both[1, ...]

    numpy = BY_NAME["numpy"].xp
    from tensornet.testing._case import Case
    from tensornet.testing._decomposition import owns_its_memory
    from tensornet.testing._law import Broken

    with pytest.raises(Broken, match=r"in gauge 'right', writing to factor 0 changes another, needed memory"):
        owns_its_memory(Case(Shared(*SIZES), numpy, numpy.float64))


def handed_through(self, factors, /):
    return array_namespace(*factors).reshape(factors[0], self.shape)


def pulled_through(self, factors, gradient, /):
    return (array_namespace(gradient).reshape(gradient, self.shapes[0]),)


@pytest.mark.parametrize(
    ("method", "found"),
    [
        ({"contract": handed_through}, r"writing to the result of contract changes factor 0, needed a copy"),
        ({"pullback": pulled_through}, r"writing to gradient 0 of pullback changes the gradient of W, needed a copy"),
    ],
    ids=["contract", "pullback"],
)
def test_a_result_that_is_an_operand_is_caught(method, found):
    fmt = dataclasses.dataclass(frozen=True)(type("Through", (tn.MPO,), {"name": "bug_through", **method}))((4,), (3,))
    with pytest.raises(LawError, match=f"'factors own their memory': {found}"):
        check_format(fmt, only=["factors own their memory"])


@pytest.mark.parametrize(("part", "value"), [("SWEEPS", 1), ("TOL", 0.5)])
def test_a_search_cut_short_is_caught(part, value, monkeypatch):
    monkeypatch.setattr(f"tensornet.fitting._fit.{part}", value)
    with pytest.raises(LawError, match="a search ends where nothing is gained"):
        check_format(tn.CP((2, 2), (3,), 2), xp=BY_NAME["numpy"].xp)


def test_unregistered_format_is_told_to_register():
    Unregistered = type("Unregistered", (tn.LowRank,), {"name": "never_registered"})
    with pytest.raises(LawError, match=r"'JSON round trip'.*no format 'never_registered'.*@tensornet.formats.register"):
        check_format(Unregistered(*SIZES))


def test_message_has_all_five_parts():
    with pytest.raises(LawError) as caught:
        check_format(bug("told", _fill=without_scale))
    message = str(caught.value)
    assert "told(out=4, in_=4, rank=4) on array_api_strict float32: law 'contract(decompose(W)) = W'" in message  # who
    assert "a random W in gauge 'balanced' comes back with a relative error of" in message  # given
    assert "needed at most 3e-06" in message
    assert "because training would start from another model" in message  # why
    assert "look at _fill" in message  # what to do
