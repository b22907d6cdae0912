"""How training went: loss terms, dev, gradient norm, learning rate."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._axes import COLOURS, Points, blank, columns, finish, title
from ._metrics import series

Records = list[dict[str, Any]]

PARTS = 50  # of a curve of many steps: a moving median spans one part of so many


def training_figure(records: Records, summary: Mapping[str, Any]) -> Figure | None:
    """Two by two; None where no loss was recorded."""
    if not any("loss" in record for record in records):
        return None
    window = _window(sum("loss" in record for record in records))
    said = f"   (faint: each step, bold: median of the last {window})" if window > 1 else ""
    figure = blank(title(summary, "Training") + said, (11, 7))
    panels = figure.subplots(2, 2, sharex=True)
    _losses(panels[0, 0], records)
    _dev(panels[0, 1], records, summary)
    _curve(panels[1, 0], series(records, "grad_norm"), "black", "gradient norm")
    finish(panels[1, 0], "gradient norm, before clipping", "log")
    _curve(panels[1, 1], series(records, "lr"), "black", "learning rate", smooth=False)
    finish(panels[1, 1], "learning rate")
    for axes in panels[1]:
        axes.set_xlabel("optimiser steps")
    return figure


def _losses(axes: Axes, records: Records) -> None:
    _curve(axes, series(records, "loss"), "black", "loss")
    terms = dict.fromkeys(name for record in records for name in record.get("terms", {}))
    for name, colour in zip(terms, COLOURS * len(terms), strict=False):
        _curve(axes, series(records, "terms", name), colour, name)
    if any("alignment_loss" in record for record in records):
        _curve(axes, series(records, "alignment_loss"), "#999933", "alignment, unweighted")
    finish(axes, "loss and its weighted terms", "log")
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))


def _dev(axes: Axes, records: Records, summary: Mapping[str, Any]) -> None:
    metrics = dict.fromkeys(name for record in records for name in record.get("dev", {}))
    for name, colour in zip(metrics, COLOURS * len(metrics), strict=False):
        steps, values = columns(series(records, "dev", name))
        axes.plot(steps, values, "o-", color=colour, label=name, markersize=4, linewidth=1.8)
        teacher = (summary.get("teacher") or {}).get("dev", {}).get(name)
        if teacher is not None:
            axes.axhline(teacher, color=colour, linewidth=1.2, linestyle="--", label=f"teacher's {name}")
    if summary.get("best_step") is not None:
        axes.axvline(summary["best_step"], color="#8c8c8c", linewidth=0.8, linestyle=":", label="shipped")
    finish(axes, "score on dev")
    if axes.lines:
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def _curve(axes: Axes, points: Points, colour: str, label: str, smooth: bool = True) -> None:
    """Every step faint and a moving median over it, where there are many; else every step."""
    steps, values = columns(points)
    window = _window(len(values))
    if smooth and window > 1:
        axes.plot(steps, values, color=colour, alpha=0.2, linewidth=0.8)
        # (n,) → (n − window + 1,): of the last `window` values, at each step that has so many; one wild step does not bend it
        values = np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
        steps = steps[window - 1 :]
    axes.plot(steps, values, color=colour, label=label, linewidth=1.8)


def _window(points: int) -> int:
    return points // PARTS
