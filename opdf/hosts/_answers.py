"""What labels and the teacher's answers say of logits, in any framework: the losses take arrays of each."""

from typing import Any

from tensornet import TensorNetError

from ..losses import cross_entropy, dkd, hinton, regression
from ..tasks import Task
from ._options import KD

Array = Any


def supervised(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """What labels say of logits (b, classes): cross-entropy in nats; of one class, a number, the mean squared error."""
    if logits.shape[1] == 1:
        return regression(logits[:, 0], labels)
    return cross_entropy(logits, labels, smoothing=smoothing)


def answered(logits: Array, teacher_logits: Array, temperature: float) -> Array:
    """What a teacher's answers say of logits (b, classes): τ² KL in nats; of one class, a number, the mean squared error."""
    if logits.shape[1] == 1:
        return regression(logits, teacher_logits)
    return hinton(logits, teacher_logits, temperature=temperature)


def answers(o: KD, logits: Array, theirs: Array, labels: Array, smoothing: float = 0.0) -> dict[str, Array]:
    """The terms of plain distillation on logits (b, classes), weighted: those that have a weight."""
    terms = {}
    if o.alpha < 1:
        terms["labels"] = (1 - o.alpha) * supervised(logits, labels, smoothing)
    if o.alpha > 0 and o.decoupled:
        terms["answers"] = o.alpha * dkd(logits, theirs, labels, temperature=o.temperature, beta=o.beta)
    elif o.alpha > 0:
        terms["answers"] = o.alpha * answered(logits, theirs, o.temperature)
    return terms


def check_answers(o: KD, task: Task) -> None:
    """DKD is of classes."""
    if o.decoupled and task.classes == 1:
        raise TensorNetError(
            f"kd: decoupled=True for task {task.name}, which predicts a number, needed classes, because DKD weighs the "
            f"label's class against the others; leave decoupled out"
        )
