"""The task: scikit-learn's bundled handwritten digits, each seen at nine places."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SPLIT_SEED = 0


@dataclass(frozen=True)
class Part:
    """x (n, 64) float32 in 0…1 · y (n,) int64."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Task:
    """The 1,797 scans split 60/15/25, stratified; every part holds each of its scans shifted by −1, 0, 1 pixels each way.

    Hyper-parameters are chosen on `validation`, a part of what the paper would call train; `test` is looked at once for
    each student that is reported.
    """

    train: Part
    validation: Part
    test: Part


def load_task() -> Task:
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)
    rest_x, test_x, rest_y, test_y = train_test_split(x, y, test_size=0.25, stratify=y, random_state=SPLIT_SEED)
    train_x, val_x, train_y, val_y = train_test_split(
        rest_x, rest_y, test_size=0.2, stratify=rest_y, random_state=SPLIT_SEED
    )
    return Task(_shifted(train_x, train_y), _shifted(val_x, val_y), _shifted(test_x, test_y))


def batches(n: int, size: int, steps: int, seed: int) -> NDArray[np.int64]:
    """Indices (steps, size) into a part of n: shuffled epochs, the same for every arm and framework."""
    rng = np.random.default_rng([seed, 1])
    per_epoch = n // size
    epochs = [rng.permutation(n)[: per_epoch * size].reshape(per_epoch, size) for _ in range(-(-steps // per_epoch))]
    return np.concatenate(epochs)[:steps]


def one_hot(y: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.eye(10, dtype=np.float32)[y]


def _shifted(x: NDArray[np.float32], y: NDArray[np.int64]) -> Part:
    padded = np.pad(x.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    places = [padded[:, i : i + 8, j : j + 8].reshape(-1, 64) for i in range(3) for j in range(3)]
    return Part(np.concatenate(places), np.tile(y, len(places)))
