"""Pairing: which teacher weight belongs to which student weight."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._errors import TensorNetError

_NUMBER = re.compile(r"(?<![^.\[_/])\d+(?![^.\]_/])")  # a whole path component that is a number


def pair_names(student: Sequence[str], teacher: Sequence[str], pairs: Any) -> dict[str, str]:
    """Student weight → teacher weight, for the student weights that have one.

    pairs: "uniform", a dict, or a function name → name | None
    raises: TensorNetError if a name does not exist, nothing is paired, or layers do not map
    """
    if isinstance(pairs, Mapping):
        unknown = [n for n in pairs if n not in student]
        if unknown:
            raise _missing(unknown[0], "planned weight of the student", student)
        found = {s: t for s, t in pairs.items() if t is not None}
    elif callable(pairs):
        found = {s: t for s in student if (t := pairs(s)) is not None}
    elif pairs == "uniform":
        found = _uniform(student, teacher)
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


def _uniform(student: Sequence[str], teacher: Sequence[str]) -> dict[str, str]:
    """Layer i of n ↔ layer (i + 1)·N/n − 1 of N, within weights whose names differ in the layer number only."""
    ours, theirs = _layers(student), _layers(teacher)
    found = {}
    for name in student:
        template, layer = _split(name)
        if template not in theirs:
            raise TensorNetError(
                f"Alignment: the teacher has no weight like {name}; 'uniform' pairs weights whose names differ in the "
                f"layer number only; pass pairs as a dict, or as a function that returns None for this one"
            )
        if layer is None:
            found[name] = name
            continue
        n, total = len(ours[template]), len(theirs[template])
        if total % n:
            raise TensorNetError(
                f"Alignment: {n} student layers {template} and {total} of the teacher's; 'uniform' needs a multiple, "
                f"because it takes every (N/n)-th; pass pairs as a dict"
            )
        rank = ours[template].index(layer)
        found[name] = template.replace("{}", str(theirs[template][(rank + 1) * total // n - 1]), 1)
    return found


def _split(name: str) -> tuple[str, int | None]:
    """The name with its first layer number taken out, and that number."""
    hit = _NUMBER.search(name)
    return (name, None) if hit is None else (f"{name[: hit.start()]}{{}}{name[hit.end() :]}", int(hit.group()))


def _layers(names: Sequence[str]) -> dict[str, list[int]]:
    layers: dict[str, list[int]] = {}
    for name in names:
        template, layer = _split(name)
        layers.setdefault(template, [])
        if layer is not None:
            layers[template].append(layer)
    return {t: sorted(ls) for t, ls in layers.items()}


def _missing(name: str, kind: str, names: Sequence[str]) -> TensorNetError:
    return TensorNetError(
        f"Alignment: {name!r} is no {kind}; pairs must name weights that exist; they are {', '.join(names)}"
    )
