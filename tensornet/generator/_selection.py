"""Which units of the teacher a student starts from: one choice for every axis of one size.

    unit i of s  ←  unit ⌊i·t/s⌋ of t

Choosing by size alone, every weight that writes to the residual stream and every one that reads from it chooses alike, and
so do both sides of a feed-forward layer: a narrow student is a sub-network of its teacher, whatever its weights are called.
And choosing evenly, k blocks of t side by side choose as one does,

    ⌊(a·s + i)·kt/ks⌋ = a·t + ⌊i·t/s⌋,

so that a matrix that holds queries, keys and values at once, or an axis of heads at equal numbers of heads, is right as well.
"""


def selected(teacher: int, student: int, widths: tuple[int, int] = (1, 1)) -> tuple[int, ...]:
    """Of each of the student's units the teacher's; with more of them than the teacher has, some are taken several times.

    widths  of a head in teacher and student: whole heads are selected, and units within them, where both sizes are made of
            such; another number of heads needs that, because a unit of a query meets the same unit of the same head's key

    >>> selected(8, 4), selected(8, 4, (4, 4)), selected(4, 8)
    ((0, 2, 4, 6), (0, 1, 2, 3), (0, 0, 1, 1, 2, 2, 3, 3))
    """
    wide, narrow = widths
    if teacher % wide or student % narrow:
        wide = narrow = 1
    inside = _evenly(wide, narrow)
    return tuple(wide * head + unit for head in _evenly(teacher // wide, student // narrow) for unit in inside)


def _evenly(teacher: int, student: int) -> tuple[int, ...]:
    return tuple(i * teacher // student for i in range(student))
