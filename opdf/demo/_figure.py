"""The figure: who ends where, and how fast they get there."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..statistics import spread
from ._arms import BASELINE
from ._results import Results

COLOURS = {"alone": "#8c8c8c", "kd": "#000000", "svd": "#56b4e9", "mpo": "#0072b2", "opdf": "#d55e00", "raw": "#cc79a7"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write figure.png and figure.svg; returns their paths."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    ends, curves = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _ends(ends, results)
    _curves(curves, results)
    figure.suptitle(
        f"Distilling a {results.row(BASELINE).trained:,}-parameter student on handwritten digits ({results.backend})"
    )
    paths = [folder / "figure.png", folder / "figure.svg"]
    with mpl.rc_context({"svg.hashsalt": "opdf"}):  # the same figure gives the same file
        figure.savefig(paths[0], dpi=150)
        figure.savefig(paths[1], metadata={"Date": None})
    return paths


def _ends(axes: Axes, results: Results) -> None:
    """Each seed a dot, their mean a bar, KD's mean a line through all."""
    rows = results.rows[::-1]
    for height, row in enumerate(rows):
        colour, (mean, std) = COLOURS[row.arm.key], spread(row.accuracies)
        axes.plot(row.accuracies, [height] * len(row.accuracies), "o", color=colour, alpha=0.45, markersize=5)
        axes.errorbar(mean, height, xerr=std, fmt="|", color=colour, markersize=16, markeredgewidth=2.5, capsize=4)
        axes.annotate(f"{mean:.1f}", (mean, height), (0, 11), textcoords="offset points", ha="center", color=colour)
    axes.axvline(spread(results.row(BASELINE).accuracies)[0], color=COLOURS[BASELINE], linewidth=0.8, linestyle=":")
    axes.axvline(results.teacher, color="#009e73", linewidth=1.2, linestyle="--")
    axes.annotate(
        "teacher", (results.teacher, len(rows) - 0.6), (-4, 0), textcoords="offset points", ha="right", color="#009e73"
    )
    axes.set_yticks(range(len(rows)), [r.arm.title for r in rows])
    axes.set_ylim(-0.6, len(rows) - 0.3)
    axes.set_xlabel("test accuracy in %  (dots: seeds, bar: mean ± std, dotted: KD)")
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes: Axes, results: Results) -> None:
    for row in results.rows:
        steps = [point["step"] for point in row.runs[0].curve]
        means = [spread([run.curve[n]["validation"] for run in row.runs])[0] for n in range(len(steps))]
        axes.plot(steps, means, color=COLOURS[row.arm.key], label=row.arm.title, linewidth=1.8)
    axes.set_xlabel("optimiser steps")
    axes.set_ylabel("validation accuracy in %, mean over seeds")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
