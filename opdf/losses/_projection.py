"""Where a training-only projection starts."""

from tensornet import TensorNetError
from tensornet._arrays import constant, namespace

from ._checks import Array, floats, kept
from ._mean import cleared


def fitted_projection(student: Array, teacher: Array, /, mask: Array | None = None) -> Array:
    """argmin_W Σ ‖h W − t‖² over what the mask keeps: the projection for `hidden` that fits one batch best, of least norm.

    From a random one a student would first move towards what it happens to say.

    student, teacher: (*lead, width) each
    returns: (student width, teacher width), a constant
    raises: TensorNetError for leading axes that differ, or a mask that keeps nothing
    """
    who = "fitted_projection"
    student, teacher = (constant(x) for x in floats(who, student, teacher))
    if student.shape[:-1] != teacher.shape[:-1]:
        raise TensorNetError(
            f"{who}: the student's are {tuple(student.shape)} and the teacher's {tuple(teacher.shape)}, needed the same but "
            f"for the width, because they are paired one by one; pass the outputs of the same batch"
        )
    keep = kept(who, mask, student.shape[:-1], student)
    xp = namespace(student)
    h, t = (xp.reshape(cleared(x, keep), (-1, x.shape[-1])) for x in (student, teacher))
    return xp.matmul(xp.linalg.pinv(h), t)
