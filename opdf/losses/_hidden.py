"""Losses on hidden states and embeddings, with padding left out and a projection for a gap in width."""

from collections.abc import Callable
from typing import Any

from tensornet import TensorNetError
from tensornet._arrays import namespace

from ._checks import Array, check_alike, floats, kept
from ._mean import cleared, mean

Projection = Any  # (student width, teacher width), or a function of the student's array


def hidden(
    student: Array,
    teacher: Array,
    /,
    mask: Array | None = None,
    projection: Array | Callable[[Array], Array] | None = None,
    *,
    distance: str = "mse",
) -> Array:
    """How far hidden states are from the teacher's: the mean over what the mask keeps.

    "mse"     1/D Σ_d ((h W)_d − t_d)²   L_hidn of TinyBERT (Jiao et al. 2020, arXiv 1909.10351), and its L_embd of
              embeddings, which are layer 0
    "cosine"  1 − ⟨h W, t⟩ / (‖h W‖ ‖t‖)   L_cos of DistilBERT (Sanh et al. 2019, arXiv 1910.01108); a zero vector counts 1

    student, teacher: (*lead, width) each, e.g. (batch, positions, width); one layer. `tensornet.planning.layer_map` says
        which layer belongs to which
    mask: (*lead,), 1 for what counts, as an attention_mask; what is masked may hold anything, NaN too
    projection: W (student width, teacher width), or a function. It belongs to training only, and to the caller: keep it among
        the parameters that the optimiser has, beside the student and not in it. `fitted_projection` starts one
    returns: a scalar; zero where the two agree
    raises: TensorNetError for shapes that do not belong together, or a mask that keeps nothing
    """
    if distance not in _DISTANCES:
        raise TensorNetError(
            f"hidden: unknown distance {distance!r}, needed one of {', '.join(_DISTANCES)}, because each is another loss; "
            f"choose one"
        )
    student, teacher, projection = _inputs("hidden", student, teacher, projection)
    keep = kept("hidden", mask, student.shape[:-1], student)
    ours = _projected("hidden", cleared(student, keep), projection, teacher)
    return mean(_DISTANCES[distance](ours, cleared(teacher, keep)), keep)


def hint(student: Array, teacher: Array, /, regressor: Array | Callable[[Array], Array] | None = None) -> Array:
    """1/B Σ_b ½ ‖r(student_b) − teacher_b‖²: FitNets' hint, summed over all but the batch.

    student, teacher: (batch, …, width); of images (batch, height, width, channels), or any axes that a function for
        `regressor` turns into the teacher's (their r is a convolution)
    regressor: r, a matrix (student width, teacher width) or a function; the caller's, as the projection of `hidden`
    returns: a scalar. It grows with the number of features: weights are smaller than those of `hidden`
    raises: TensorNetError for shapes that do not belong together
    ref: L_HT of Romero et al. 2015, arXiv 1412.6550
    """
    student, teacher, regressor = _inputs("hint", student, teacher, regressor)
    gap = _projected("hint", student, regressor, teacher) - teacher
    return namespace(gap).sum(gap**2) / (2 * gap.shape[0])


def _inputs(who: str, student: Array, teacher: Array, projection: Projection) -> tuple[Array, Array, Projection]:
    if projection is None or callable(projection):
        return *floats(who, student, teacher), projection
    student, teacher, projection = floats(who, student, teacher, projection)
    wanted = (*student.shape[-1:], *teacher.shape[-1:])
    if tuple(projection.shape) != wanted:
        raise TensorNetError(
            f"{who}: the projection is {tuple(projection.shape)}, needed {wanted}, because it takes the student's width to the "
            f"teacher's; transpose it (torch.nn.Linear holds (out, in)), or make one of that shape"
        )
    return student, teacher, projection


def _projected(who: str, student: Array, projection: Projection, teacher: Array) -> Array:
    if callable(projection):
        (student,) = floats(who, projection(student))
    elif projection is not None:
        student = namespace(student).matmul(student, projection)
    check_alike(who, student, teacher, "pass the same batch; for a gap in width a projection (student's, teacher's)")
    return student


def _squares(a: Array, b: Array) -> Array:
    return namespace(a).mean((a - b) ** 2, axis=-1)


def _cosine(a: Array, b: Array) -> Array:
    return 1 - namespace(a).sum(_unit(a) * _unit(b), axis=-1)


def _unit(x: Array) -> Array:
    """x/‖x‖; zero for zero, with a gradient that is finite there."""
    xp = namespace(x)
    squares = xp.sum(x * x, axis=-1, keepdims=True)
    return x / xp.sqrt(xp.where(squares > 0, squares, 1.0))


_DISTANCES = {"mse": _squares, "cosine": _cosine}
