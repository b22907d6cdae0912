"""How the same decomposition is asked of others and of us; each call returns factors (d_{k-1}, i_k, j_k, d_k).

A call takes the array library's own array, so that both sides of a comparison use one linear algebra.
"""

import importlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tensornet as tn

Factors = Sequence[Any]
Call = Callable[[tn.MPO, Any], Factors]
EPS, MAX_BOND = 0.1, 32


@dataclass(frozen=True)
class Peer:
    """A library: the arrays it takes, and its fastest call for each task that it has an option for."""

    name: str
    library: str
    calls: dict[str, Call]


def ours() -> dict[str, Call]:
    """Task → our call. `lossless` asks for factors only, `isometries` for orthogonal ones."""
    return {
        "lossless": lambda fmt, w: fmt.decompose(w, gauge="identity"),
        "isometries": lambda fmt, w: fmt.decompose(w, gauge="left"),
        "max_bond": lambda fmt, w: tn.approximate(fmt, w, max_bond=MAX_BOND).factors,
        "eps": lambda fmt, w: tn.approximate(fmt, w, eps=EPS).factors,
    }


def others() -> list[Peer]:
    """TensorLy, torchTT and quimb, loaded when asked for."""
    return [_tensorly(), _torchtt(), *(_quimb(library) for library in ("numpy", "torch"))]


def capped(fmt: tn.MPO) -> list[int]:
    """The outer bonds too, as TensorLy and torchTT want them."""
    return [1, *(min(b, MAX_BOND) for b in fmt.bonds), 1]


def _tensorly() -> Peer:
    """Takes ranks, never an error; its backend stays NumPy, because changing that is for the whole process."""
    train = importlib.import_module("tensorly.decomposition").tensor_train_matrix

    def call(fmt: tn.MPO, w: Any, rank: list[int]) -> Factors:
        return list(train(w.reshape(fmt.rows + fmt.cols), rank=rank).factors)

    lossless: Call = lambda fmt, w: call(fmt, w, [1, *fmt.bonds, 1])  # noqa: E731
    calls: dict[str, Call] = {"max_bond": lambda fmt, w: call(fmt, w, capped(fmt))}
    return Peer("TensorLy", "numpy", {"lossless": lossless, "isometries": lossless} | calls)


def _torchtt() -> Peer:
    with warnings.catch_warnings():  # "C++ implementation not available": the decomposition has none
        warnings.simplefilter("ignore")
        train = importlib.import_module("torchtt").TT

    def call(fmt: tn.MPO, w: Any, **options: Any) -> Factors:
        modes = list(zip(fmt.rows, fmt.cols, strict=True))
        return train(w.reshape(fmt.rows + fmt.cols), modes, **options).cores

    lossless: Call = lambda fmt, w: call(fmt, w, eps=0.0)  # noqa: E731
    calls: dict[str, Call] = {
        "max_bond": lambda fmt, w: call(fmt, w, eps=0.0, rmax=capped(fmt)),
        "eps": lambda fmt, w: call(fmt, w, eps=EPS),
    }
    return Peer("torchTT", "torch", {"lossless": lossless, "isometries": lossless} | calls)


def _quimb(library: str) -> Peer:
    """Its MPO takes square modes only, so that a rectangular one goes in as a state of the joined modes i_k·j_k."""
    quimb = importlib.import_module("quimb.tensor")

    def call(fmt: tn.MPO, w: Any, **options: Any) -> Factors:
        if fmt.rows == fmt.cols:
            train = quimb.MatrixProductOperator.from_dense(w, dims=list(fmt.rows), **options)
            train.permute_arrays("ludr")
        else:
            n, modes = len(fmt.rows), [i * j for i, j in zip(fmt.rows, fmt.cols, strict=True)]
            order = tuple(axis for k in range(n) for axis in (k, n + k))
            split = w.reshape(fmt.rows + fmt.cols)
            joined = (split.permute(order) if library == "torch" else split.transpose(order)).reshape(modes)
            train = quimb.MatrixProductState.from_dense(joined, dims=modes, **options)
            train.permute_arrays("lpr")
        return _cores(fmt, train)

    # Each of the n - 1 cuts may discard eps²/(n - 1) of ‖W‖²; "rsum2" counts in squares of the values that arrive there.
    share: Callable[[tn.MPO], float] = lambda fmt: EPS**2 / (len(fmt.rows) - 1)  # noqa: E731
    lossless: Call = lambda fmt, w: call(fmt, w, method="qr")  # noqa: E731
    calls: dict[str, Call] = {
        "max_bond": lambda fmt, w: call(fmt, w, max_bond=MAX_BOND, cutoff=0.0),
        "eps": lambda fmt, w: call(fmt, w, cutoff=share(fmt), cutoff_mode="rsum2"),
    }
    return Peer(f"quimb ({library})", library, {"lossless": lossless, "isometries": lossless} | calls)


def _cores(fmt: tn.MPO, train: Any) -> Factors:
    """quimb's arrays with the outer bonds of size 1 that it leaves out, and joined modes split."""
    cores, left = [], 1
    for array, i, j in zip(train.arrays, fmt.rows, fmt.cols, strict=True):
        right = math.prod(array.shape) // (left * i * j)
        cores.append(array.reshape(left, i, j, right))
        left = right
    return cores


def error(fmt: tn.MPO, w: np.ndarray[Any, Any], factors: Factors) -> float:
    """‖contract(T) − W‖/‖W‖, worked out in float64; the format is read off the factors."""
    exact = [np.asarray(f, dtype=np.float64) for f in factors]
    found = tn.MPO(fmt.rows, fmt.cols, tuple(f.shape[-1] for f in exact[:-1])).contract(exact)
    return float(np.linalg.norm(found - w) / np.linalg.norm(w))
