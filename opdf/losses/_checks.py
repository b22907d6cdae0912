"""What a loss is given, ready to compute with, or an error that says what is wrong with it."""

import sys
from typing import Any

from array_api_compat import device, is_jax_array, is_torch_array

from tensornet import TensorNetError
from tensornet._arrays import namespace

Array = Any


def floats(who: str, /, *arrays: Array) -> tuple[Array, ...]:
    """The arrays in the widest of their dtypes, float32 at least, because sums of 16-bit floats lose what is compared."""
    xp = namespace(*arrays)
    for x in arrays:
        if not xp.isdtype(x.dtype, "real floating"):
            raise TensorNetError(
                f"{who}: got an array of dtype {x.dtype}, needed real floats, because class indices or ids are no outputs of "
                f"a layer; pass the outputs, or convert with xp.astype(x, xp.float32) if these are"
            )
        if 0 in x.shape:
            raise TensorNetError(
                f"{who}: got an array of shape {tuple(x.shape)}, needed at least one entry, because the mean of nothing is "
                f"NaN; drop the empty batch"
            )
    wide = any(xp.finfo(x.dtype).bits > 32 for x in arrays)
    return tuple(xp.astype(x, xp.float64 if wide else xp.float32, copy=False) for x in arrays)


def check_alike(who: str, student: Array, teacher: Array, advice: str) -> None:
    """Two shapes that differ are refused: (8, 1) against (8,) would be an (8, 8) of all differences."""
    if student.shape != teacher.shape:
        raise TensorNetError(
            f"{who}: the student's are {tuple(student.shape)} and the teacher's {tuple(teacher.shape)}, needed equal shapes, "
            f"because entry is compared with entry and nothing is broadcast; {advice}"
        )


def check_positive(who: str, name: str, value: Any) -> None:
    """A positive finite number; an array that cannot be looked at for nothing is taken on trust."""
    array = is_torch_array(value) or is_jax_array(value)
    if seen(~((value > 0) & (value < float("inf")))) if array else not 0 < value < float("inf"):
        raise TensorNetError(
            f"{who}: {name}={value}, needed a finite number above 0, because logits are divided by it; pass one, 1.0 changes "
            f"nothing"
        )


def kept(who: str, mask: Array | None, shape: tuple[int, ...], like: Array) -> Array | None:
    """The mask as booleans of `shape`, True for what counts."""
    if mask is None:
        return None
    xp = namespace(mask, like)
    if not xp.isdtype(mask.dtype, ("bool", "integral")):
        raise TensorNetError(
            f"{who}: the mask has dtype {mask.dtype}, needed booleans or integers that are 1 for what counts, because masks "
            f"of floats are often additive, 0 for what counts; pass mask > 0.5 or mask == 0, as it is meant"
        )
    if tuple(mask.shape) != tuple(shape):
        raise TensorNetError(
            f"{who}: the mask is {tuple(mask.shape)}, needed {tuple(shape)}, one entry for each that is compared, because "
            f"nothing is broadcast; pass the attention_mask of the same batch"
        )
    keep = mask != 0
    if seen(~xp.any(keep)):
        raise TensorNetError(
            f"{who}: the mask keeps nothing of {tuple(shape)}, needed one entry at least, because the mean of nothing is NaN; "
            f"1 stands for what counts; leave the batch out, or invert the mask"
        )
    return keep


def one_hot(who: str, target: Array, logits: Array) -> tuple[Array, Array]:
    """Class indices (*lead,) as booleans (*lead, classes), and (*lead,) whether each is a class."""
    xp = namespace(target, logits)
    place, known = classes_of(who, target, logits)
    classes = xp.arange(logits.shape[-1], dtype=place.dtype, device=device(place))
    return known[..., None] & (place[..., None] == classes), known


def classes_of(who: str, target: Array, logits: Array) -> tuple[Array, Array]:
    """Class indices (*lead,) that can be looked up, and (*lead,) whether each was a class."""
    xp = namespace(target, logits)
    if tuple(target.shape) != tuple(logits.shape[:-1]) or not xp.isdtype(target.dtype, "integral"):
        raise TensorNetError(
            f"{who}: the target is {tuple(target.shape)} of dtype {target.dtype} for logits {tuple(logits.shape)}, needed "
            f"integers {tuple(logits.shape[:-1])}, the class of each example, because nothing is broadcast; reshape or convert"
        )
    classes = logits.shape[-1]
    known = (target >= 0) & (target < classes)
    if seen(~xp.all(known)):
        raise TensorNetError(
            f"{who}: the target has classes from {int(xp.min(target))} to {int(xp.max(target))}, needed 0 to {classes - 1}, "
            f"because there are {classes} logits; map the labels, and leave out examples without one"
        )
    place = xp.where(known, target, xp.zeros_like(target))
    return xp.astype(place, xp.int64, copy=False) if is_torch_array(place) else place, known


def check_classes(who: str, logits: Array) -> None:
    if logits.ndim < 1 or logits.shape[-1] < 2:
        raise TensorNetError(
            f"{who}: got logits {tuple(logits.shape)}, needed two classes at least along the last axis, because softmax of "
            f"one is 1 whatever the logit; for a regression use opdf.losses.regression, for one sigmoid stack (z, 0)"
        )


def seen(condition: Array) -> bool:
    """Whether a condition holds, if that can be looked at for nothing: on the CPU, and not traced."""
    try:
        return _is_near(condition) and bool(condition)
    except (TypeError, RuntimeError):  # traced: by jit, vmap or torch.func
        return False


def _is_near(x: Array) -> bool:
    if is_torch_array(x):
        return x.device.type == "cpu" and not sys.modules["torch"].compiler.is_compiling()
    if is_jax_array(x):
        return all(d.platform == "cpu" for d in x.devices())
    return True
