"""Tables in Markdown, and numbers in their cells."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any


def markdown_table(heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Columns and rows without any number are left out; "" if all are."""
    rows = [row for row in rows if any(row[1])]
    kept = [n for n in range(len(heads) - 1) if any(row[1][n] for row in rows)]
    lines = [_line([heads[0], *(heads[n + 1] for n in kept)]), _line(["---", *("---:" for _ in kept)])]
    lines += [_line([name, *(cells[n] or "–" for n in kept)]) for name, cells in rows]
    return "".join(lines) if rows else ""


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def score(runs: Sequence[Mapping[str, Any]], part: str, metric: str) -> str:
    """The value of one run, mean ± std of several; "" where none has it."""
    values = [run[part][metric] for run in runs if metric in run.get(part, {})]
    if not values:
        return ""
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


def number(value: float | None) -> str:
    """Whole numbers and large ones with commas, others to three digits; "" for none."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if isinstance(value, int) or value >= 99.95 else f"{value:#.3g}"
