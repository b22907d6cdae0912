"""Layer maps: which of a teacher's layers belongs to each of a student's."""

from collections.abc import Callable, Mapping
from typing import Any

from .._errors import TensorNetError

LayerMap = str | Mapping[int, int | None] | Callable[[int], int | None]

# i of n ↦ a layer of N, all counted from 0; for n ≤ N each takes every layer once at most, in order
MAPS: dict[str, Callable[[int, int, int], int]] = {
    "uniform": lambda i, n, N: (i + 1) * N // n - 1,
    "skip": lambda i, n, N: i * N // n,
    "last": lambda i, n, N: N - n + i,
    "first": lambda i, n, N: i,
}


def layer_map(student_layers: int, teacher_layers: int, how: LayerMap = "uniform") -> tuple[int | None, ...]:
    """For each student layer i of n its layer of the teacher's N, counted from 0; None for one that has none.

    "uniform"  ⌊(i + 1)·N/n⌋ − 1, the last of each of n groups: 1, 3, … 11 for 6 of 12, as OPDF's code (2i + 1) and TinyBERT
    "skip"     ⌊i·N/n⌋, the first of each group: 0, 2, … 10, one of two as DistilBERT's student starts
    "last"     N − n + i, TinyBERT's "top"
    "first"    i, TinyBERT's "bottom"
    a dict i → j | None (layers that it leaves out have none), or a function of i

    raises: TensorNetError for a teacher of fewer layers than the student, unless dict or function say who shares; for layers
        that do not exist
    ref: Jiao et al. 2020, arXiv 1909.10351; Sanh et al. 2019, arXiv 1910.01108

    >>> layer_map(4, 6), layer_map(4, 6, "skip"), layer_map(2, 6, "last"), layer_map(2, 6, {1: 5})
    ((0, 2, 3, 5), (0, 1, 3, 4), (4, 5), (None, 5))
    """
    n, total = student_layers, teacher_layers
    if not all(type(count) is int and count > 0 for count in (n, total)):
        raise TensorNetError(
            f"layer_map: {n!r} layers of the student and {total!r} of the teacher, needed two integers of at least 1, because "
            f"layers are counted; pass both"
        )
    if isinstance(how, str):
        return _by_rule(n, total, how)
    if not (isinstance(how, Mapping) or callable(how)):
        raise _unknown(how)
    found = tuple(how.get(i) if isinstance(how, Mapping) else how(i) for i in range(n))
    surplus = [i for i in how if i not in range(n)] if isinstance(how, Mapping) else []
    outside = [j for j in found if not (j is None or (type(j) is int and 0 <= j < total))]
    if surplus or outside:
        raise TensorNetError(
            f"layer_map: the student's layers {surplus} and the teacher's {outside} do not exist, needed 0 to {n - 1} and 0 to "
            f"{total - 1}, because layers are counted from 0; correct the map"
        )
    return found


def layers_taken(layers: int, total: int, pairs: Any = "uniform") -> tuple[int, ...]:
    """Which of a teacher's `total` stacked layers a stack of `layers` is aligned with; by names or a function: "uniform"."""
    found = layer_map(layers, total, pairs if is_layer_map(pairs) else "uniform")
    taken = tuple(j for j in found if j is not None)
    if len(taken) < layers:
        raise TensorNetError(
            f"Alignment: pairs leave out {[i for i, j in enumerate(found) if j is None]} of {layers} stacked layers, needed a "
            f"layer of the teacher for each, because a stack is aligned whole; map them all"
        )
    return taken


def is_layer_map(pairs: Any) -> bool:
    """Whether pairs say layer → layer, not name → name."""
    return isinstance(pairs, str) or (isinstance(pairs, Mapping) and bool(pairs) and all(type(k) is int for k in pairs))


def _by_rule(n: int, total: int, how: str) -> tuple[int, ...]:
    if how not in MAPS:
        raise _unknown(how)
    if total < n:
        raise TensorNetError(
            f"layer_map: {n} student layers and {total} of the teacher's, needed as many at least for {how!r}, because "
            f"layers that share a target would be pulled to be the same; say by a dict or a function "
            f"which layers have one"
        )
    return tuple(MAPS[how](i, n, total) for i in range(n))


def _unknown(how: Any) -> TensorNetError:
    return TensorNetError(
        f"layer_map: {how!r} is of no known kind; needed {', '.join(map(repr, MAPS))}, a dict layer → layer, or a function of "
        f"the layer; choose one"
    )
