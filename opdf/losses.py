"""Distillation losses, over the array API: the same code under PyTorch and JAX."""

from typing import Any

from array_api_compat import array_namespace

Array = Any


def log_softmax(z: Array, /) -> Array:
    """log softmax of z (..., classes) over its last axis."""
    xp = array_namespace(z)
    z = z - xp.max(z, axis=-1, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=-1, keepdims=True))


def cross_entropy(logits: Array, target: Array, /) -> Array:
    """−1/B Σ_b Σ_c target[b, c] · log softmax(logits)[b, c].

    logits: (batch, classes)
    target: (batch, classes), probabilities; one-hot for labels
    returns: a scalar, in nats
    """
    xp = array_namespace(logits, target)
    return -xp.mean(xp.sum(target * log_softmax(logits), axis=-1))


def hinton(logits: Array, teacher_logits: Array, /, *, temperature: float) -> Array:
    """T²/B Σ_b KL(softmax(teacher/T) ‖ softmax(student/T)).

    The factor T² keeps the size of its gradients independent of T.

    logits, teacher_logits: (batch, classes)
    returns: a scalar, in nats; zero where the two agree
    ref: Hinton, Vinyals, Dean 2015, arXiv 1503.02531, sec. 2
    """
    xp = array_namespace(logits, teacher_logits)
    ours, theirs = log_softmax(logits / temperature), log_softmax(teacher_logits / temperature)
    return temperature**2 * xp.mean(xp.sum(xp.exp(theirs) * (theirs - ours), axis=-1))
