"""The look of all tables."""

from collections.abc import Sequence

from rich.table import Table


def empty(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    """Without rows; texts stand in the columns `left`, numbers in `right`."""
    made = Table(title=title, box=None)
    made.title_justify, made.pad_edge = "left", False
    for head in left:
        made.add_column(head)
    for head in right:
        made.add_column(head, justify="right")
    return made
