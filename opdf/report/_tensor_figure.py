"""What became of the factors: bond entropies and alignment, by layer."""

import re
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._axes import blank, columns, finish, title
from ._metrics import series

Records = list[dict[str, Any]]
Curves = dict[str, list[tuple[int, float]]]  # of each weight

SHOWN = 6  # layers in a legend; of more, as many are named from the first to the last
ENTROPY, CHANGE, ALIGNMENT = "bond entropy in nats", "its change since the first look, in nats", "alignment loss"
THIN = "thin: each weight,\n   mean over its bonds\nthick: mean of a layer"


def tensor_figure(records: Records, summary: Mapping[str, Any]) -> Figure | None:
    """Side by side, as far as they were looked at; None where neither was."""
    entropies = _curves(records, "entropies")
    panels = {ENTROPY: entropies, CHANGE: _changes(entropies), ALIGNMENT: _curves(records, "alignment")}
    panels = {label: curves for label, curves in panels.items() if curves}
    if not panels:
        return None
    figure = blank(title(summary, "Factors"), (1.5 + 4.5 * len(panels), 4.2))
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (label, curves) in zip(drawn, panels.items(), strict=True):
        _draw(axes, curves)
        axes.set_xlabel("optimiser steps")
        axes.set_xlim(left=0)
        finish(axes, label, "log" if label == ALIGNMENT else "linear")
    handles = {h.get_label(): h for axes in drawn for h in axes.get_legend_handles_labels()[0]}
    figure.legend(
        handles=handles.values(), loc="outside right upper", frameon=False, fontsize=8, title=THIN, title_fontsize=8
    )
    return figure


def _curves(records: Records, name: str) -> Curves:
    """Of each weight, the mean over its bonds at each evaluation."""
    weights = dict.fromkeys(weight for record in records for weight in record.get(name, {}))
    return {w: [(step, float(np.mean(value))) for step, value in series(records, name, w)] for w in weights}


def _changes(curves: Curves) -> Curves:
    """From the first look on; {} where there was one alone."""
    changes = {w: [(step, value - curve[0][1]) for step, value in curve] for w, curve in curves.items()}
    return changes if any(len(curve) > 1 for curve in curves.values()) else {}


def _draw(axes: Axes, curves: Curves) -> None:
    """Each weight thin, the mean of its layer thick, in the colour of the layer."""
    layers: dict[int | None, list[str]] = {}
    for weight in curves:
        layers.setdefault(_layer(weight), []).append(weight)
    numbered = sorted(layer for layer in layers if layer is not None)
    named = {numbered[i] for i in np.linspace(0, len(numbered) - 1, min(SHOWN, len(numbered))).round().astype(int)}
    for place, layer in enumerate(numbered):
        colour = mpl.colormaps["viridis"](0.9 * place / max(1, len(numbered) - 1))
        _bundle(axes, [curves[w] for w in layers[layer]], colour, f"layer {layer}" if layer in named else None)
    if None in layers:
        _bundle(axes, [curves[w] for w in layers[None]], "#8c8c8c", "outside layers")


def _bundle(axes: Axes, curves: list[list[tuple[int, float]]], colour: Any, label: str | None) -> None:
    for curve in curves:
        axes.plot(*columns(curve), color=colour, linewidth=0.6, alpha=0.5)
    steps = sorted({step for curve in curves for step, _ in curve})
    means = [(step, float(np.mean([v for curve in curves for s, v in curve if s == step]))) for step in steps]
    axes.plot(*columns(means), "o-", color=colour, markersize=3.5, linewidth=2, label=label)


def _layer(weight: str) -> int | None:
    """The first number among the parts of a name: 3 of bert.encoder.layer.3.output.dense.weight."""
    found = re.search(r"(?:^|\.)(\d+)\.", weight)
    return int(found[1]) if found else None
