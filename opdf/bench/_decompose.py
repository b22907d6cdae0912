"""Time of one decomposition over the time of one thin SVD of the rearranged matrix, in the same library and run."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from tensornet import MPO

from ._libraries import installed
from ._published import three_sweeps
from ._timing import best_of_rounds

SHAPES = ((768, 768), (3072, 768))
CORES = 5
TOLERANCE = 3e-6  # relative, float32
BOUNDS = {"balanced": 1.5, "identity": 0.05}


@dataclass(frozen=True)
class Row:
    """Seconds of the method over seconds of one SVD, and the bound it must keep (None: shown for comparison only).

    error: ‖W − contract(T)‖/‖W‖, the contraction in float64
    """

    library: str
    shape: tuple[int, int]
    method: str
    ratio: float
    bound: float | None
    error: float

    @property
    def holds(self) -> bool:
        return self.bound is None or (self.ratio <= self.bound and self.error <= TOLERANCE)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "holds": self.holds}


def measure() -> list[Row]:
    """Rows for every array library that is installed."""
    return [row for library, xp in installed("numpy", "torch", "jax.numpy") for row in _rows(library, xp)]


def _rows(library: str, xp: Any) -> Iterator[Row]:
    for shape in SHAPES:
        mpo = MPO.for_shape(shape, cores=CORES)
        dense = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        w, rearranged = xp.asarray(dense), xp.asarray(_rearranged(mpo, dense))
        functions: dict[str, Any] = {g: partial(mpo.decompose, gauge=g) for g in BOUNDS} | {"svd": _svd}
        if library == "jax.numpy":
            functions = _compiled(functions)
        calls = {name: partial(f, rearranged if name == "svd" else w) for name, f in functions.items()}
        seconds = best_of_rounds(calls)
        for gauge, bound in BOUNDS.items():
            error = _error(mpo, dense, calls[gauge]())
            yield Row(library, shape, gauge, seconds[gauge] / seconds["svd"], bound, error)
        if library == "numpy":
            sweeps = partial(three_sweeps, dense, mpo)
            slow = best_of_rounds({"svd": calls["svd"], "sweeps": sweeps}, rounds=2)
            ratio = slow["sweeps"] / slow["svd"]
            yield Row(library, shape, "three SVD sweeps", ratio, None, _error(mpo, dense, sweeps()))


def _compiled(functions: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """As JAX is used; that leaves out the check for NaN, which looks at values."""
    jax = importlib.import_module("jax")
    unchecked = {n: f if n == "svd" else partial(f, check_finite=False) for n, f in functions.items()}
    return {name: jax.jit(f) for name, f in unchecked.items()}


def _svd(matrix: Any) -> Any:
    return array_namespace(matrix).linalg.svd(matrix, full_matrices=False)


def _rearranged(mpo: MPO, w: np.ndarray) -> np.ndarray:
    """W as (i_1 j_1) × (i_n j_n), the matrix whose SVD the paper's layout needs."""
    i, j = (mpo.rows[0], mpo.rows[-1]), (mpo.cols[0], mpo.cols[-1])
    return np.ascontiguousarray(w.reshape(*i, *j).transpose(0, 2, 1, 3).reshape(i[0] * j[0], i[1] * j[1]))


def _error(mpo: MPO, dense: np.ndarray, factors: Any) -> float:
    exact = mpo.contract([np.asarray(f, np.float64) for f in factors])
    return float(np.linalg.norm(exact - dense) / np.linalg.norm(dense))
