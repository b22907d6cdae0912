"""BLEU by sacrebleu: of the corpus, of text as it was written."""

from collections.abc import Sequence
from typing import Any

from tensornet import TensorNetError


def bleu(translations: Sequence[str], references: Sequence[str], lowercase: bool = False) -> tuple[float, str]:
    """(BLEU from 0 to 1, sacrebleu's signature: what it was computed with).

    ref: Papineni et al. 2002; Post 2018, arXiv 1804.08771
    """
    metric = _sacrebleu().BLEU(lowercase=lowercase)
    score = metric.corpus_score(list(translations), [list(references)])
    return score.score / 100, str(metric.get_signature())


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise TensorNetError(
            "translation: the package sacrebleu is not installed, needed for BLEU; pip install 'opdf[translation]'"
        ) from None
    return sacrebleu
