"""Pairing: which teacher weight belongs to which student weight."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import TensorNetError

_NUMBER = re.compile(r"(?<![^.\[_/])\d+(?![^.\]_/])")  # a whole path component that is a number


def pair_names(
    student: Sequence[str], teacher: Sequence[str], pairs: Any, planned: Sequence[str] = ()
) -> dict[str, str]:
    """Student weight → teacher weight, for the planned student weights that have one.

    student, teacher: names of all their weights, by which layers are counted
    pairs: "uniform", a dict, or a function name → name | None
    planned: the student weights to pair; all by default
    raises: TensorNetError if a name does not exist, nothing is paired, or layers do not map
    """
    planned = planned or student
    if isinstance(pairs, Mapping):
        unknown = [n for n in pairs if n not in planned]
        if unknown:
            raise _missing(unknown[0], "planned weight of the student", planned)
        found = {s: t for s, t in pairs.items() if t is not None}
    elif callable(pairs):
        found = {s: t for s in planned if (t := pairs(s)) is not None}
    elif pairs == "uniform":
        found = {name: _uniform(name, student, teacher) for name in planned}
    else:
        raise TensorNetError(
            f"Alignment: pairs={pairs!r} is of no known kind; needed 'uniform', a dict from student to teacher weight, or "
            f"a function name → name | None"
        )
    for name in found.values():
        if name not in teacher:
            raise _missing(name, "weight of the teacher", teacher)
    if not found:
        raise TensorNetError(
            "Alignment: nothing is paired, so that there is nothing to align; pair one weight or drop alignment="
        )
    return found


def layers_taken(layers: int, total: int) -> slice:
    """Which of a teacher's `total` stacked layers a stack of `layers` is aligned with: (i + 1)·N/n − 1 for i = 0 … n − 1."""
    return slice(total // layers - 1, None, total // layers)


def _uniform(name: str, student: Sequence[str], teacher: Sequence[str]) -> str:
    """Layer i of n ↔ layer (i + 1)·N/n − 1 of N, among weights whose names differ in their numbers only.

    The layer number is the one of which the two models have different counts; where all counts agree, the name itself is
    the teacher's.
    """
    ours, theirs = _alike(name, student), _alike(name, teacher)
    if not theirs:
        raise TensorNetError(
            f"Alignment: the teacher has no weight like {name}; 'uniform' pairs weights whose names differ in the "
            f"layer number only; pass pairs as a dict, or as a function that returns None for this one"
        )
    counted = [
        (sorted(set(a)), sorted(set(b)))
        for a, b in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    ]
    deeper = [place for place, (a, b) in enumerate(counted) if len(a) != len(b)]
    if not deeper:
        return name
    if len(deeper) > 1:
        raise TensorNetError(
            f"Alignment: student and teacher differ in {len(deeper)} of the numbers in {name}, so that it is not clear which "
            f"of them is the layer; pass pairs as a dict, or as a function"
        )
    layers, total = counted[deeper[0]]
    if len(total) % len(layers):
        raise TensorNetError(
            f"Alignment: {len(layers)} student layers like {name} and {len(total)} of the teacher's; 'uniform' needs a "
            f"multiple, because it takes every (N/n)-th; pass pairs as a dict"
        )
    hits = list(_NUMBER.finditer(name))
    hit = hits[deeper[0]]
    partner = total[(layers.index(int(hit.group())) + 1) * len(total) // len(layers) - 1]
    return f"{name[: hit.start()]}{partner}{name[hit.end() :]}"


def _alike(name: str, names: Sequence[str]) -> list[tuple[int, ...]]:
    """The numbers in each of `names` that equals `name` up to its numbers."""
    return [tuple(int(n) for n in _NUMBER.findall(other)) for other in names if kind_of(other) == kind_of(name)]


def kind_of(name: str) -> str:
    """The name without its numbers, which weights of different layers share."""
    return _NUMBER.sub("#", name)


def _missing(name: str, kind: str, names: Sequence[str]) -> TensorNetError:
    return TensorNetError(
        f"Alignment: {name!r} is no {kind}; pairs must name weights that exist; they are {', '.join(names)}"
    )
