"""How large a format may become: a rank, a number of parameters, or a share of the dense ones."""

from collections.abc import Callable, Sequence
from math import inf, prod
from numbers import Integral, Real
from typing import Any, SupportsIndex, TypeVar

from .._errors import TensorNetError
from .._format import Format

F = TypeVar("F", bound=Format)


def sized(
    who: str, make: Callable[[int | None], F], *, rank: int | None, num_params: int | None, scale: float | None
) -> F:
    """The format that `make` gives for a rank, or the largest one within a budget.

    make        rank → format, its parameters not falling with the rank; None, and any rank above it, is the full rank
    rank        taken as it is
    num_params  at most so many parameters
    scale       at most this share of the dense parameters
    """
    rank = plain(rank)
    given = {k: v for k, v in (("rank", rank), ("num_params", num_params), ("scale", scale)) if v is not None}
    if len(given) > 1:
        raise TensorNetError(
            f"{who}: got {given}, needed one of rank, num_params and scale at most, because each of them fixes the size; "
            f"drop the others"
        )
    if rank is not None and not is_rank(rank):
        raise TensorNetError(
            f"{who}: rank={rank!r}, needed an integer of at least 1, because it is the size of an index; pass one, or None "
            f"for the full rank"
        )
    for name, value in (("num_params", num_params), ("scale", scale)):
        if value is not None and not (isinstance(value, Real) and 0 < value < inf):
            raise TensorNetError(
                f"{who}: {name}={value!r}, needed a positive number, because it is a budget; pass one, or None for the "
                f"full rank"
            )
    full = make(None)
    if num_params is None and scale is None:
        return full if rank is None else make(rank)
    return _largest(who, make, full, num_params if num_params is not None else scale * prod([*full.shape]), given)  # type: ignore[operator]


def capped(full: F) -> Callable[[int | None], F]:
    """Rank → `full` with no bond above it."""
    bonds = {b: full.network.size[b] for b in full.network.bonds}
    return lambda rank: full if rank is None else full.resized({b: min(rank, s) for b, s in bonds.items()})  # type: ignore[return-value]


def check_matrix(who: str, shape: tuple[int, ...]) -> None:
    """Refuse the shape of a vector or of a kernel where the format is of matrices."""
    if len(shape) != 2 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise TensorNetError(
            f"{who}: shape {shape}, needed (rows, cols), two positive integers, because this format is of a matrix; pass both"
        )


def check_kernel(who: str, shape: tuple[int, ...]) -> None:
    """Refuse the shape of a matrix where the format is of kernels."""
    if len(shape) < 3 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise TensorNetError(
            f"{who}: shape {shape}, needed (out, in, *kernel), positive integers, because this format is of a convolution's "
            f"kernel; pass all of them, or take a format of matrices"
        )


def is_rank(rank: Any, full: float = inf) -> bool:
    """Whether `rank` is an integer in 1…full: a larger one has directions that carry nothing."""
    return isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= full


def plain(number: Any) -> Any:
    """An integer of NumPy, as ranks are that were counted, as Python's; anything else as it is, for `is_rank` to judge."""
    return int(number) if isinstance(number, Integral) and not isinstance(number, bool) else number


def positive(who: str, field: str, sizes: Any, count: int | None = None) -> tuple[int, ...]:
    """`sizes` as a tuple of `count` positive integers, or of any number."""
    good = isinstance(sizes, Sequence) and all(isinstance(s, SupportsIndex) and int(s) > 0 for s in sizes)
    if not good or (count is not None and len(sizes) != count):
        needed = "a sequence of positive integers" if count is None else f"{count} positive integers"
        raise TensorNetError(
            f"{who}: {field}={sizes!r}, needed {needed}, because each is the size of an index; pass a tuple of them"
        )
    return tuple(int(s) for s in sizes)


def _largest(who: str, make: Callable[[int | None], F], full: F, budget: float, given: dict[str, float]) -> F:
    """By bisection: `low` fits the budget, `high` does not."""
    if full.num_params <= budget:
        return full
    least = make(1)
    if not least.num_params <= budget:
        raise TensorNetError(
            f"{who}: {given} allows {budget:.0f} parameters, needed at least the {least.num_params} of rank 1 "
            f"({least.scale:.2g} of the dense ones); raise the budget or take other modes"
        )
    low, high = 1, 2
    while make(high).num_params <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if make(middle).num_params <= budget else (low, middle)
    return make(low)
