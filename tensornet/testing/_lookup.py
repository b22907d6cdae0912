"""The law of lookup: rows of the matrix."""

import math
import random
from itertools import cycle
from typing import Any

from array_api_compat import device as device_of

from .._arrays import Array
from .._errors import TensorNetError
from ._case import Case
from ._law import require
from ._measure import norm


def lookup_is_rows(case: Case) -> None:
    """lookup(factors, ids) = contract(factors)[ids], for ids of any shape and integer dtype; others are refused."""
    fmt, xp = case.fmt, case.xp
    factors, rows = case.factors(), fmt.shape[0]
    w = fmt.contract(factors)
    draw, size = random.Random(case.seed), norm(w)
    for shape, dtype in zip(((), (5,), (2, 3), (0,)), cycle(_integers(case)), strict=False):
        numbers = [draw.choice((0, rows - 1, draw.randrange(rows))) for _ in range(math.prod(shape))]
        ids = xp.reshape(xp.asarray(numbers, dtype=dtype, device=case.device), shape)
        want = xp.reshape(xp.take(w, xp.reshape(ids, (-1,)), axis=0), (*shape, *fmt.shape[1:]))
        for check in (True, False):
            _same(case, fmt.lookup(factors, ids, check=check), want, 10 * case.tolerance * size)
    for outside in (-1, rows):
        _refused(case, factors, [0, outside])


def _integers(case: Case) -> list[Any]:
    known = case.xp.__array_namespace_info__().dtypes(kind="signed integer", device=case.device)
    return [known[name] for name in ("int32", "int64") if name in known]


def _same(case: Case, got: Array, want: Array, room: float) -> None:
    found, needed = ((tuple(x.shape), x.dtype, device_of(x)) for x in (got, want))
    require(found == needed, f"rows are {found}", f"{needed}")
    error = norm(got - want) if 0 not in got.shape else 0.0
    require(error <= room, f"rows are {error:.1e} from those of the matrix", f"at most {room:.0e}")


def _refused(case: Case, factors: tuple[Array, ...], numbers: list[int]) -> None:
    ids = case.xp.asarray(numbers, dtype=_integers(case)[0], device=case.device)
    try:
        case.fmt.lookup(factors, ids)
    except TensorNetError:
        return
    require(False, f"ids {numbers} of {case.fmt.shape[0]} rows were taken", "a TensorNetError that explains")
