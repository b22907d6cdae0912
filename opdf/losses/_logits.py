"""Losses on the outputs of a head: logits of classes, or the one number of a regression."""

from array_api_compat import is_torch_array

from tensornet import TensorNetError
from tensornet._arrays import namespace

from ._checks import Array, check_alike, check_classes, check_positive, classes_of, floats


def log_softmax(z: Array, /) -> Array:
    """log softmax of z (..., classes) over its last axis."""
    if is_torch_array(z):
        return z.log_softmax(-1)  # in one pass: of thousands of classes the steps below are most of a training step
    xp = namespace(z)
    z = z - xp.max(z, axis=-1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=-1, keepdims=True))


def cross_entropy(logits: Array, target: Array, /, *, smoothing: float = 0.0) -> Array:
    """−1/B Σ_b Σ_c ((1 − ε) target[b, c] + ε/C) · log softmax(logits)[b, c].

    logits: (*lead, classes), B the product of lead, C classes
    target: (*lead,) integers, the class of each; or (*lead, classes), probabilities, one-hot for labels
    smoothing: ε, the share of the target that all classes have alike (Szegedy et al. 2016, arXiv 1512.00567, sec. 7)
    returns: a scalar, in nats
    raises: TensorNetError for shapes that do not belong together, one class, a class that there is not, or ε outside 0 … 1
    """
    who = "cross_entropy"
    xp = namespace(logits, target)
    if not 0 <= smoothing < 1:
        raise TensorNetError(
            f"{who}: smoothing={smoothing}, needed a number from 0 to below 1, because it is the share that all classes have "
            f"alike; pass one, 0.1 is usual"
        )
    if target.ndim == logits.ndim:
        logits, target = floats(who, logits, target)
        check_alike(
            who, logits, target, "pass probabilities (the teacher's) of the same classes, or integers, one for each"
        )
        check_classes(who, logits)
        said = log_softmax(logits)
        return _smoothed(-xp.mean(xp.sum(target * said, axis=-1)), said, smoothing)
    (logits,) = floats(who, logits)
    check_classes(who, logits)
    place, known = classes_of(who, target, logits)
    said = log_softmax(logits)
    chosen = xp.take_along_axis(said, place[..., None], axis=-1)[..., 0]
    return _smoothed(-xp.mean(xp.where(known, chosen, xp.nan)), said, smoothing)


def _smoothed(loss: Array, said: Array, smoothing: float) -> Array:
    """(1 − ε) loss − ε mean(log softmax); without ε the loss to the last bit."""
    return loss if smoothing == 0 else (1 - smoothing) * loss - smoothing * namespace(said).mean(said)


def hinton(logits: Array, teacher_logits: Array, /, *, temperature: float) -> Array:
    """T²/B Σ_b KL(softmax(teacher/T) ‖ softmax(student/T)).

    The factor T² keeps the size of its gradients independent of T.

    logits, teacher_logits: (*lead, classes), B the product of lead
    returns: a scalar, in nats; zero where the two agree
    raises: TensorNetError for unequal shapes, one class, or a temperature that is not positive
    ref: Hinton, Vinyals, Dean 2015, arXiv 1503.02531, sec. 2
    """
    logits, teacher_logits = pair_of_logits("hinton", logits, teacher_logits, temperature)
    xp = namespace(logits)
    ours, theirs = log_softmax(logits / temperature), log_softmax(teacher_logits / temperature)
    return temperature**2 * xp.mean(xp.sum(xp.exp(theirs) * (theirs - ours), axis=-1))


def regression(student: Array, teacher: Array, /) -> Array:
    """1/B Σ_b (student_b − teacher_b)²: what is left of distillation where the head gives one number, as for STS-B.

    student, teacher: (batch,) or (batch, 1), alike
    returns: a scalar, in squared units of the target
    raises: TensorNetError for unequal shapes
    """
    student, teacher = floats("regression", student, teacher)
    check_alike("regression", student, teacher, "take logits[:, 0] of both")
    if student.ndim > 1 and student.shape[-1] > 1:
        raise TensorNetError(
            f"regression: got {tuple(student.shape)}, needed (batch,) or (batch, 1), because several logits are classes, of "
            f"which only differences count; use hinton, or hidden if they are features"
        )
    return namespace(student).mean((student - teacher) ** 2)


def pair_of_logits(who: str, logits: Array, teacher_logits: Array, temperature: float) -> tuple[Array, ...]:
    """Both as floats, checked."""
    logits, teacher_logits = floats(who, logits, teacher_logits)
    check_alike(who, logits, teacher_logits, "pass logits of the same examples and classes")
    check_classes(who, logits)
    check_positive(who, "temperature", temperature)
    return logits, teacher_logits
