"""The table a person reads."""

from collections.abc import Sequence

from rich.table import Table

from ._decompose import Row


def table(rows: Sequence[Row]) -> Table:
    """One line for each library, shape and method."""
    made = Table(title="Decomposition time over one SVD of the rearranged matrix, float32", box=None)
    made.title_justify, made.pad_edge = "left", False
    for head in ("library", "shape", "method"):
        made.add_column(head)
    for head in ("× one SVD", "bound", "rel. error"):
        made.add_column(head, justify="right")
    for r in rows:
        bound = "–" if r.bound is None else f"≤ {r.bound:g} {'kept' if r.holds else 'BROKEN'}"
        made.add_row(r.library, f"{r.shape[0]}×{r.shape[1]}", r.method, f"{r.ratio:.3f}", bound, f"{r.error:.0e}")
    return made
