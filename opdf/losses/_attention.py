"""The loss on attention scores, before the softmax."""

from tensornet import TensorNetError
from tensornet._arrays import namespace

from ._checks import Array, check_alike, floats, kept
from ._mean import mean


def attention(student: Array, teacher: Array, /, mask: Array | None = None) -> Array:
    """The mean of (A − Aᵀ)² over heads and what the mask keeps; A = Q Kᵀ/√d, before mask and softmax.

    student, teacher: (batch, heads, queries, keys); one layer. `tensornet.planning.layer_map` says which belongs to which
    mask: (batch, positions), 1 for what counts, as an attention_mask: neither queries nor keys of padding count; or
        (batch, queries, keys), for cross-attention or a causal model. What is masked may hold anything, −inf too
    returns: a scalar; zero where the two agree
    raises: TensorNetError for unequal shapes, another number of heads say, or a mask that keeps nothing
    ref: L_attn of TinyBERT, Jiao et al. 2020, arXiv 1909.10351, which takes scores and not what the softmax makes of them
    """
    who = "attention"
    student, teacher = floats(who, student, teacher)
    check_alike(
        who, student, teacher, "pass the same batch; of heads that differ in number give as many of the teacher's"
    )
    if student.ndim != 4:
        raise TensorNetError(
            f"{who}: got scores {tuple(student.shape)}, needed (batch, heads, queries, keys), because a mask of positions "
            f"needs to know queries from keys; add the axes that are missing, or stack layers along the batch"
        )
    keep = _pairs_kept(who, mask, student)
    xp = namespace(student)
    gap = student - teacher if keep is None else xp.where(keep, student, 0.0) - xp.where(keep, teacher, 0.0)
    return mean(gap**2, keep)


def _pairs_kept(who: str, mask: Array | None, scores: Array) -> Array | None:
    """Which scores count: (batch, heads, queries, keys)."""
    batch, _, queries, keys = scores.shape
    if mask is not None and mask.ndim == 3:
        keep = kept(who, mask, (batch, queries, keys), scores)
    elif mask is not None and queries != keys:
        raise TensorNetError(
            f"{who}: the mask is {tuple(mask.shape)} for {queries} queries and {keys} keys, needed {(batch, queries, keys)}, "
            f"because one position is not both here; pass queries[:, :, None] & keys[:, None, :]"
        )
    else:
        keep = kept(who, mask, (batch, keys), scores)
        keep = None if keep is None else keep[:, :, None] & keep[:, None, :]
    return None if keep is None else namespace(scores).broadcast_to(keep[:, None, :, :], scores.shape)
