"""Receipt: what compression took and what it cost, weight by weight. The adapters fill it in."""

from dataclasses import dataclass

from ._arrays import Array, nonzero
from ._columns import columns
from ._format import Format
from ._precise import frobenius, precise


@dataclass(frozen=True)
class Entry:
    """One weight: ‖W − contract(T)‖/‖W‖ in the Frobenius norm, and its numbers of parameters.

    format  None of a weight that is dense
    error   None where it was never measured, because no dense weight was there
    """

    name: str
    format: Format | None
    error: float | None
    before: int
    after: int


@dataclass(frozen=True)
class Receipt:
    """All factorised weights, and the parameters of the whole model. As text, a table."""

    entries: tuple[Entry, ...]
    before: int
    after: int

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("weight", "format", "rel. error", "before", "after", "×")]
        rows += [_row(e.name, e.format.name if e.format else "dense", e.error, e.before, e.after) for e in self.entries]
        rows += [_row("whole model", "", None, self.before, self.after)]
        return columns(rows, right=range(2, 6))


def relative_error(made: Array, weight: Array) -> float:
    """‖W − made‖/‖W‖ in the widest dtype; of a zero weight ‖made‖."""
    made, exact = precise([made, weight])
    return float(frobenius(exact - made, 0) / nonzero(frobenius(exact, 0)))


def _row(name: str, kind: str, error: float | None, before: int, after: int) -> tuple[str, ...]:
    return name, kind, "–" if error is None else f"{error:.1e}", f"{before:,}", f"{after:,}", f"{after / before:.3f}"
