"""Formats from outside keep the laws by declaring a graph and one way to fill it, with public names alone."""

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pytest
from array_api_compat import array_namespace
from libraries import BY_NAME

import tensornet as tn
from tensornet.formats import register
from tensornet.testing import LawError, check_format


@register
@dataclass(frozen=True)
class KroneckerSum(tn.Format):
    """W = Σ_r A_r ⊗ B_r over all min(a·c, b·d) terms: A (a, r, c), B (r, b, d)."""

    name: ClassVar[str] = "test_kronecker_sum"

    left: tuple[int, int]
    right: tuple[int, int]

    @cached_property
    def network(self) -> tn.Network:
        (a, c), (b, d) = self.left, self.right
        sizes = (("r", min(a * c, b * d)), ("a", a), ("b", b), ("c", c), ("d", d))
        return tn.Network((("a", "r", "c"), ("r", "b", "d")), ("a", "b"), ("c", "d"), sizes)

    def _fill(self, w, gauge):
        """Low rank of the matrix rearranged to (ac, bd) (Van Loan and Pitsianis 1993)."""
        xp, lead, n = array_namespace(w), tuple(w.shape[:-2]), w.ndim - 2
        (a, c), (b, d) = self.left, self.right
        split = xp.permute_dims(xp.reshape(w, (*lead, a, b, c, d)), (*range(n), n, n + 2, n + 1, n + 3))
        u, v = tn.LowRank(a * c, b * d).decompose(xp.reshape(split, (*lead, a * c, b * d)), gauge=gauge)
        return xp.moveaxis(xp.reshape(u, (*lead, a, c, -1)), -1, -2), xp.reshape(v, (*lead, -1, b, d))


@register
@dataclass(frozen=True)
class RowScaled(tn.Format):
    """W = diag(s) V: an index that two factors and the rows carry, no bond, and one gauge only."""

    name: ClassVar[str] = "test_row_scaled"

    out: int
    in_: int

    @cached_property
    def network(self) -> tn.Network:
        return tn.Network((("i",), ("i", "j")), ("i",), ("j",), (("i", self.out), ("j", self.in_)))

    def _fill(self, w, gauge):
        if gauge != "balanced":
            raise tn.TensorNetError(f"RowScaled: gauge {gauge!r}, needed 'balanced', there is no other; leave it out")
        return [array_namespace(w).ones_like(w[..., 0]), w]


@pytest.mark.parametrize("name", ["strict", "numpy", "torch"])
@pytest.mark.parametrize("fmt", [KroneckerSum((2, 3), (3, 2)), KroneckerSum((1, 2), (4, 3)), RowScaled(4, 3)], ids=str)
def test_a_small_declaration_is_enough(fmt, name):
    check_format(fmt, xp=BY_NAME[name].xp)


def test_gauges_that_a_format_refuses_are_not_asked_of_it():
    verdicts = check_format(RowScaled(4, 3))
    assert verdicts["orthogonal gauges are isometries"] == "does not apply: the network has loops"
    assert verdicts["identity gauge is exact"] == "does not apply: the format has no identity gauge"
    assert verdicts["contract(decompose(W)) = W"] == verdicts["a zero weight learns"] == "holds"


def test_declared_gauges_are_asked_of_it():
    """`gauges` is a claim: what it names must work."""
    claims = register(dataclass(frozen=True)(type("Claims", (RowScaled,), {"name": "claims", "gauges": ("left",)})))
    with pytest.raises(
        LawError, match=r"Claims.*'contract\(decompose\(W\)\) = W': raised TensorNetError.*gauge 'left'"
    ):
        check_format(claims(4, 3), xp=importlib.import_module("numpy"))


def test_a_plan_takes_it_like_ours():
    shapes = {"a.weight": (6, 6), "b.weight": (4, 3)}
    plan = tn.plan(shapes, {r"a\..*": KroneckerSum((2, 3), (3, 2)), r"b\..*": lambda shape: RowScaled(*shape)})
    assert tn.Plan.from_json(plan.to_json()) == plan
    assert "test_row_scaled out=4 in_=3" in str(plan)
