"""How a truncation decides, by hand: what is cut next, what budgets allow to the last unit, and what rounding may cost."""

import math

import numpy as np
import pytest

import tensornet as tn
from tensornet.truncation._precision import Precision
from tensornet.truncation._ranks import Cuts, Group, _groups, bridged, capped, within_error, within_params
from tensornet.truncation._target import Target

PAIR = tn.LowRank(4, 3).network  # 7 parameters for each value of its bond
TAILS = {"d": [10.0, 4.0, 1.0, 0.0]}  # ε² of keeping 0, 1, 2 and 3 values
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


# ---- what is cut ----------------------------------------------------------------------------------------------------


def test_the_cheapest_cut_of_one_bond():
    cuts = Cuts(PAIR, TAILS)
    assert (cuts.num_params, cuts.error, cuts.sizes) == (21, 0.0, {"d": 3})
    assert cuts.next() == (1 / 7, 1.0, 0)
    cuts.cut(0)
    assert (cuts.num_params, cuts.error, cuts.sizes) == (14, 1.0, {"d": 2})
    assert cuts.next() == (3 / 7, 3.0, 0)
    cuts.cut(0)
    assert (cuts.num_params, cuts.error, cuts.sizes) == (7, 4.0, {"d": 1})
    assert cuts.next() is None


def test_cuts_of_a_weight_that_counts_double():
    cuts = Cuts(PAIR, TAILS, 2.0)
    assert cuts.next() == (2 / 7, 2.0, 0)
    assert cuts.error_at({"d": 1}) == 8.0
    assert [cuts.params_at(c) for c in (1, 2, 3, 9)] == [7, 14, 21, 21]


def test_a_format_of_fewer_bonds_begins_where_it_is():
    cuts = Cuts(tn.LowRank(4, 3, 2).network, TAILS)
    assert (cuts.num_params, cuts.error, cuts.sizes) == (14, 1.0, {"d": 2})


@pytest.mark.parametrize(
    ("budget", "rank"), [(0.0, 3), (0.999, 3), (1.0, 2), (3.999, 2), (4.0, 1), (9.0, 1), (10.0, 1), (99.0, 1)]
)
def test_an_error_budget_is_met_with_equality(budget, rank):
    assert within_error(PAIR, TAILS, budget) == {"d": rank}


def test_what_the_cheapest_cut_leaves_over_is_spent_on_others():
    """d1 is the cheapest by parameter and too much; d2 fits."""
    chain = tn.MPO((3, 2, 3), (1, 1, 1), (2, 2)).network
    tails = {"d1": [9.0, 2.0, 0.0], "d2": [9.0, 1.0, 0.0]}
    assert within_error(chain, tails, 1.0) == {"d1": 2, "d2": 1}
    assert within_error(chain, {"d1": tails["d2"], "d2": tails["d1"]}, 1.0) == {"d1": 1, "d2": 2}
    assert within_error(chain, tails, 2.999) == {"d1": 2, "d2": 1}
    assert within_error(chain, tails, 3.0) == {"d1": 1, "d2": 1}


@pytest.mark.parametrize(("budget", "rank"), [(99, 3), (21, 3), (20, 2), (14, 2), (13, 1), (7, 1), (6, 1)])
def test_a_budget_of_parameters_is_used_up(budget, rank):
    cuts = Cuts(PAIR, TAILS)
    within_params([cuts], budget)
    assert cuts.sizes == {"d": rank}


def test_of_two_networks_the_one_whose_values_matter_least_is_cut():
    parts = [Cuts(PAIR, TAILS, c) for c in (1.0, 2.5)]  # steps of 1, 3 and of 2.5, 7.5
    sizes = []
    for budget in (41, 34, 27, 20):
        within_params(parts, budget)
        sizes.append([p.sizes["d"] for p in parts])
    assert sizes == [[2, 3], [2, 2], [1, 2], [1, 1]]


@pytest.mark.parametrize(
    ("budget", "holds", "rank"),
    [(99, True, 3), (21, True, 3), (20, True, 2), (13, True, 1), (7, True, 1), (6, False, 3)],
)
def test_one_cap_for_all(budget, holds, rank):
    cuts = Cuts(PAIR, TAILS)
    assert capped([cuts], budget) is holds
    assert cuts.sizes == {"d": rank}


# ---- which bonds go together ----------------------------------------------------------------------------------------


def chain(volumes, bonds):
    """A train of `volumes` rows."""
    ends = [(), *((f"d{k}",) for k in range(1, len(volumes))), ()]
    factors = tuple((*ends[k], f"i{k}", *ends[k + 1]) for k in range(len(volumes)))
    sizes = [(f"i{k}", v) for k, v in enumerate(volumes)] + [(f"d{k}", b) for k, b in enumerate(bonds, 1)]
    return tn.Network(
        (*factors[:-1], (*factors[-1], "j")), tuple(f"i{k}" for k in range(len(volumes))), ("j",), (*sizes, ("j", 1))
    )


@pytest.mark.parametrize(
    ("volumes", "bonds", "groups"),
    [
        ((2, 3, 2), (2, 2), [(("d1",), (0, 1)), (("d2",), (1, 2))]),
        ((2, 1, 2), (2, 2), [(("d1", "d2"), (0, 1, 1, 2))]),  # of the unit mode, both axes are of the group
        ((4, 1, 4), (3, 2), [(("d1",), (0, 1)), (("d2",), (1, 2))]),  # of unlike sizes, as resized formats may have
        ((2, 1, 1, 2), (2, 2, 2), [(("d1", "d2", "d3"), (0, 1, 1, 2, 2, 3))]),
        ((2, 1, 2, 1, 2), (2, 2, 2, 2), [(("d1", "d2"), (0, 1, 1, 2)), (("d3", "d4"), (2, 3, 3, 4))]),
    ],
)
def test_bonds_along_unit_modes_are_one(volumes, bonds, groups):
    want = [Group(b, tuple((k, at.count(k)) for k in dict.fromkeys(at))) for b, at in groups]
    assert _groups(chain(volumes, bonds)) == want


def test_a_group_is_cut_as_one():
    """Of (2, 1, 2) rows and bonds of 2: 4 + 4 + 4 parameters, with one value 2 + 1 + 2."""
    cuts = Cuts(chain((2, 1, 2), (2, 2)), {"d2": [5.0, 1.0, 0.0]})  # one of them is known
    assert cuts.num_params == 12
    assert cuts.next() == (1 / 7, 1.0, 0)
    cuts.cut(0)
    assert (cuts.num_params, cuts.error, cuts.sizes) == (5, 1.0, {"d1": 1, "d2": 1})


@pytest.mark.parametrize(
    ("volumes", "sizes", "filled"),
    [
        ((8, 1, 2, 2), (8, 8, 8), (4, 4, 2)),  # the last is lowered first, and then those before it
        ((2, 2, 1, 8), (8, 8, 8), (2, 4, 4)),
        ((2, 2, 2), (2, 2), (2, 2)),
        ((2, 2, 2), (1, 2), (1, 2)),
        ((4, 2, 4), (4, 1), (2, 1)),
    ],
)
def test_no_bond_is_larger_than_what_fills_it(volumes, sizes, filled):
    names = [f"d{k}" for k in range(1, len(volumes))]
    assert bridged(chain(volumes, sizes), dict(zip(names, sizes, strict=True))) == dict(zip(names, filled, strict=True))


# ---- what one bond leaves over for the next -------------------------------------------------------------------------


def choices(*found):
    """What is kept of d1, then of d2, within 2 of 9, where 1 was meant for each."""
    fmt = tn.MPO((3, 2, 3), (1, 2, 1), (3, 3))
    tails = {b: np.asarray([9.0, 5.0, 1.0, 0.0]) for b in ("d1", "d2")}
    target = Target.of("truncate", fmt, eps=1.0)
    choose = target._by_error({b: list(t) for b, t in tails.items()}, tails, 2.0, np.asarray(1.0))
    return [choose(b, np.asarray(t)) for b, t in zip(("d1", "d2"), found, strict=True)]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ([9.0, 5.0, 1.0, 0.0], [9.0, 5.0, 1.0, 0.0], [2, 2]),  # as planned, met with equality
        ([9.0, 5.0, 1.0, 0.0], [9.0, 1.5, 1.0, 0.0], [2, 2]),  # nothing was left over
        ([9.0, 5.0, 0.25, 0.0], [9.0, 1.75, 1.0, 0.0], [2, 1]),  # ¾ was
        ([9.0, 5.0, 0.25, 0.0], [9.0, 1.76, 1.0, 0.0], [2, 2]),
        ([0.5, 0.4, 0.3, 0.0], [9.0, 1.6, 1.0, 0.0], [1, 1]),  # one value is kept at least
        ([9.0, 8.0, 7.0, 6.0], [9.0, 5.0, 1.0, 0.0], [3, 3]),  # and what there is at most; it is short of 5 then
    ],
)
def test_a_bond_may_spend_what_those_before_it_left_over(first, second, kept):
    assert choices(first, second) == kept


def test_the_worst_of_a_stack_decides_each_bond():
    fmt = tn.MPO((3, 2, 3), (1, 2, 1), (3, 3))
    tails = {b: np.asarray([[9.0, 5.0, 1.0, 0.0]] * 2) for b in ("d1", "d2")}
    choose = Target.of("truncate", fmt, eps=1.0)._by_error(
        {b: list(t[0]) for b, t in tails.items()}, tails, 2.0, np.ones(2)
    )
    assert choose("d1", np.asarray([[9.0, 0.5, 0.1, 0.0], [9.0, 5.0, 1.0, 0.0]])) == 2
    assert choose("d2", np.asarray([[9.0, 1.8, 1.5, 0.0], [9.0, 1.0, 0.5, 0.0]])) == 1  # 0.9 and 0 were left over


# ---- what rounding may cost -----------------------------------------------------------------------------------------


def line(*bonds):
    return chain((2,) * (len(bonds) + 1), bonds)


@pytest.mark.parametrize(
    ("bonds", "dtype", "noise"),
    [
        ((2,), "float64", 2 * (2 + 8) * EPS["float64"]),
        ((2, 2), "float64", 3 * (2 + 8) * EPS["float64"]),
        ((64,), "float64", 2 * (2 + 8) * EPS["float64"]),  # up to there products round no worse than QR
        ((256, 4), "float64", 3 * (2 + 8 * 2) * EPS["float64"]),  # √256 / 8, of the largest bond
        ((576,), "float64", 2 * (2 + 8 * 3) * EPS["float64"]),
        ((2,), "float32", 2 * (2 * EPS["float32"] + 8 * EPS["float64"])),  # computed in float64
        ((), "float64", (2 + 8) * EPS["float64"]),
    ],
)
def test_allowances_of_rounding(bonds, dtype, noise):
    """Of each factor 2 eps for keeping it and 8 eps for computing it: some four and two times the most that was ever seen
    (3,000 random tensors), since a certificate must not be wrong."""
    network = line(*bonds)
    precision, wide = Precision.of(network, [np.ones(s, dtype=dtype) for s in network.shapes])
    assert precision.noise == pytest.approx(noise, rel=1e-12)
    assert precision.squares is (dtype == "float32")
    assert {a.dtype for a in wide} == {np.dtype("float64")}
    assert precision.dtype == dtype


def test_where_nothing_is_cut_the_bound_is_the_rounding_alone():
    w = np.random.default_rng(0).standard_normal((6, 4))
    for dtype, noise in (("float64", 20 * EPS["float64"]), ("float32", 4 * EPS["float32"] + 16 * EPS["float64"])):
        made = tn.approximate(tn.LowRank(6, 4), w.astype(dtype), max_bond=4)
        assert float(made.bound) == pytest.approx(noise, rel=1e-6)


def test_eps_must_be_twice_the_rounding():
    """20 eps of float64 are 4.4e-15."""
    w = np.random.default_rng(0).standard_normal((6, 4))
    with pytest.raises(tn.TensorNetError) as caught:
        tn.approximate(tn.LowRank(6, 4), w, eps=8.8e-15)
    assert str(caught.value) == (
        "approximate: eps=8.8e-15, needed more than 8.9e-15, because rounding alone may cost 4.4e-15 in float64; allow "
        "more, or bring a wider dtype"
    )
    assert tn.approximate(tn.LowRank(6, 4), w, eps=8.9e-15).format.rank == 4
    with pytest.raises(tn.TensorNetError):  # met with equality
        tn.approximate(tn.LowRank(6, 4), w, eps=40 * EPS["float64"])


# ---- fitted networks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_the_lowest_cap_is_found_wherever_it_is(rank):
    """Of a weight of that rank, among formats of that rank and more: the bisection may begin at either end."""
    cp = tn.CP((6,), (5,), rank, (4,))
    w = cp.contract(cp.sample(np.random.default_rng(rank).standard_normal))
    for most in {rank, 4}:
        assert tn.approximate(cp.resized({"r": most}), w, eps=1e-3).format.rank == rank


def test_a_fitted_budget_is_used_up():
    cp = tn.CP((6,), (5,), 4, (4,))  # 15 parameters for each rank
    w = np.random.default_rng(0).standard_normal(cp.shape)
    for budget, rank in ((61, 4), (60, 4), (59, 3), (45, 3), (44, 2), (15, 1)):
        assert tn.approximate(cp, w, num_params=budget).format.rank == rank


# ---- spectra and suggestions ----------------------------------------------------------------------------------------


def test_entropy_by_hand():
    values = np.sqrt([0.5, 0.25, 0.25])
    for scale in (1.0, 1e-3):
        fmt = tn.LowRank(4, 3)
        found = tn.entropy(fmt, fmt.decompose(scale * np.eye(4, 3) * values))["d"]
        assert float(found) == pytest.approx(1.5 * math.log(2), rel=1e-12)


def test_a_bond_that_is_larger_than_what_the_weight_has_is_filled_with_zeros():
    fmt = tn.Padded(tn.LowRank(8, 8, 8), (8, 3))
    w = np.eye(8, 3) * [3.0, 2.0, 1.0]
    np.testing.assert_allclose(tn.spectra(fmt, fmt.decompose(w))["d"], [3, 2, 1, 0, 0, 0, 0, 0], atol=1e-14)


@pytest.mark.parametrize(
    "options", [{}, {"relative": True}, {"importance": {"b": 9.0}}, {"importance": {"a": 0.0}}], ids=str
)
@pytest.mark.parametrize("budget", [21, 28, 35, 42])
def test_the_error_of_the_whole_by_hand(options, budget):
    """√(Σ c ε² / Σ c ‖W‖²), with c the importance, over ‖W‖² where errors are relative; of a stack, sums of its members."""
    values = {"a": np.asarray([[4.0, 2.0, 1.0], [3.0, 1.0, 0.0]]), "b": np.asarray([[2.0, 2.0, 2.0]])}
    weights = {n: np.eye(4, 3) * v[:, None, :] for n, v in values.items()}
    found = tn.suggest(dict.fromkeys("ab", tn.LowRank(4, 3)), weights, num_params=budget, **options)
    assert found.num_params <= budget
    lost = whole = 0.0
    for n, v in values.items():
        counts = options.get("importance", {}).get(n, 1.0) / ((v**2).sum() if "relative" in options else 1.0)
        lost += counts * (v[:, found.formats[n].rank :] ** 2).sum()
        whole += counts * (v**2).sum()
    assert found.error == pytest.approx(math.sqrt(lost / whole), abs=1e-14)


def test_weights_of_zero_are_no_error():
    fmt = tn.LowRank(4, 3)
    found = tn.suggest({"a": fmt}, {"a": np.zeros((4, 3))}, num_params=7)
    assert (found.error, found.formats["a"].rank) == (0.0, 1)
