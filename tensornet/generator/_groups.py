"""Groups: which weights of the teacher each weight of the student is generated from, by names alone."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from .._errors import TensorNetError, some
from ..planning._pairs import NUMBER, Counted, counted_by_kind, kind_of, numbers_by_kind

Sources = str | Sequence[str] | None
Pairs = Mapping[str, Sources] | Callable[[str], Sources]


def groups(
    student: Sequence[str], teacher: Sequence[str], pairs: Pairs | None, dense: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    r"""Student weight → the teacher's, in the order of its layers; () where `pairs` say None.

    By default student layer i of n takes the teacher's layers ⌊iN/n⌋ … ⌊(i + 1)N/n⌋ − 1 of N, so that each of them is in one
    group, whether n divides N or not. Layers are counted among weights whose names differ in their numbers only: an encoder
    and a decoder have each their own.

    dense  weights of the student that are not generated: they are counted, so that the others keep their layers
    pairs  a dict from a name, or a regular expression for the whole name, to a name, several, or None; in these \1 stands for
           a group of the expression; all others go by default. Or a function name → the same, of every weight
    raises: TensorNetError for names that do not exist, a weight that has no like in the teacher, fewer layers than the student
    """
    left_out, known = set(dense), set(teacher)
    planned = [name for name in student if name not in left_out]
    if pairs is None or isinstance(pairs, Mapping):
        given = dict(_given(pairs or {}, planned))
    elif callable(pairs):
        given = {name: _names(pairs(name)) for name in planned}
    else:
        raise TensorNetError(
            f"generators: pairs={pairs!r}, needed a dict from names or expressions to names of the teacher, or a function of a "
            f"name, because that is how weights are told apart; pass one, or leave it out to group layers by their numbers"
        )
    if absent := [other for others in given.values() for other in others if other not in known]:
        raise TensorNetError(
            f"generators: pairs name {some(absent)}, needed weights of the teacher, because a student's is generated from "
            f"them; they are {some(list(teacher))}"
        )
    kinds = {name: kind_of(name) for name in planned if name not in given}
    counted = counted_by_kind(kinds.values(), student, teacher)
    return {n: given[n] if n in given else _by_layer(n, counted.get(kinds[n], []), known) for n in planned}


def in_layers(student: Sequence[str], teacher: Sequence[str]) -> Callable[[str], bool]:
    """Whether either has several weights of the kind of a name."""
    both = numbers_by_kind(student), numbers_by_kind(teacher)
    many = {kind for found in both for kind, names in found.items() if len(names) > 1}
    return lambda name: kind_of(name) in many


def _by_layer(name: str, counts: Counted, teacher: Collection[str]) -> tuple[str, ...]:
    places = [place for place, (a, b) in enumerate(counts) if len(a) != len(b)]
    if not places and name in teacher:
        return (name,)
    if len(places) != 1:
        raise TensorNetError(
            f"generators: the teacher has no {name}, nor another number of layers of weights like it, needed either, because a "
            f"student's weight is generated from the teacher's whose names differ in the number of the layer alone; pass "
            f"pairs={{{name!r}: …}} with the teacher's names, or with None to train it densely"
        )
    layers, total = counts[places[0]]
    n, total_n, hit = len(layers), len(total), list(NUMBER.finditer(name))[places[0]]
    if total_n < n:
        raise TensorNetError(
            f"generators: {name} is of one of {n} layers, and the teacher has {total_n}, needed as many at least, because each "
            f"is generated from layers of its own; take a deeper teacher, or say by pairs= which layers share one"
        )
    i = layers.index(int(hit.group()))
    taken = total[i * total_n // n : (i + 1) * total_n // n]
    found = tuple(f"{name[: hit.start()]}{layer}{name[hit.end() :]}" for layer in taken)
    if absent := [other for other in found if other not in teacher]:
        raise TensorNetError(
            f"generators: {name} would be generated from {some(absent)}, which the teacher does not have, needed one in each "
            f"layer of the group; pass pairs={{{name!r}: …}} with those that it has"
        )
    return found


def _given(pairs: Mapping[str, Sources], student: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    claimed: dict[str, str] = {}
    known = set(student)
    for key, others in pairs.items():
        hits: dict[str, Any] = {key: None} if key in known else _matches(key, student)
        if not hits:
            raise TensorNetError(
                f"generators: pairs has {key!r}, needed a weight of the student or an expression that matches one, because "
                f"what is misspelt would be ignored; the weights are {some(list(student))}"
            )
        for name, match in hits.items():
            if name in claimed:
                raise TensorNetError(
                    f"generators: {name} is paired by {claimed[name]!r} and by {key!r}, needed one of them, because which is "
                    f"meant cannot be guessed; make one expression narrower"
                )
            claimed[name] = key
            yield name, tuple(match.expand(other) if match else other for other in _names(others))


def _matches(pattern: str, names: Sequence[str]) -> dict[str, Any]:
    try:
        return {n: m for n in names if (m := re.fullmatch(pattern, n))}
    except re.error:  # a name that does not exist, as "[0][kernel" may be
        return {}


def _names(sources: Sources) -> tuple[str, ...]:
    return (sources,) if isinstance(sources, str) else tuple(sources or ())
