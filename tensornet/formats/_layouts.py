"""How an MPO may split rows and columns over its factors."""

from .._errors import TensorNetError
from .._splits import divisor_pairs, split_evenly, split_in_two

LAYOUTS = ("outer", "even")

Modes = tuple[tuple[int, ...], tuple[int, ...]]  # of rows and of cols


def check(who: str, cores: int, layout: str) -> None:
    if not isinstance(cores, int) or cores < 2:
        raise TensorNetError(
            f"{who}: cores={cores!r}, needed an integer of at least 2, the two outer factors; pass cores=2 or more"
        )
    if layout not in LAYOUTS:
        raise TensorNetError(
            f"{who}: unknown layout {layout!r}; there are {', '.join(LAYOUTS)}; choose one, or give rows and cols yourself"
        )


def modes(who: str, shape: tuple[int, int], cores: int, layout: str) -> Modes:
    """Rows and cols of each factor."""
    if layout == "even":
        # the larger factors of rows meet the larger of cols at the ends, so that the bonds in the middle stay small
        rows, cols = (split_evenly(n, cores) for n in shape)
        return rows, cols
    (r1, r2), (c1, c2) = (split_in_two(who, a, n) for a, n in zip(("rows", "cols"), shape, strict=True))
    return _outer(r1, r2, cores), _outer(c1, c2, cores)


def candidates(who: str, shape: tuple[int, int], cores: int, layout: str) -> list[Modes]:
    """The modes to choose from where a share of the dense parameters is aimed at."""
    first = modes(who, shape, cores, layout)
    if layout == "even":
        return [first]
    rows, cols = ([_outer(a, b, cores) for a, b in divisor_pairs(n)] for n in shape)
    return [first, *((r, c) for r in rows for c in cols)]


def _outer(first: int, last: int, cores: int) -> tuple[int, ...]:
    return (first, *(1,) * (cores - 2), last)
