"""The law of cost: what is promised of a call is what arrays without entries count when it runs."""

import math

from .._contract import contract, linearize
from .._path import Path
from ..cost import cost
from ._case import Case
from ._counting import Tally
from ._law import require


def cost_is_counted(case: Case) -> None:
    """Operations, bytes and peak memory of contract and apply, forward and backward, against the calls themselves."""
    network = case.fmt.network
    for path in (case.fmt.path, *(Path.of_product(network, batch) for batch in (1, 7, 1000))):
        for lead in ((), (3,)):
            check_cost(path, lead)


def check_cost(path: Path, lead: tuple[int, ...] = ()) -> None:
    """`cost` of a path behind `lead`, in elements, against the path run on arrays that count."""
    shapes, volume = [(*lead, *s) for s in path.full_shapes], math.prod(lead)
    plain, promised = Tally(), cost(path, itemsize=1, lead=volume, gradients=False)
    operands = plain.arrays(shapes)
    contract(path, operands)
    for what in ("flops", "moved", "peak"):
        _same(what, getattr(promised, what), getattr(plain, what))

    both, promised = Tally(), cost(path, itemsize=1, lead=volume)
    operands = both.arrays(shapes)
    result, pull = linearize(path, operands)
    pulled = pull(both.new(result.shape))
    require(len(pulled) == len(shapes), f"{len(pulled)} gradients", f"{len(shapes)}, one for each operand")
    _same("flops, both ways,", promised.flops + promised.backward_flops, both.flops)
    _same("moved, both ways,", promised.moved + promised.backward_moved, both.moved)
    # Automatic differentiation keeps the copies of operands too, which our own pullback makes anew.
    room = promised.kept
    require(
        promised.peak - room <= both.peak <= promised.peak,
        f"the peak with gradients is {promised.peak} elements",
        f"the {both.peak} of linearize and its pullback, or up to {room} more, which an autograd keeps",
    )


def _same(what: str, promised: int, counted: int) -> None:
    require(promised == counted, f"{what} of the cost is {promised}", f"the {counted} counted")
