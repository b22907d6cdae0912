"""Layers of unequal width: MPOs whose auxiliary factors have equal shapes, so that the central ones take the difference.

    student (3072, 768)    rows (32, 1, 3, 1, 32)  cols (16, 1, 3, 1, 16)    bonds 512 throughout
    teacher (4096, 1024)   rows (32, 1, 4, 1, 32)  cols (16, 1, 4, 1, 16)    bonds 512 throughout

The outer modes are common divisors of the two shapes. Both MPOs are exact where no bond is bounded from the centre's side: with
m the rows·cols of a factor,  m_first ≤ m_centre · m_last  and  m_last ≤ m_centre · m_first,  for the narrower centre.
"""

import math
from itertools import product
from typing import Any

from .._errors import TensorNetError
from .._format import Format
from .._splits import divisor_pairs
from ..formats import MPO
from ..formats._sizing import check_matrix

Pair = tuple[int, int]


def joint_formats(student: Pair, teacher: Pair, *, cores: int = 5) -> tuple[MPO, MPO]:
    """Exact MPOs of two shapes (out, in), whose factors have equal shapes but for the central one.

    The outer factors are as large as common divisors allow, and then as even. Of equal shapes both are `MPO.for_shape`.

    raises: TensorNetError for shapes without common divisors to build outer factors from

    >>> joint_formats((384, 384), (768, 768), cores=3)[1]
    MPO(rows=(24, 2, 16), cols=(16, 2, 24), bonds=(384, 384))
    """
    who = "joint_formats"
    check_matrix(who, student)
    check_matrix(who, teacher)
    if tuple(student) == tuple(teacher):
        same: Any = MPO.for_shape(student, cores=cores)
        return same, same
    if type(cores) is not int or cores < 3:
        raise TensorNetError(
            f"{who}: cores={cores!r}, needed an integer of at least 3, because the widths meet in a central factor between two "
            f"outer ones; pass cores=3 or more"
        )
    common = [math.gcd(a, b) for a, b in zip(student, teacher, strict=True)]
    outer = sorted(
        product(*([a for a, _ in divisor_pairs(n)] for n in common)), key=lambda size: (-math.prod(size), size)
    )
    for rows, cols in outer:
        centre = min(r * c // (rows * cols) for r, c in (student, teacher))
        splits = [s for s in product(divisor_pairs(rows), divisor_pairs(cols)) if _is_exact(*s, centre)]
        if splits:
            first, last = zip(*min(splits, key=_unevenness), strict=True)
            return _mpo(student, first, last, cores), _mpo(teacher, first, last, cores)
    raise TensorNetError(
        f"{who}: {tuple(student)} and {tuple(teacher)} have the common divisors {common} of rows and columns, needed such as "
        f"give two outer factors above 1, because these must have equal shapes; leave this pair out"
    )


def teacher_format(fmt: Format, shape: tuple[int, ...]) -> Format:
    """The format of a teacher's weight of `shape` for a student's format: the same but for the central factor.

    raises: TensorNetError if there is none, or it would cut off some of the teacher where the student's cuts off nothing
    """
    who, shape = "teacher_format", tuple(shape)
    if shape == fmt.shape:
        return fmt
    if not isinstance(fmt, MPO) or len(shape) != 2:
        raise TensorNetError(
            f"{who}: got {fmt} and a teacher of shape {shape}, needed an MPO and a matrix, because the central factor of an "
            f"MPO alone has rows and columns that can take the difference; choose an MPO, or equal shapes"
        )
    rows, cols = (_recentred(fmt.central, sizes, n) for sizes, n in zip((fmt.rows, fmt.cols), shape, strict=True))
    made = _or_none(rows, cols, fmt.bonds) if rows and cols else None
    if made is None or fmt.exact > made.exact:
        raise TensorNetError(
            f"{who}: a teacher of shape {shape} has no MPO with the auxiliary factors of rows {fmt.rows}, cols {fmt.cols} and "
            f"bonds {fmt.bonds} that holds all of it, because its shape must be divisible by theirs, and its bonds be theirs; "
            f"plan the student's with tensornet.planning.joint_formats"
        )
    return made


def _is_exact(rows: Pair, cols: Pair, centre: int) -> bool:
    """Whether outer factors of these modes have the same full bonds whatever lies between, from `centre` entries on."""
    first, last = (r * c for r, c in zip(rows, cols, strict=True))
    return min(first, last) > 1 and max(first, last) <= centre * min(first, last)


def _unevenness(split: tuple[Pair, Pair]) -> tuple[float, ...]:
    """First of the two factors, then of rows and of columns; the first factor has the larger rows."""
    (r, s), (c, d) = split
    return abs(math.log(r * c / (s * d))), abs(math.log(r / s)) + abs(math.log(c / d)), -r


def _mpo(shape: Pair, first: Pair, last: Pair, cores: int) -> MPO:
    before, after = (1,) * (cores // 2 - 1), (1,) * (cores - cores // 2 - 2)
    rows, cols = ((a, *before, n // (a * b), *after, b) for n, a, b in zip(shape, first, last, strict=True))
    return MPO(rows, cols)


def _recentred(central: int, sizes: tuple[int, ...], n: int) -> tuple[int, ...] | None:
    """`sizes` with another one at the centre, so that they multiply to n."""
    outer = math.prod([*sizes[:central], *sizes[central + 1 :]])
    return None if n % outer else (*sizes[:central], n // outer, *sizes[central + 1 :])


def _or_none(rows: tuple[int, ...], cols: tuple[int, ...], bonds: tuple[int, ...]) -> MPO | None:
    try:
        return MPO(rows, cols, bonds)
    except TensorNetError:  # these bonds are more than full for the teacher
        return None
