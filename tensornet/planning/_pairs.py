"""Pairing: which teacher weight belongs to which student weight."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._errors import TensorNetError
from ._layers import MAPS, LayerMap, is_layer_map, layer_map

NUMBER = re.compile(r"(?<![^.\[_/])\d+(?![^.\]_/])")  # a whole path component that is a number

Counted = list[tuple[list[int], list[int]]]  # the values in student and teacher of each number in the names of a kind


def pair_names(
    student: Sequence[str], teacher: Sequence[str], pairs: Any, planned: Sequence[str] = ()
) -> dict[str, str]:
    r"""Student weight → teacher weight, for the planned student weights that have one.

    student, teacher: names of all their weights, by which layers are counted
    pairs: "uniform", "skip", "last", "first" or a dict from layer to layer: see `layer_map`;
        a dict from name to name or, where the key is no name, from a regular expression for the whole name to what it is
        expanded to (r"\1"); None leaves out; or a function name → name | None
    planned: the student weights to pair; all by default
    raises: TensorNetError if a name does not exist, nothing is paired, or layers do not map
    """
    planned = planned or student
    if isinstance(pairs, Mapping) and not is_layer_map(pairs):
        found = _by_name(pairs, planned)
    elif callable(pairs):
        found = {name: pairs(name) for name in planned}
    elif is_layer_map(pairs) and (not isinstance(pairs, str) or pairs in MAPS):
        kinds = {name: kind_of(name) for name in planned}
        counted = counted_by_kind(kinds.values(), student, teacher)
        found = {name: _by_layer(name, counted.get(kind), pairs) for name, kind in kinds.items()}
    else:
        raise TensorNetError(
            f"Alignment: pairs={pairs!r} is of no known kind; needed {', '.join(map(repr, MAPS))}, a dict layer → layer, "
            f"name → name or expression → name, or a function name → name | None"
        )
    named = {name: other for name, other in found.items() if other is not None}
    known = set(teacher)
    for other in named.values():
        if other not in known:
            raise _missing(other, "weight of the teacher", teacher)
    if not named:
        raise TensorNetError(
            "Alignment: nothing is paired, so that there is nothing to align; pair one weight or drop alignment="
        )
    return named


def _by_name(pairs: Mapping[str, str | None], planned: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    claimed: dict[str, str] = {}
    known = set(planned)
    for key, other in pairs.items():
        hits = {key: other} if key in known else _expanded(key, other, planned)
        if not hits:
            raise _missing(key, "planned weight of the student, nor an expression that matches one", planned)
        for name in hits:
            if name in claimed:
                raise TensorNetError(
                    f"Alignment: {name} is paired by {claimed[name]!r} and by {key!r}; needed one, because which is meant "
                    f"cannot be guessed; make one expression narrower"
                )
            claimed[name] = key
        found |= hits
    return found


def _expanded(pattern: str, template: str | None, planned: Sequence[str]) -> dict[str, str | None]:
    """The names that the expression matches, and the names that it makes of them."""
    try:
        matches = {n: m for n in planned if (m := re.fullmatch(pattern, n))}
    except re.error:  # a name that does not exist, as "[0][kernel" may be
        return {}
    try:
        return {n: template if template is None else m.expand(template) for n, m in matches.items()}
    except (re.error, IndexError) as error:
        raise TensorNetError(
            f"Alignment: {template!r} cannot be expanded from {pattern!r} ({error}); needed \\1, \\2, … for its groups, "
            f"because the rest is the name itself; correct it"
        ) from error


def _by_layer(name: str, counted: Counted | None, how: LayerMap) -> str | None:
    """The partner in the layer that `how` says, among weights whose names differ in their numbers only.

    The layer number is the one of which the two models have different counts. Where all counts agree, rules take the name
    itself, and a dict needs a single number that varies.
    """
    if counted is None:
        raise TensorNetError(
            f"Alignment: the teacher has no weight like {name}; {how!r} pairs weights whose names differ in the "
            f"number of the layer only; pass pairs as a dict of names, or as a function that returns None for this one"
        )
    places = [place for place, (a, b) in enumerate(counted) if len(a) != len(b)]
    if not places and not isinstance(how, str):
        places = [place for place, (a, _) in enumerate(counted) if len(a) > 1]
    if not places:
        return name
    if len(places) > 1:
        raise TensorNetError(
            f"Alignment: {len(places)} of the numbers in {name} may be the layer, needed one, in which student and teacher "
            f"differ, because {how!r} maps layers; pass pairs as a dict of names, or as a function"
        )
    layers, total = counted[places[0]]
    hit = list(NUMBER.finditer(name))[places[0]]
    partner = layer_map(len(layers), len(total), how)[layers.index(int(hit.group()))]
    return None if partner is None else f"{name[: hit.start()]}{total[partner]}{name[hit.end() :]}"


def counted_by_kind(kinds: Iterable[str], student: Sequence[str], teacher: Sequence[str]) -> dict[str, Counted]:
    """Of each of `kinds` that the teacher has, the values of each number; every name is looked at once."""
    ours, theirs = numbers_by_kind(student), numbers_by_kind(teacher)
    found = {}
    for kind in {*kinds} & theirs.keys():
        values = zip(zip(*ours.get(kind, []), strict=True), zip(*theirs[kind], strict=True), strict=True)
        found[kind] = [(sorted(set(a)), sorted(set(b))) for a, b in values]
    return found


def numbers_by_kind(names: Sequence[str]) -> dict[str, list[tuple[int, ...]]]:
    """The numbers in each name of a kind."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for name in names:
        found.setdefault(kind_of(name), []).append(tuple(int(n) for n in NUMBER.findall(name)))
    return found


def kind_of(name: str) -> str:
    """The name without its numbers, which weights of different layers share."""
    return NUMBER.sub("#", name)


def _missing(name: str, kind: str, names: Sequence[str]) -> TensorNetError:
    return TensorNetError(
        f"Alignment: {name!r} is no {kind}; pairs must name weights that exist; they are {', '.join(names)}"
    )
