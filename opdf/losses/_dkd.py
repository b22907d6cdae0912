"""Decoupled knowledge distillation (Zhao, Cui, Song, Qiu, Liang 2022, arXiv 2203.08679).

With the target class t, p = softmax(z/T), b = (p_t, 1 − p_t) and p̂_i = p_i / (1 − p_t) for i ≠ t, KD falls in two parts:

    KL(pᵀ ‖ pˢ) = KL(bᵀ ‖ bˢ) + (1 − p_tᵀ) · KL(p̂ᵀ ‖ p̂ˢ)
                  TCKD                        NCKD

so that a sure teacher (p_t → 1) silences what it knows of the other classes. DKD weighs the two apart.
"""

from typing import Any

from tensornet._arrays import namespace

from ._checks import Array, one_hot
from ._logits import pair_of_logits


def dkd(
    logits: Array,
    teacher_logits: Array,
    target: Array,
    /,
    *,
    temperature: float,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> Array:
    """T²/B Σ_b (α · TCKD_b + β · NCKD_b).

    logits, teacher_logits: (*lead, classes), B the product of lead
    target: (*lead,) integers, the class of each example
    alpha, beta: 1 and 8 are theirs for CIFAR-100 at T = 4; they take a smaller β where the teacher is unsure
    returns: a scalar, in nats; zero where the two agree. Of two classes NCKD is zero
    raises: TensorNetError for unequal shapes, one class, a class that there is not, or a temperature that is not positive
    ref: arXiv 2203.08679; the factor T² as in `hinton`
    """
    logits, teacher_logits = pair_of_logits("dkd", logits, teacher_logits, temperature)
    hot, known = one_hot("dkd", target, logits)
    xp = namespace(logits)
    (yes, no, others), (yes_t, no_t, others_t) = (_parts(z / temperature, hot, xp) for z in (logits, teacher_logits))
    tckd = xp.exp(yes_t) * (yes_t - yes) + xp.exp(no_t) * (no_t - no)
    nckd = xp.sum(xp.exp(others_t) * (others_t - others), axis=-1)
    return temperature**2 * xp.mean(xp.where(known, alpha * tckd + beta * nckd, xp.nan))


def _parts(z: Array, hot: Array, xp: Any) -> tuple[Array, Array, Array]:
    """log p_t and log(1 − p_t), (*lead,), and log p̂ (*lead, classes), 0 at the target: all finite, however large z is."""
    largest = xp.max(xp.where(hot, -xp.inf, z), axis=-1, keepdims=True)
    shifted = xp.where(hot, 0.0, z - largest)
    log_sum = xp.log(xp.sum(xp.where(hot, 0.0, xp.exp(shifted)), axis=-1, keepdims=True))
    # p_t / (1 − p_t) = exp(odds), so that log p_t = −log(1 + e^−odds), and 1 − p_t is never subtracted
    odds = xp.sum(xp.where(hot, z, 0.0), axis=-1) - (largest + log_sum)[..., 0]
    return -_softplus(-odds, xp), -_softplus(odds, xp), xp.where(hot, 0.0, shifted - log_sum)


def _softplus(x: Array, xp: Any) -> Array:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)."""
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))
