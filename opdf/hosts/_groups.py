"""Which layers of the teacher each of the student's stands for."""

from torch import nn

from tensornet import TensorNetError

from ..models.networks import layer_pairs


def groups(student: nn.Module, teacher: nn.Module) -> tuple[range, ...]:
    """For each student layer the run of teacher layers that ends with its own by the uniform map; together all of them.

    Two each for 6 of 12; where depths do not divide, groups differ by one layer: 1, 2, 1, 2 for 4 of 6.
    raises: TensorNetError for a teacher of fewer layers
    """
    ends = [j + 1 for j in layer_pairs(student, teacher)]
    return tuple(range(start, end) for start, end in zip([0, *ends], ends, strict=False))


def needed(who: str, teacher: nn.Module | None) -> nn.Module:
    """The teacher, where a method is none without."""
    if teacher is None:
        raise TensorNetError(f"{who}: no teacher, needed one, because it is what the student learns from; pass it")
    return teacher
