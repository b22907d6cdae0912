"""How an MPO may split rows and columns over its factors."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from .._splits import divisor_pairs, split_evenly, split_in_two
from ._padded import padded
from ._sizing import capped, sized

LAYOUTS = ("outer", "even")

Modes = tuple[tuple[int, ...], tuple[int, ...]]  # of rows and of cols


def for_shape(
    who: str,
    make: Callable[[tuple[int, ...], tuple[int, ...]], Format],
    shape: tuple[int, ...],
    *,
    cores: int,
    layout: str,
    pad: bool,
    **size: Any,
) -> Format:
    """What `make` gives of the rows and cols of a layout, within the rank, num_params or scale of `size`.

    A scale above 1 is aimed at: by the full bonds of those modes of the layout that come nearest to it.
    """
    _check(who, cores, layout)
    if pad:
        options = {"cores": cores, "layout": layout, "pad": False, **size}
        parts = cores if layout == "even" else 2
        return padded(shape, partial(for_shape, who, make), options, parts=parts)
    matrix, scale = (shape[0], shape[1]), size.get("scale")
    if scale is not None and 1 < scale < math.inf and all(v is None for k, v in size.items() if k != "scale"):
        wide = [make(*modes) for modes in _candidates(who, matrix, cores, layout)]
        return min(wide, key=lambda f: abs(math.log(f.scale / scale)))
    return sized(who, capped(make(*_modes(who, matrix, cores, layout))), **size)


def _check(who: str, cores: int, layout: str) -> None:
    if not isinstance(cores, int) or cores < 2:
        raise TensorNetError(
            f"{who}: cores={cores!r}, needed an integer of at least 2, the two outer factors; pass cores=2 or more"
        )
    if layout not in LAYOUTS:
        raise TensorNetError(
            f"{who}: unknown layout {layout!r}; there are {', '.join(LAYOUTS)}; choose one, or give rows and cols yourself"
        )


def _modes(who: str, shape: tuple[int, int], cores: int, layout: str) -> Modes:
    """Rows and cols of each factor."""
    if layout == "even":
        # the larger factors of rows meet the larger of cols at the ends, so that the bonds in the middle stay small
        rows, cols = (split_evenly(n, cores) for n in shape)
        return rows, cols
    (r1, r2), (c1, c2) = (split_in_two(who, a, n) for a, n in zip(("rows", "cols"), shape, strict=True))
    return _outer(r1, r2, cores), _outer(c1, c2, cores)


def _candidates(who: str, shape: tuple[int, int], cores: int, layout: str) -> list[Modes]:
    """The modes to choose from where a share of the dense parameters is aimed at."""
    first = _modes(who, shape, cores, layout)
    if layout == "even":
        return [first]
    rows, cols = ([_outer(a, b, cores) for a, b in divisor_pairs(n)] for n in shape)
    return [first, *((r, c) for r in rows for c in cols)]


def _outer(first: int, last: int, cores: int) -> tuple[int, ...]:
    return (first, *(1,) * (cores - 2), last)
