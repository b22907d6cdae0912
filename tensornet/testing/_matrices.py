"""The matrices on which a decomposition has to be exact."""

from collections.abc import Iterator

from .._arrays import Array
from ._case import Case


def matrices(case: Case) -> Iterator[tuple[str, Array]]:
    """(what it is, the matrix). A format that cannot hold every matrix gets such as it can hold."""
    xp, (rows, cols), shape = case.xp, case.fmt.matrix_shape, case.fmt.shape
    weight = case.weight()
    yield "random", weight
    yield "zero", xp.zeros_like(weight)
    yield "1e20-scaled", 1e20 * weight
    yield "1e-20-scaled", 1e-20 * weight
    if case.is_full:
        yield "identity", xp.reshape(xp.eye(rows, cols, dtype=case.dtype, device=case.device), shape)
        yield "rank-deficient", rank_deficient(case)
        yield "constant", xp.ones_like(weight)


def rank_deficient(case: Case) -> Array:
    """Rank at most half of the smaller side, at least 1."""
    rows, cols = case.fmt.matrix_shape
    rank = max(1, min(rows, cols) // 2)
    product = case.xp.matmul(case.normal(rows, rank, salt="tall"), case.normal(rank, cols, salt="wide"))
    return case.xp.reshape(product, case.fmt.shape) / rank**0.5
