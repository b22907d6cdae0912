"""Train, dev and test out of what the files hold; what is drawn is stratified by class and keeps its order."""

import numpy as np

from tensornet import TensorNetError
from tensornet._errors import some

from ._source import Part, Source
from ._spec import TaskSpec

SHARE = 10  # a tenth of train becomes dev
TEST, DEV, FEWER_DEV, FEWER_TRAIN = range(4)  # streams of random numbers: what one draws does not change the others


def divide(source: Source, spec: TaskSpec) -> tuple[Part, Part, Part, str]:
    """(train, dev, test, where each comes from).

    The labelled test is touched once. Where none is published the official dev is what gets reported, so it may not be what is
    chosen on, and dev is split from train.
    """
    train, dev, test = source.train, source.dev, source.test
    if test is None:
        test, dev = dev, None

    def drawn(setting: str, part: Part, size: int, stream: int, keep: int = 0) -> np.ndarray:
        return draw(f"{spec.name}: {setting}", part, source.label_names, size, (spec.split_seed, stream), keep)

    if test is None:
        train, test = _cut(train, drawn("test from train", train, _tenth(source), TEST, keep=2))
    if dev is None:
        train, dev = _cut(train, drawn("dev_size", train, spec.dev_size or _tenth(source), DEV, keep=1))
    elif spec.dev_size:
        dev = dev.take(drawn("dev_size", dev, spec.dev_size, FEWER_DEV))
    if spec.train_size:
        train = train.take(drawn("train_size", train, spec.train_size, FEWER_TRAIN))
    _check_classes(source, train)
    return train, dev, test, _told(source, spec, train, dev, test)


def draw(who: str, part: Part, names: tuple[str, ...], size: int, seed: tuple[int, int], keep: int = 0) -> np.ndarray:
    """Sorted places of `size` examples: each class at least once and as nearly in proportion as goes, `keep` of it left over.

    Where a number is predicted, any examples.
    """
    rng, n = np.random.default_rng(seed), len(part)
    codes = part.labels if names else np.zeros(n, np.int64)
    present, counts = np.unique(codes, return_counts=True)
    for k in present[counts <= keep]:
        raise TensorNetError(
            f"{who}: class {names[k] if names else 'of all'} of {part.name} has {counts[present == k][0]} examples, needed "
            f"{keep + 1}, because each part of a split gets one of every class; add examples, leave the class out, or give the "
            f"part as a file of its own (regression=True if the label is a number to predict)"
        )
    room = counts - keep
    if not len(present) <= size <= room.sum():
        raise TensorNetError(
            f"{who}: {size} of the {n} examples of {part.name}, needed {len(present)} … {room.sum()}, because every class is "
            f"drawn once at least and no example twice; choose a number in that range, or none to take what there is"
        )
    quotas = _quotas(size, counts, room)
    return np.sort(
        np.concatenate([rng.permutation(np.flatnonzero(codes == k))[:q] for k, q in zip(present, quotas, strict=True)])
    )


def _quotas(size: int, counts: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Whole numbers of sum `size`, from 1 to `room`, nearest to size · counts/Σ counts (largest remainders)."""
    shares = size * counts / counts.sum()
    quotas = np.clip(np.floor(shares).astype(np.int64), 1, room)
    while (left := size - quotas.sum()) != 0:
        free = quotas < room if left > 0 else quotas > 1
        quotas[np.argmax(np.where(free, np.sign(left) * (shares - quotas), -np.inf))] += np.sign(left)
    return quotas


def _tenth(source: Source) -> int:
    return max(len(source.train) // SHARE, len(source.label_names), 1)


def _cut(part: Part, index: np.ndarray) -> tuple[Part, Part]:
    """(the rest, the examples at `index`)."""
    return part.take(np.setdiff1d(np.arange(len(part)), index)), part.take(index)


def _check_classes(source: Source, train: Part) -> None:
    for k, name in enumerate(source.label_names):
        if not (train.labels == k).any():
            raise TensorNetError(
                f"{train.name}: no training example of class {name}, needed one at least of {', '.join(source.label_names)}, "
                f"because a class never seen cannot be learnt; look whether the file is whole"
            )


def _told(source: Source, spec: TaskSpec, train: Part, dev: Part, test: Part) -> str:
    told = ", ".join(
        f"{part}: {len(p):,} examples of {p.name}" for part, p in (("train", train), ("dev", dev), ("test", test))
    )
    if source.test is None and source.dev is not None:
        told += " (no labelled test: the official dev is reported and not chosen on)"
    if spec.name == "csv" and source.label_names:  # what classes there are, only the table says
        counts = zip(source.label_names, np.bincount(train.labels), strict=True)
        told += f"; classes of train: {some([f'{name} ({count:,})' for name, count in counts])}"
    whole = (source.train, source.dev, source.test)
    if (train, dev) != whole[:2]:
        told += f"; what was drawn is {'stratified by class' if source.label_names else 'random'}, split_seed {spec.split_seed}"
    return f"{told}."
