"""The figure: who ends where, and how each arm takes to the learning rate, or whatever its grid varies."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..statistics import spread
from ._results import Results, Row

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c564b",
    "#7f7f7f",
)  # Okabe and Ito's, and two


def draw(results: Results) -> bytes:
    """A PNG."""
    key = results.varied
    figure = Figure(figsize=(12 if key else 7, 1.8 + 0.55 * max(4, len(results.rows))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if key else 1, squeeze=False)[0]
    _ends(axes[0], results)
    if key:
        _curves(axes[1], results, key)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=150, format="png")
    return buffer.getvalue()


def _colour(results: Results, row: Row) -> str:
    others = [r.arm.name for r in results.rows if r.arm.name != results.sweep.baseline]
    name = row.arm.name
    return "#000000" if name == results.sweep.baseline else COLOURS[others.index(name) % len(COLOURS)]


def _ends(axes: Axes, results: Results) -> None:
    """Each seed a dot, their mean a bar, the baseline's mean a line through all."""
    rows = results.rows[::-1]
    for height, row in enumerate(rows):
        if not row.runs:
            continue
        values, colour = [100 * x for x in row.test], _colour(results, row)
        mean, std = spread(values)
        axes.plot(values, [height] * len(values), "o", color=colour, alpha=0.4, markersize=5, markeredgewidth=0)
        axes.errorbar(mean, height, xerr=std, fmt="|", color=colour, markersize=15, markeredgewidth=2.5, capsize=4)
        at: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "va": "center", "color": colour, "fontsize": 9}
        axes.annotate(_said(row, mean), (1.01, height), **at)
    baseline = results.row(results.sweep.baseline)
    if baseline.runs:
        axes.axvline(100 * spread(baseline.test)[0], color="#000000", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [r.arm.title for r in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(_colour(results, row))
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xlabel(
        f"test {results.metric} × 100 at each arm's chosen point\n"
        f"dots: seeds, bar: mean ± std; right: mean, difference to {baseline.arm.title} ± 95 %"
    )


def _said(row: Row, mean: float) -> str:
    d = row.difference
    if d is None or d.half == float("inf"):
        return f"{mean:.2f}"
    return f"{mean:.2f}\n{100 * d.mean:+.2f} ± {100 * d.half:.2f}"


def _curves(axes: Axes, results: Results, key: str) -> None:
    """Dev over one key, the best of whatever else the grid varies; the chosen point is ringed."""
    heights: list[float] = []
    positions: set[float] = set()
    for row in results.rows:
        if not (curve := row.over(key)):
            continue
        xs, means, stds = zip(*((x, 100 * mean, 100 * (std or 0.0)) for x, (mean, std) in curve.items()), strict=True)
        colour = _colour(results, row)
        axes.errorbar(xs, means, yerr=stds, fmt="o-", color=colour, linewidth=1.6, markersize=4, capsize=2)
        heights += means
        positions |= set(xs)
        if row.chosen and key in row.chosen.values:
            x = row.chosen.values[key]
            axes.plot(
                x,
                dict(zip(xs, means, strict=True))[x],
                "o",
                color=colour,
                markersize=11,
                fillstyle="none",
                markeredgewidth=1.6,
            )
    if positions and min(positions) > 0:
        axes.set_xscale("log")
        axes.set_xticks(sorted(positions), [f"{x:g}" for x in sorted(positions)])
        axes.set_xticks([], minor=True)
    if heights:
        axes.set_ylim(*_limits(heights))
    axes.set_xlabel(f"{key}  (ring: chosen; colours as on the left)")
    axes.set_ylabel(f"dev {results.metric} × 100, mean ± std of {results.sweep.select_seeds} seeds")


def _limits(heights: Sequence[float]) -> tuple[float, float]:
    """A point far below all others must not press these into a line: its curve leaves the frame."""
    top, middle = max(heights), float(np.median(heights))
    lowest = max(min(heights), top - 2.5 * (top - middle))
    margin = 0.1 * max(top - lowest, 1.0)
    return lowest - margin, top + margin
