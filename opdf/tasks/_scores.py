"""How good predictions are."""

import numpy as np

from tensornet import TensorNetError

from ._bleu import bleu
from ._task import Task
from ._vocabulary import lowercases


def scores(task: Task, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The task's metrics of a model's outputs: fractions, not per cent; correlations lie in −1 … 1.

    logits  (n, classes); (n, 1) or (n,) where a number is predicted; translation: texts (n,)
    labels  (n,)

    accuracy  share of examples whose largest logit is the label's
    f1        of class 1; 0 where no example has class 1 and none is predicted to
    matthews  correlation of predicted and true classes (Gorodkin 2004 for more than two); 0 where either is constant
    pearson, spearman  correlation of numbers or of their ranks; 0 where either is constant
    bleu      of the corpus by sacrebleu
    """
    if task.kind == "translation":
        return {"bleu": _bleu(task, logits, labels)[0]}
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    needed = (len(labels), task.classes)
    if task.classes == 1 and logits.ndim == 1:
        logits = logits[:, None]
    if logits.shape != needed or labels.ndim != 1 or not len(labels):
        raise TensorNetError(
            f"scores of {task.name}: logits of shape {logits.shape} for labels of shape {labels.shape}, needed "
            f"(n, {task.classes}) for (n,), n at least 1, because each example has one logit a class; pass the whole part once"
        )
    if not np.isfinite(logits).all():
        raise TensorNetError(
            f"scores of {task.name}: {np.count_nonzero(~np.isfinite(logits).all(1))} of {len(logits)} examples have logits "
            f"that are NaN or infinite, needed numbers, because they name no class; look for where training diverged"
        )
    predicted = logits[:, 0] if task.classes == 1 else logits.argmax(1)
    return {name: float(_METRICS[name](predicted, labels)) for name in task.metrics}


def signature(task: Task) -> str | None:
    """What sacrebleu computes the scores of a translation with; None for other tasks."""
    return _bleu(task, task.dev.labels, task.dev.labels)[1] if task.kind == "translation" else None


def _bleu(task: Task, texts: np.ndarray, references: np.ndarray) -> tuple[float, str]:
    if np.shape(texts) != np.shape(references) or not len(texts):
        raise TensorNetError(
            f"scores of {task.name}: {np.shape(texts)} translations of {np.shape(references)} sentences, needed one of each, "
            f"one sentence at least, because they are compared in their order; pass the whole part once"
        )
    return bleu(list(texts), list(references), lowercases(task.tokenizer))


def _accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    return np.mean(predicted == labels)


def _f1(predicted: np.ndarray, labels: np.ndarray) -> float:
    # 2 TP / (2 TP + FP + FN)
    both = np.count_nonzero((predicted == 1) & (labels == 1))
    either = np.count_nonzero(predicted == 1) + np.count_nonzero(labels == 1)
    return 2 * both / either if either else 0.0


def _matthews(predicted: np.ndarray, labels: np.ndarray) -> float:
    # the correlation of the one-hot matrices, Σ_k cov(p_k, l_k) / √(Σ_k var(p_k) Σ_k var(l_k))
    classes = np.union1d(predicted, labels)
    p, t = (np.asarray(x)[:, None] == classes for x in (predicted, labels))
    return _correlation(p.astype(np.float64), t.astype(np.float64))


def _pearson(predicted: np.ndarray, labels: np.ndarray) -> float:
    return _correlation(predicted[:, None], labels.astype(np.float64)[:, None])


def _spearman(predicted: np.ndarray, labels: np.ndarray) -> float:
    return _pearson(_ranks(predicted), _ranks(labels))


def _ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """⟨a, b⟩/(‖a‖‖b‖) of two (n, k) after taking the mean off each column; 0 where either is constant."""
    if not (np.ptp(a, axis=0).any() and np.ptp(b, axis=0).any()):
        return 0.0
    a, b = a - a.mean(0), b - b.mean(0)
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return np.clip(np.vdot(a, b), -1.0, 1.0)


_METRICS = {"accuracy": _accuracy, "f1": _f1, "matthews": _matthews, "pearson": _pearson, "spearman": _spearman}
