"""Tables of cost, looked at once and held to the letter; and which ways round are priced at all.

By hand for LowRank(64, 64, 4) and 8 rows: through the factors 2·8·64·4 + 2·8·4·64 = 8,192 operations and
4·(8·64 + 64·4 + 8·4 + 8·4 + 4·64 + 8·64) = 6,400 bytes; through W 2·64·4·64 + 2·8·64·64 = 98,304 operations.
"""

from itertools import combinations

import pytest

import tensornet as tn
from tensornet.cost import Cost, choose, cost, preparation
from tensornet.cost._cost import Work

PAIR = tn.LowRank(64, 64, 4)
LONG = tn.MPO((2,) * 8, (2,) * 8, (3,) * 7)

TRAINED = """\
LowRank.apply at a batch of 8, with gradients
way          GFLOP  backward  MB moved  backward  peak MB  time
factored  8.19e-06  1.64e-05    0.0064    0.0128   0.0125  1.00
dense     9.83e-05  0.000197    0.0389    0.0778   0.0451  1.20
taken: factored, the quickest, 1.20 × as quick as dense, the next"""

LIMITED = """\
LowRank.apply at a batch of 8, without gradients, factors 0, 1 constant over 5 calls
way          GFLOP  backward  MB moved  backward  peak MB  time
dense     6.55e-05         0    0.0205         0   0.0205  1.00  does not fit, + 3.28e-05 GFLOP once
factored  8.19e-06         0    0.0064         0  0.00627  1.36
taken: factored, the only one that fits 0.02 MB"""

PREPARED = """\
LowRank.apply at a batch of 8, without gradients, factors 0, 1 constant over 1000 calls
way          GFLOP  backward  MB moved  backward  peak MB  time
dense     6.55e-05         0    0.0205         0   0.0328  1.00  + 0.000262 GFLOP once
factored  6.55e-05         0    0.0225         0   0.0215  1.79
taken: dense, the quickest that fits 0.04 MB, 1.79 × as quick as factored, the next"""

NOTHING = """\
MPO.apply at a batch of 8, with gradients
way          GFLOP  backward  MB moved  backward  peak MB  time
dense     1.27e-05  2.53e-05   0.00768    0.0154  0.00902  1.00  does not fit
factored  2.07e-05  4.15e-05      0.02    0.0392   0.0194  1.16  does not fit
taken: none, nothing fits 1e-06 MB"""


@pytest.mark.parametrize(
    ("fmt", "options", "text"),
    [
        (PAIR, {}, TRAINED),
        (PAIR, {"constant": (0, 1), "calls": 5, "memory": 20_000, "gradients": False}, LIMITED),
        (tn.LowRank(64, 64, 32), {"constant": (1, 0), "calls": 1000, "memory": 40_000, "gradients": False}, PREPARED),
        (tn.MPO((4, 1, 1, 3), (3, 1, 1, 4)), {"memory": 1}, NOTHING),
    ],
    ids=["trained", "limited", "prepared", "nothing fits"],
)
def test_the_whole_table(fmt, options, text):
    assert str(fmt.explain(8, **options)) == text


def test_what_must_fit_is_the_call_and_what_is_prepared_for_it():
    """To the byte: a limit that is met with equality is kept."""
    choice = tn.LowRank(16, 16, 16).explain(1, constant=(0, 1), calls=10**6, gradients=False)
    dense = next(c for c in choice.candidates if c.name == "dense")
    assert choice.needs(dense) == dense.once.peak == 4 * 3 * 16 * 16
    for memory, name in ((dense.once.peak, "dense"), (dense.once.peak - 1, "factored")):
        limited = tn.LowRank(16, 16, 16).explain(1, constant=(0, 1), calls=10**6, gradients=False, memory=memory)
        assert limited.chosen.name == name


def test_what_lies_beside_the_operands_must_fit_too():
    """Of a padded matrix x and y exist twice: as they are, and with their padding."""
    inner = tn.LowRank(8, 8, 2)
    cut = tn.Padded(inner, (7, 5))
    for lead, itemsize in ((1, 4), (3, 8)):
        options = {"gradients": False, "lead": lead, "itemsize": itemsize}
        whole, corner = inner.explain(6, **options), cut.explain(6, **options)
        assert corner.beside == lead * itemsize * 6 * (7 + 5)
        assert whole.beside == 0
        needs = [c.needs(c.candidates[0]) for c in (whole, corner)]
        assert needs[1] - needs[0] == corner.beside


# ---- what is counted, by hand ---------------------------------------------------------------------------------------


def way(fmt, name, batch=5, **options):
    return next(c for c in choose(fmt.network, batch, **options).candidates if c.name == name)


def test_a_stack_multiplies_everything():
    pair = tn.LowRank(6, 4, 3)
    one, three = (way(pair, "factored", lead=n).cost for n in (1, 3))
    assert three == Cost(*(3 * n for n in vars(one).values()))


def test_no_gradients_cost_nothing():
    found = way(tn.LowRank(6, 4, 3), "factored", gradients=False).cost
    assert (found.backward_flops, found.backward_moved, found.kept) == (0, 0, 0)
    # the operands, and the intermediate or both results; the intermediate is alive while y is made
    assert found.peak == 4 * (6 * 3 + 3 * 4 + 5 * 4 + 5 * 3 + 5 * 6)


def test_preparing_by_hand():
    """U V once: 2·6·3·4 operations, three matrices read or written, and all three alive."""
    path = way(tn.LowRank(6, 4, 3), "dense").path
    assert preparation(path, (0, 1)) == Cost(144, 0, 4 * (18 + 12 + 24), 0, 0, 4 * (18 + 12 + 24))
    assert preparation(path, (0, 1), itemsize=8, lead=2) == Cost(288, 0, 16 * 54, 0, 0, 16 * 54)
    assert preparation(path, (0,)) == Cost(0, 0, 0, 0, 0, 4 * 18)
    assert preparation(path, ()) == Cost(0, 0, 0, 0, 0, 0)


def test_constant_factors_are_not_pulled_back_to():
    """With V constant y = (x Vᵀ) Uᵀ goes back to U and x: three products of four; what V alone needed is not kept."""
    free, held = (way(tn.LowRank(6, 4, 3), "factored", constant=c).cost for c in ((), (1,)))
    assert free.backward_flops == 2 * (2 * 5 * 3 * 6) + 2 * (2 * 5 * 4 * 3)
    assert held.backward_flops == 2 * (2 * 5 * 3 * 6) + 2 * 5 * 4 * 3
    assert held.flops == free.flops
    assert held.kept == free.kept == 4 * 5 * 3


def test_an_operand_alone_is_copied():
    """No product at all: the result and, with gradients, its gradient and the operand's are all that comes on top."""
    path = tn.Path.of_matrix(tn.Network((("i", "j"),), ("i",), ("j",), (("i", 4), ("j", 5))))
    assert cost(path, gradients=False) == Cost(0, 0, 4 * 2 * 20, 0, 0, 4 * 2 * 20)
    assert cost(path) == Cost(0, 0, 4 * 2 * 20, 4 * 2 * 20, 0, 4 * 4 * 20)


def test_an_operand_out_of_order_is_copied_once():
    path = tn.Path.of_matrix(tn.Network((("j", "i"),), ("i",), ("j",), (("i", 4), ("j", 5))))
    assert cost(path, gradients=False) == Cost(0, 0, 4 * 2 * 20, 0, 0, 4 * 2 * 20)
    assert cost(path).backward_moved == 4 * 2 * 20


def test_work_is_divided_by_what_varies():
    path = way(tn.LowRank(6, 4, 3), "dense").path  # U V, then x
    assert Work.of(path, (0, 1)).varies == (False, False, True, False, True)
    assert [p.flops for p in Work.of(path, (0, 1)).forward()] == [2 * 5 * 4 * 6]
    assert [p.flops for p in Work.of(path, (0, 1)).forward(once=True)] == [144]
    assert len(list(Work.of(path, (0, 1)).backward())) == 1
    assert len(list(Work.of(path).backward())) == 4


# ---- which ways are priced ------------------------------------------------------------------------------------------


def names(fmt, batch=4, **options):
    return {c.name for c in choose(fmt.network, batch, **options).candidates}


def test_one_factor_has_one_way():
    one = tn.MPO((4,), (5,))
    assert names(one) == {"dense"}
    assert str(one.explain(3)).splitlines()[-1] == "taken: dense, the only one"


def test_from_eight_factors_on_two_sweeps_stand_for_all_orders():
    """3⁸ splits of subsets take too long; seven factors and x are searched through."""
    assert names(LONG) == {"dense", "left to right", "right to left"}
    assert names(tn.MPO((2,) * 7, (2,) * 7, (3,) * 6)) <= {"dense", "factored", "slim"}
    assert "factored" in names(tn.MPO((2,) * 7, (2,) * 7, (3,) * 6))


def test_the_sweeps_are_what_they_are_called():
    found = {c.name: c.order for c in LONG.explain(4).candidates}
    assert found["left to right"] == tuple((0, live) for live in range(8, 0, -1))
    assert found["right to left"] == tuple((live - 1, live) for live in range(8, 0, -1))


def orders(n):
    """All pairwise orders of n operands, in opt_einsum's convention."""
    if n == 1:
        return [()]
    return [(pair, *rest) for pair in combinations(range(n), 2) for rest in orders(n - 1)]


def parts(path):
    """Of each step the operands that are in its result."""
    held = [frozenset({k}) for k in range(len(path.shapes))]
    for step in path.steps:
        held.append(held[step.left] | held[step.right])
    return held[len(path.shapes) :]


def price(path, machine, constant, calls):
    """The products alone, in seconds of a call; what is made of constants is shared by the calls."""
    seconds = [machine.product_seconds(p.batch, p.rows, p.summed, p.cols) for p in (s.forward for s in path.steps)]
    return sum(s / (calls if part <= set(constant) else 1) for s, part in zip(seconds, parts(path), strict=True))


def largest(path):
    return max(step.forward.size for step in path.steps)


@pytest.mark.parametrize(
    ("fmt", "batch", "constant", "calls"),
    [
        (tn.MPO((3, 16, 4, 8), (2, 16, 16, 2), (2, 3, 3)), 50, (), 1),  # three ways, all different
        (tn.MPO((4, 4, 2), (4, 8, 16), (2, 3)), 50, (), 1),
        (tn.MPO((8, 8, 8), (8, 8, 8), (8, 64)), 2, (1, 2), 10_000),
        (tn.MPO((8, 8, 8), (8, 8, 8), (8, 64)), 2, (1, 2), 1),
        (tn.CP((4, 3), (3, 2), 5), 7, (0, 3), 20),  # an index that four factors hold
        (tn.TensorRing((2, 3, 2), (3, 2, 2), 2, (3, 3)), 9, (2,), 3),
        (tn.LowRank(6, 4, 3), 5, (), 1),
    ],
    ids=str,
)
def test_of_all_orders_that_never_form_w_the_quickest_and_the_slimmest_are_priced(fmt, batch, constant, calls):
    machine, n = tn.Machine(), len(fmt.shapes)
    found = {c.name: c.path for c in choose(fmt.network, batch, constant=constant, calls=calls).candidates}
    paths = [tn.Path.of_product(fmt.network, batch, order) for order in orders(n + 1)]
    paths = [p for p in paths if frozenset(range(n)) not in parts(p)]
    assert frozenset(range(n)) in parts(found["dense"])
    quickest = min(price(p, machine, constant, calls) for p in paths)
    assert price(found["factored"], machine, constant, calls) == pytest.approx(quickest, rel=1e-12)
    assert largest(found.get("slim", found["factored"])) == min(map(largest, paths))


def test_three_ways_that_all_differ():
    fmt = tn.MPO((3, 16, 4, 8), (2, 16, 16, 2), (2, 3, 3))
    assert [c.name for c in fmt.explain(50).candidates] == ["factored", "slim", "dense"]
