"""The width of a head in teacher and student."""

from collections import Counter
from collections.abc import Collection, Mapping

from .._errors import TensorNetError

Shapes = Mapping[str, tuple[int, ...]]


def head_widths(
    heads: tuple[int, int] | None, teacher: Shapes, student: Shapes, tables: Collection[str]
) -> tuple[int, int]:
    """(1, 1) where `heads` are not given: right for equal numbers of heads, see `selected`."""
    if heads is None:
        return 1, 1
    model_widths = _width(teacher, ()), _width(student, tables)
    if len(heads) != 2 or any(type(n) is not int or n < 1 or d % n for n, d in zip(heads, model_widths, strict=True)):
        raise TensorNetError(
            f"generators: heads={heads} of widths {model_widths} (teacher, student), needed numbers of heads that divide the "
            f"width of most inputs, because each head has as many units; correct heads, or the student's width"
        )
    teacher_heads, student_heads = heads
    return model_widths[0] // teacher_heads, model_widths[1] // student_heads


def _width(shapes: Shapes, tables: Collection[str]) -> int:
    """That of the residual stream: what most matrices read."""
    read = Counter(s[1] for n, s in shapes.items() if len(s) == 2 and n not in tables)
    return max(read, key=lambda d: (read[d], d), default=1)
