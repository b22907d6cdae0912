"""The tables a person reads."""

from collections.abc import Sequence

from rich.table import Table

from ._apply import SHARE, WITHIN, ApplyRow
from ._contract import BOUND, ContractRow
from ._decompose import Row
from ._empty import empty


def table(rows: Sequence[Row]) -> Table:
    """One line for each library, shape and method."""
    title = "Decomposition time over one SVD of the rearranged matrix, float32"
    made = empty(title, ("library", "shape", "method"), ("× one SVD", "bound", "rel. error"))
    for r in rows:
        bound = "–" if r.bound is None else f"≤ {r.bound:g} {'kept' if r.holds else 'BROKEN'}"
        made.add_row(r.library, _shape(r), r.method, f"{r.ratio:.3f}", bound, f"{r.error:.0e}")
    return made


def contract_table(rows: Sequence[ContractRow]) -> Table:
    """One line for each library, number of threads and format; "lost" wherever the bound is."""
    title = "Time of contract over that of its matrix products alone, float32"
    left, right = ("library", "threads", "shape", "format"), ("× products", f"≤ {BOUND:g}", "× with copy of W")
    made = empty(title, left, right)
    for r in rows:
        numbers = (f"{r.ratio:.2f}", "kept" if r.holds else "lost", f"{r.with_copy:.2f}")
        made.add_row(r.library, str(r.threads), _shape(r), r.format, *numbers)
    return made


def apply_table(rows: Sequence[ApplyRow]) -> Table:
    """One line for each library and number of threads; "lost" where the share is too small."""
    title = f"apply: share of cases within {WITHIN - 1:.0%} of the quicker of dense and factored, float32"
    left = ("library", "threads")
    right = ("cases", "apply", f"≥ {SHARE:.0%}", "always dense", "always factored", "worst", "where")
    made = empty(title, left, right)
    for r in rows:
        shares = (f"{r.share:.1%}", "kept" if r.holds else "lost", f"{r.dense:.1%}", f"{r.factored:.1%}")
        made.add_row(r.library, str(r.threads), str(r.cases), *shares, f"× {r.worst:.2f}", r.worst_case)
    return made


def _shape(row: Row | ContractRow) -> str:
    return f"{row.shape[0]}×{row.shape[1]}"
