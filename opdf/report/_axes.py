"""What all panels share."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c8c8c")
WIDE = 20.0  # values that span more than this factor are easier to read on a logarithmic axis
DEEP = 1e5  # what is smaller than the largest value by more than this is left below the axis

Points = Iterable[tuple[int, Any]]


def blank(title: str, size: tuple[float, float]) -> Figure:
    """A figure of its own: no window, no state that figures share."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    return figure


def title(summary: Mapping[str, Any], what: str) -> str:
    """What it is, then task, host with OPDF, and seed, as far as they are known."""
    method = summary.get("host", "")
    parts = [summary.get("task", ""), f"{method} with OPDF" if summary.get("opdf") else method]
    if "seed" in summary:
        parts.append(f"seed {summary['seed']}")
    return f"{what}: {', '.join(part for part in parts if part)}".removesuffix(": ")


def columns(points: Points) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and values; what is not finite leaves a gap in the line."""
    found = list(points)
    values = np.array([value for _, value in found], np.float64)
    return np.array([step for step, _ in found], np.int64), np.where(np.isfinite(values), values, np.nan)


def finish(axes: Axes, label: str, scale: Literal["linear", "log"] = "linear") -> None:
    """Label and spines. A logarithmic scale is taken where values span orders of magnitude, and none is 0."""
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    if scale == "log" and _span(axes) > WIDE:
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(axes.get_ylim()[0], axes.get_ylim()[1] / DEEP))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if _span(axes) < 1e3 else (1,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.ticklabel_format(axis="y", scilimits=(-3, 4))


def _span(axes: Axes) -> float:
    """Largest over smallest value of its curves; 1 where one is 0 or less, or there are none."""
    curves = [np.asarray(line.get_ydata(), np.float64) for line in axes.lines]
    values = np.concatenate([np.ones(0), *curves])
    values = values[np.isfinite(values)]
    return float(values.max() / values.min()) if len(values) and values.min() > 0 else 1.0
