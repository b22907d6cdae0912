"""The experiment on learning rates: every arm runs, what was run is not run again, and the table says what the file does."""

import dataclasses
import io
import json

import pytest
from rich.console import Console
from task_files import fashion_mnist

from opdf.evidence import learning_rate as experiment
from opdf.evidence.learning_rate import Run, Settings
from tensornet import TensorNetError


@pytest.fixture
def settings(tmp_path):
    small = {"train_size": 40, "dev_size": 20, "epochs": 2, "batch": 20, "width": 8, "depth": 1}
    return Settings(fashion_mnist(tmp_path / "images", train=60), tmp_path / "out", (3e-3, 1e-2), (2,), 2, **small)


def written(settings):
    return json.loads((settings.out / "learning_rate.json").read_text())["runs"]


def test_every_arm_runs_once(settings, capsys, monkeypatch):
    experiment.main(settings)
    runs = written(settings)
    assert len(runs) == 2 * 2 * 3
    assert {(r["factors"], r["lr_transfer"]) for r in runs} == {(0, False), (2, False), (2, True)}
    assert (settings.out / "learning_rate.png").read_bytes()[:4] == b"\x89PNG"
    assert str(settings.folder) not in (settings.out / "learning_rate.json").read_text()
    assert "2 factors, lr_transfer" in capsys.readouterr().out

    trained = []
    monkeypatch.setattr(experiment, "accuracy", lambda s, run, data: trained.append(run) or 50.0)
    found = experiment.measured(dataclasses.replace(settings, seeds=3), Console(file=io.StringIO()))
    assert {run.seed for run in trained} == {2}
    assert len(trained) == 6
    assert found[Run(0, False, 1e-2, 0)] == next(r["accuracy"] for r in runs if not r["factors"] and r["rate"] == 1e-2)


def test_a_run_is_a_function_of_its_settings(settings):
    data = experiment.data(settings)
    run = Run(2, True, 1e-2, 0)
    assert experiment.accuracy(settings, run, data) == experiment.accuracy(settings, run, data)


def test_the_table_compares_with_dense_training(settings):
    """Two seeds: dense 80 ± 0; factors 70 and 72 at the lower rate, 80 at the other."""
    found = {run: 80.0 for run in experiment.runs(settings)}
    found |= {Run(2, False, 3e-3, seed): 70.0 + 2 * seed for seed in (0, 1)}
    console = Console(file=io.StringIO(), width=150)
    console.print(experiment.table(settings, found))
    row = next(line for line in console.file.getvalue().splitlines() if "2 factors " in line)
    assert [cell.strip() for cell in row.split("│")[2:5]] == ["71.0 ± 1.4", "80.0 ± 0.0", "4.50"]
    found |= {Run(2, False, 3e-3, seed): 70.0 + 0.01 * seed for seed in (0, 1)}
    console.print(experiment.table(settings, found))
    assert "70.0* ± 0.0" in console.file.getvalue()


def test_runs_of_other_settings_are_refused(settings):
    settings.out.mkdir()
    (settings.out / "learning_rate.json").write_text(
        json.dumps({"settings": settings.known | {"width": 9}, "runs": []})
    )
    with pytest.raises(TensorNetError, match=r"holds runs of .*'width': 9.*, this is .*; .* take another --out"):
        experiment.measured(settings, Console(file=io.StringIO()))
