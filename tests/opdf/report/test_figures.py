"""The figures show what was recorded, and only where something was."""

import math

import numpy as np
import pytest
from matplotlib.image import imread

from opdf.report import Metrics, figures
from opdf.report._tensor_figure import SHOWN, tensor_figure
from opdf.report._training_figure import PARTS, training_figure

SUMMARY = {
    "task": "mrpc",
    "host": "kd",
    "opdf": {"cores": 5},
    "seed": 3,
    "best_step": 2,
    "teacher": {"dev": {"f1": 0.9}},
}


def records(steps: int, weights: tuple[str, ...] = ()) -> list[dict]:
    found = []
    for step in range(1, steps + 1):
        terms = {"kd": 1 / step, "labels": 1e-3}
        record = {"step": step, "lr": 1e-3, "loss": sum(terms.values()), "terms": terms, "grad_norm": 1.0}
        if step % 2 == 0:
            record |= {"dev": {"f1": step / 10, "accuracy": 0.5}}
            record |= {"entropies": {w: [1.0, step] for w in weights}, "alignment": dict.fromkeys(weights, 10.0**-step)}
        found.append(record)
    return found


def written(folder, found) -> list[str]:
    with Metrics(folder) as metrics:
        for record in found:
            metrics.log(record)
    return [str(path.relative_to(folder)) for path in figures(folder, SUMMARY)]


def lines(axes) -> dict:
    """The named lines of a panel, as (steps, values)."""
    return {line.get_label(): line.get_data() for line in axes.lines if not line.get_label().startswith("_")}


def test_files_are_written_where_there_is_something_to_show(tmp_path):
    for name, found, expected in (
        ("dense", records(4), ["figures/training.png"]),
        ("factors", records(4, ("layer.0.weight",)), ["figures/training.png", "figures/tensors.png"]),
        ("nothing", [], []),
    ):
        (tmp_path / name).mkdir()
        assert written(tmp_path / name, found) == expected
        assert [imread(tmp_path / name / path).shape for path in expected] == [(1050, 1650, 4), (630, 2250, 4)][
            : len(expected)
        ]
    assert not (tmp_path / "nothing" / "figures").exists()


def test_training_shows_every_term_dev_and_the_teacher():
    figure = training_figure(records(4), SUMMARY)
    losses, dev, norm, rate = figure.axes
    assert figure.get_suptitle() == "Training: mrpc, kd with OPDF, seed 3"
    assert {name: list(values) for name, (_, values) in lines(losses).items()}["kd"] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert set(lines(losses)) == {"kd", "labels", "loss"}
    assert [list(part) for part in lines(dev)["f1"]] == [[2, 4], [0.2, 0.4]]
    assert list(lines(dev)["teacher's f1"][1]) == [0.9, 0.9]
    assert list(lines(dev)["shipped"][0]) == [2, 2]
    assert [list(*lines(axes).values())[1][0] for axes in (norm, rate)] == [1.0, 1e-3]


def test_values_of_many_magnitudes_get_a_logarithmic_axis_and_others_none():
    losses, dev, *_ = training_figure(records(4), SUMMARY).axes
    assert (losses.get_yscale(), dev.get_yscale()) == ("log", "linear")
    nothing_lost = [{"step": step, "loss": loss} for step, loss in enumerate((100.0, 1.0, 0.0))]
    assert training_figure(nothing_lost, SUMMARY).axes[0].get_yscale() == "linear", "0 has no logarithm"
    deep = [{"step": step, "loss": loss} for step, loss in enumerate((1e-12, 1e-3, 1.0))]
    axes = training_figure(deep, SUMMARY).axes[0]
    assert axes.get_ylim()[0] > 1e-6, "a value next to nothing does not flatten the rest"
    assert len([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]) > 2
    *_, alignment = tensor_figure(records(8, ("a.weight",)), SUMMARY).axes
    assert alignment.get_yscale() == "log"


def test_many_steps_are_shown_by_their_moving_median():
    found = records(4 * PARTS)
    found[100]["grad_norm"] = 1e6
    norm = training_figure(found, SUMMARY).axes[2]
    faint, bold = norm.lines
    assert max(faint.get_ydata()) == 1e6
    assert (set(bold.get_ydata()), bold.get_xdata()[0]) == ({1.0}, 4), "one wild step does not bend it"


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_no_number_leaves_a_gap(odd):
    found = records(3)
    found[1] |= {"loss": odd, "grad_norm": odd}
    _, values = lines(training_figure(found, {}).axes[0])["loss"]
    assert np.isnan(values).tolist() == [False, True, False]


def test_weights_are_drawn_by_layer_and_few_are_named(tmp_path):
    weights = tuple(f"bert.encoder.layer.{n}.{part}.weight" for n in range(12) for part in ("query", "key"))
    figure = tensor_figure(records(4, (*weights, "bert.pooler.dense.weight")), {})
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["layer 0", "layer 2", "layer 4", "layer 7", "layer 9", "layer 11", "outside layers"]
    assert len(named) == SHOWN + 1
    entropies, changes, alignment = figure.axes
    assert len(entropies.lines) == len(changes.lines) == len(alignment.lines) == 25 + 13
    assert list(lines(entropies)["layer 0"][1]) == [1.5, 2.5]
    assert list(lines(changes)["layer 0"][1]) == [0.0, 1.0]


def test_a_layers_mean_is_of_its_weights():
    found = [{"step": 1, "alignment": {"a.0.x": 1.0, "a.0.y": 3.0, "a.1.x": 9.0}}]
    (alignment,) = tensor_figure(found, {}).axes
    assert {name: list(values) for name, (_, values) in lines(alignment).items()} == {
        "layer 0": [2.0],
        "layer 1": [9.0],
    }
    assert tensor_figure([{"step": 1, "loss": 1.0}], {}) is None
    assert training_figure(found, {}) is None


def test_one_step_is_enough(tmp_path):
    assert written(tmp_path, records(1)) == ["figures/training.png"]
