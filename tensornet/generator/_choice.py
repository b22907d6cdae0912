"""From names and shapes of student and teacher to a generator for each weight."""

from collections.abc import Collection, Mapping

from .._errors import TensorNetError, some
from ._generator import Generator, Shape
from ._groups import Pairs, groups, in_layers
from ._heads import head_widths
from ._plan import Generators


def generators(
    student: Mapping[str, Shape],
    teacher: Mapping[str, Shape],
    *,
    pairs: Pairs | None = None,
    tables: Collection[str] = (),
    heads: tuple[int, int] | None = None,
    dense: Mapping[str, str] | None = None,
    transposed: Collection[str] = (),
) -> Generators:
    """A generator for each weight of a student, from names and shapes alone; matrices as (out, in).

    Where a group is one weight of the student's shape, its form is the elementwise one, S = W ⊙ tanh(T) + B; else axes have
    maps: in numbered layers all of them, as published, elsewhere those whose sizes differ (of a classifier's rows or a table's
    words there is nothing to mix).

    pairs   from which weights of the teacher, where names do not say it: see `groups`; None for a weight trains it densely
    tables  names of the weights whose rows are words, positions and the like, as in an embedding
    heads   number of attention heads in teacher and student, where they differ: a student from its teacher then has whole heads
    dense   weights left out beforehand, with the reason, for the table
    raises: TensorNetError for a weight without a like in the teacher, a teacher of fewer layers, shapes that cannot be paired,
        other words, heads that do not divide the width
    """
    found = groups(list(student), list(teacher), pairs)
    left = {n: "pairs say so" for n, sources in found.items() if not sources}
    if len(left) == len(found):
        raise TensorNetError(
            f"generators: none of {some(list(student))} is generated, needed one at least, because there is nothing to train "
            f"otherwise; pair one with weights of the teacher"
        )
    widths = head_widths(heads, teacher, student, tables)

    def made(name: str, sources: tuple[str, ...]) -> Generator:
        shape, theirs = tuple(student[name]), {tuple(teacher[s]) for s in sources}
        _check(name, shape, sources, theirs, name in tables)
        (other,) = theirs
        if len(sources) == 1 and other == shape:
            return Generator(sources, other, shape, (), widths, name in tables)
        free = in_layers(name, list(student), list(teacher)) and name not in tables
        mapped = tuple(k for k in range(len(shape)) if (free and k < 2) or other[k] != shape[k])
        return Generator(sources, other, shape, mapped, widths, name in tables)

    chosen = {n: made(n, sources) for n, sources in found.items() if sources}
    return Generators(chosen, {**(dense or {}), **left}, frozenset(transposed) & frozenset(chosen))


def _check(name: str, shape: Shape, sources: tuple[str, ...], theirs: set[Shape], table: bool) -> None:
    if len(theirs) > 1 or any(len(other) != len(shape) for other in theirs):
        raise TensorNetError(
            f"generators: {name} {shape} and {some(list(sources))} of {sorted(theirs)} cannot be paired, needed weights of one "
            f"shape and of as many axes, because they are mixed and axis goes to axis; pass pairs={{{name!r}: …}}"
        )
    rows = next(iter(theirs))[0]
    if table and rows != shape[0]:
        raise TensorNetError(
            f"generators: {name} has {shape[0]} rows and the teacher's {some(list(sources))} {rows}, needed as many, because "
            f"row goes to row: another vocabulary is other words; use one tokenizer for both, or train it densely with "
            f"pairs={{{name!r}: None}}"
        )
