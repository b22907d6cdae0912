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
    maps: in numbered layers all of them, as published, elsewhere those whose sizes differ. Words and classes are never mixed:
    the rows of a table, and rows of a size that no matrix reads, go to rows.

    pairs   from which weights of the teacher, where names do not say it: see `groups`; None for a weight trains it densely
    tables  names of the weights whose rows are words, positions and the like, as in an embedding
    heads   number of attention heads in teacher and student, where they differ: a student from its teacher then has whole heads
    dense   weights left out beforehand, with the reason, for the table; those that are in `student` count as layers
    raises: TensorNetError for a weight without a like in the teacher, a teacher of fewer layers, shapes that cannot be paired,
        other words or classes, heads that do not divide the width
    """
    found = groups(list(student), list(teacher), pairs, dense or ())
    left = {n: "pairs say so" for n, sources in found.items() if not sources}
    if len(left) == len(found):
        raise TensorNetError(
            f"generators: none of {some(list(student))} is generated, needed one at least, because there is nothing to train "
            f"otherwise; pair one with weights of the teacher"
        )
    numbered = in_layers(list(student), list(teacher))
    widths = head_widths(heads, teacher, student, tables)
    read = _read(student), _read(teacher)

    def made(name: str, sources: tuple[str, ...]) -> Generator:
        shape, theirs = tuple(student[name]), {tuple(teacher[s]) for s in sources}
        _check(name, shape, sources, theirs)
        (other,) = theirs
        units = name not in tables and _hidden(shape[0], other[0], *read)
        _check_rows(name, shape[0], sources, other[0], units)
        if len(sources) == 1 and other == shape:
            return Generator(sources, other, shape, (), widths, name in tables)
        free = numbered(name) and name not in tables
        mapped = tuple(k for k in range(len(shape)) if (free and k < 2 and (k or units)) or other[k] != shape[k])
        return Generator(sources, other, shape, mapped, widths, name in tables)

    chosen = {n: made(n, sources) for n, sources in found.items() if sources}
    return Generators(chosen, {**(dense or {}), **left}, frozenset(transposed) & frozenset(chosen))


def _read(shapes: Mapping[str, Shape]) -> set[int]:
    """The sizes of hidden units: those that some matrix reads, or a table writes, and, since layouts of kernels and of stacked
    layers differ, any of theirs. Classes and words are of none of them.
    """
    return {size for shape in shapes.values() for size in (shape[1:2] if len(shape) < 3 else shape)}


def _hidden(rows: int, theirs: int, read: set[int], read_theirs: set[int]) -> bool:
    """Whether rows are hidden units, or several blocks of them, as queries, keys and values in one matrix."""
    return any(rows % s == 0 and rows * t == theirs * s for s in read for t in read_theirs)


def _check(name: str, shape: Shape, sources: tuple[str, ...], theirs: set[Shape]) -> None:
    if len(theirs) > 1 or any(len(other) != len(shape) for other in theirs):
        raise TensorNetError(
            f"generators: {name} {shape} and {some(list(sources))} of {sorted(theirs)} cannot be paired, needed weights of one "
            f"shape and of as many axes, because they are mixed and axis goes to axis; pass pairs={{{name!r}: …}}"
        )


def _check_rows(name: str, rows: int, sources: tuple[str, ...], theirs: int, units: bool) -> None:
    if rows != theirs and not units:
        raise TensorNetError(
            f"generators: {name} has {rows} rows and the teacher's {some(list(sources))} {theirs}, needed as many, because "
            f"they are words, classes or the like, which no weight reads, and row goes to row; use one tokenizer and one set "
            f"of labels for both, or train it densely with pairs={{{name!r}: None}}"
        )
