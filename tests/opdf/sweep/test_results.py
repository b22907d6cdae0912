"""What a sweep says in the end: figures that can be worked out by hand, in a table, three files and an exit status."""

import csv
import io
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import sweep_runs
from matplotlib.image import imread
from rich.console import Console
from scipy import stats

from opdf.cli import main
from opdf.statistics import Difference, holm
from opdf.sweep import Job, State, _command, look, read
from opdf.sweep._files import leave
from opdf.sweep._results import Row, results
from opdf.sweep._table import markdown, remarks, tables
from opdf.sweep._work import work
from tensornet import TensorNetError

TABLE = """
[task]
name = "fashion_mnist"
[sweep]
seeds = 4
baseline = "kd"
[sweep.grid]
training.lr = [3e-5, 3e-4, 1e-3]
[sweep.arms.kd]
title = "KD"
[sweep.arms.opdf]
title = "OPDF [ours]"
opdf.on = true
[sweep.arms.opdf_time]
title = "OPDF, as long as KD"
opdf.on = true
same_time_as = "kd"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(TABLE)
    return path


@pytest.fixture
def ran(path, tmp_path):
    """A sweep that has been run, in this process."""
    sweep = read(path, tmp_path / "out")[0]
    work(sweep, sweep_runs.run)
    return sweep


def scores_of(sweep, arm, lr, seeds=4):
    """Test scores of an arm at a rate."""
    of = next(p for p in sweep.arm(arm).points if p.config.training.lr == lr)
    return np.array([sweep_runs.scores(sweep.config(job))[1] for job in sweep.arm(arm).jobs(of, seeds)])


def printed(found):
    console = Console(file=io.StringIO(), width=100)
    for one in tables(found):
        console.print(one)
    return console.file.getvalue() + "\n".join(remarks(found))


def test_figures_as_worked_out_by_hand(ran):
    found = results(ran, look(ran))
    kd, opdf = scores_of(ran, "kd", 3e-4), scores_of(ran, "opdf", 1e-3)
    row = found.row("opdf")
    assert row.test == pytest.approx(opdf)
    gap = stats.ttest_rel(opdf, kd)
    low, high = gap.confidence_interval(0.95)
    assert row.difference.mean == pytest.approx((opdf - kd).mean())
    assert row.difference.half == pytest.approx((high - low) / 2)
    assert row.difference.p == pytest.approx(gap.pvalue)
    assert row.p_holm == pytest.approx(2 * gap.pvalue)  # two arms are compared, with the same figures
    assert row.step == 2.0
    assert found.row("opdf_time").pace == 0.5
    assert found.row("kd").difference is None
    assert found.whole

    text = printed(found)
    assert text.count("OPDF [ours]  ") == 2
    assert f"{100 * opdf.mean():.2f} ± {100 * opdf.std(ddof=1):.2f}" in text
    assert f"{100 * (opdf - kd).mean():+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]" in text
    assert "lr 0.001↑" in text
    assert "the highest training.lr tried is the best" in text
    assert "0.50 times the epochs, to train as long as kd" in text
    assert "3,000" in text
    assert "missing" not in text


def test_the_files(ran):
    state = look(ran)
    leave(results(ran, state), state)
    written = json.loads((ran.out / "results.json").read_text())
    entry = written["arms"]["opdf"]
    assert written["metric"] == "accuracy"
    assert entry["chosen"] == {"training.lr": 1e-3}
    assert entry["edges"] == {"training.lr": "highest"}
    assert entry["test"]["mean"] == pytest.approx(scores_of(ran, "opdf", 1e-3).mean())
    assert entry["grid"]["training.lr=0.001"]["mean"] > entry["grid"]["training.lr=3e-05"]["mean"]
    assert entry["parameters"] == {"training": 3000, "shipped": 1000}

    rows, over = (table.splitlines() for table in (ran.out / "results.md").read_text().split("\n\n"))
    assert len(rows) == len(over) == 2 + len(ran.arms)
    assert over[0] == "| dev at training.lr | 3e-05 | 0.0003 | 0.001 |"
    means = [f"{100 * entry['grid'][f'training.lr={lr}']['mean']:.2f}" for lr in (3e-5, 3e-4, 1e-3)]
    assert [cell.split(" ± ")[0].strip() for cell in over[3].split("|")[2:-1]] == means
    assert {row.count("|") for row in rows} == {10}
    assert "OPDF [ours]" in rows[3]
    lines = list(csv.DictReader((ran.out / "results.csv").read_text().splitlines()))
    assert len(lines) == len(state.finished) == 3 * (2 * 2 + 4)
    for line in lines:
        best = {"kd": "0.0003", "opdf": "0.001", "opdf_time": "0.001"}[line["arm"]]
        assert (
            (line["reported"] == "1") == (line["training.lr"] == best) == bool(line["test_accuracy"])
        )  # closed otherwise
        assert float(line["dev_f1"]) == pytest.approx(float(line["dev_accuracy"]) / 2)

    image = imread(ran.out / "results.png")
    assert image.shape[0] > 300
    assert image.shape[1] > 1000
    assert image[..., :3].std() > 0.05  # something is drawn
    everything = " ".join(p.read_text() for p in ran.out.glob("results.*") if p.suffix != ".png")
    assert str(ran.out) not in everything


def test_no_test_figure_before_the_grid_has_been_searched(ran):
    state = look(ran)
    cut = State({job: run for job, run in state.finished.items() if job != Job("opdf", "training.lr=3e-05", 1)})
    found = results(ran, cut)
    assert found.row("opdf").chosen.values == {"training.lr": 1e-3}
    assert not found.row("opdf").final
    assert found.row("opdf").test == []
    text = printed(found)
    assert "lr 0.001↑ ?" in text
    assert "the point may still change" in text
    leave(found, cut)
    lines = csv.DictReader((ran.out / "results.csv").read_text().splitlines())
    assert not any(line["test_accuracy"] for line in lines if line["arm"] == "opdf")


def test_seeds_that_both_have_are_compared(ran):
    state = look(ran)
    kept = {job: run for job, run in state.finished.items() if job != Job("kd", "training.lr=0.0003", 3)}
    found = results(ran, State(kept, {Job("kd", "training.lr=0.0003", 3): "no"}))
    gaps = scores_of(ran, "opdf", 1e-3, 3) - scores_of(ran, "kd", 3e-4, 3)
    assert found.row("opdf").difference.mean == pytest.approx(gaps.mean())
    assert len(found.row("kd").runs) == 3
    assert "Failed: kd/training.lr=0.0003/seed3: no" in printed(found)
    assert "KD: a mean over the 3 seeds that did not fail" in printed(found)
    assert "| lr 0.0003 | 3 (1 failed) |" in markdown(found)
    assert not found.whole


def test_one_seed_has_no_interval(path, tmp_path):
    sweep = read(path, tmp_path / "out", seeds=1)[0]
    work(sweep, sweep_runs.run)
    found = results(sweep, look(sweep))
    assert found.row("opdf").p_holm is None
    leave(found, look(sweep))
    assert json.loads((sweep.out / "results.json").read_text())["arms"]["opdf"]["difference"]["half_95"] is None
    assert "[+" not in printed(found)


def test_the_family_is_of_all_arms_whatever_has_ended(ran):
    """An arm that waits counts with p = 1: a verdict that more runs would take back is none."""
    state = look(ran)
    kept = {job: run for job, run in state.finished.items() if job.arm != "opdf_time"}
    row = results(ran, State(kept)).row("opdf")
    assert row.p_holm == pytest.approx(2 * row.difference.p)
    alike = {job: replace(run, test=dict(run.test)) for job, run in state.finished.items()}
    for job, run in alike.items():
        if job.arm == "opdf_time":  # better than the baseline by the same in each seed: no deviation to be judged by
            run.test["accuracy"] = state.finished[Job("kd", "training.lr=0.0003", job.seed)].test["accuracy"] + 0.01
    found = results(ran, State(alike, paces=state.paces))
    assert found.row("opdf_time").p_holm is None
    assert found.row("opdf").p_holm == pytest.approx(2 * row.difference.p)


def test_the_verdict_is_by_the_corrected_p_value():
    row = Row(None, None, True, {}, {}, 0, {}, None, None, Difference(0.01, 0.009, 0.03))
    verdicts = [replace(row, p_holm=p).verdict for p in (0.04, 0.06, None)]
    assert verdicts == ["better than", *["not shown to differ from"] * 2]
    assert replace(row, difference=Difference(-0.01, 0.009, 0.03), p_holm=0.04).verdict == "worse than"


def test_nothing_there_yet(path, tmp_path):
    sweep = read(path, tmp_path / "out")[0]
    found = results(sweep, State())
    text = printed(found)
    assert "Nothing yet" in text
    assert "KD: 8 runs missing" in text
    assert "waits for the times of kd" in text
    assert not found.whole


def test_holm():
    assert holm([]) == []
    assert holm([0.03]) == [0.03]
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])  # 3·0.01, 2·0.03, and not below it
    assert holm([0.6, 0.5]) == [1.0, 1.0]


def command(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["opdf", "sweep", *map(str, arguments)])
    try:
        main()
    except SystemExit as ended:
        return ended.code
    return 0


def test_the_command(path, tmp_path, monkeypatch, capsys):
    """Runs, prints, exits with 1 where something failed; --report runs nothing."""
    monkeypatch.setattr(_command, "run_all", partial(_command.run_all, run=sweep_runs.failing))
    out = tmp_path / "out"
    arguments = (path, "--out", out, "--seeds", 2, "--grid", "training.lr=1e-3", "--workers", 1)
    assert command(monkeypatch, *arguments, "--report") == 0
    assert "Nothing yet" in capsys.readouterr().out
    assert not out.exists()
    assert command(monkeypatch, *arguments) == 1
    said = capsys.readouterr()
    assert "no such data; give some" in said.out
    assert "3 failed, kd/training.lr=0.001/seed1: no such data; give some" in said.err
    assert (out / "results.png").exists()
    assert command(monkeypatch, *arguments, "--report", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["arms"]["kd"]["runs"]) == ["0"]


def test_teachers_are_told_beside_the_arms(ran):
    found = results(ran, look(ran))
    assert found.teachers == [0.875]
    assert found.row("kd").faster == np.median([12 / (4 + seed) for seed in range(4)])
    line = next(line for line in remarks(found) if line.startswith("Teacher"))
    assert line.startswith("Teacher: accuracy 87.50 on test. Times as fast as it: KD ×2.20")
    assert found.summary()["arms"]["kd"]["times_faster_than_teacher"] == found.row("kd").faster


def test_a_report_is_of_the_configuration_that_ran(path, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    monkeypatch.setattr(_command, "run_all", partial(_command.run_all, run=sweep_runs.trained))
    assert command(monkeypatch, path, "--out", out, "--seeds", 1, "--workers", 1) == 0
    written = (out / "results.md").read_text()
    assert command(monkeypatch, path, "--out", out, "--seeds", 1, "--set", "training.epochs=77", "--report") == 2
    assert "with training.epochs = 3.0 then, 77.0 now" in capsys.readouterr().err
    assert (out / "results.md").read_text() == written


def test_a_pace_is_of_the_arm_that_it_was_timed_by(path, tmp_path):
    sweep = read(path, tmp_path / "out", seeds=1)[0]
    work(sweep, sweep_runs.run)
    for same in ("", 'same_time_as = "opdf"'):
        path.write_text(TABLE.replace('same_time_as = "kd"', same))
        with pytest.raises(TensorNetError, match="runs that train as long as kd, needed those of same_time_as = "):
            look(read(path, tmp_path / "out")[0])


def test_runs_of_other_data_do_not_compare(path, tmp_path):
    sweep = read(path, tmp_path / "out", seeds=2)[0]
    work(sweep, sweep_runs.run)
    assert look(sweep).finished
    for seed, train in enumerate("ab"):
        summary = sweep.out / "kd" / "training.lr=0.0003" / f"seed{seed}" / "summary.json"
        summary.write_text(json.dumps(json.loads(summary.read_text()) | {"data": {"train": train, "test": "c"}}))
    with pytest.raises(TensorNetError, match=r"seed1 and kd/.*seed0 in .* had different examples, needed the same"):
        look(sweep)


def test_progress_counts_what_is_needed(path, tmp_path, monkeypatch):
    """A grid that was widened after five seeds: the runs of a point that loses are no progress."""
    whole = TABLE.partition("[sweep.arms.opdf]")[0]
    path.write_text(whole.replace("[3e-5, 3e-4, 1e-3]", "[3e-5]"))
    narrow = read(path, tmp_path / "out", select_seeds=1)[0]
    work(narrow, sweep_runs.run)
    path.write_text(whole)
    wide = read(path, tmp_path / "out", select_seeds=1)[0]
    for seed in range(
        3
    ):  # of the winner all but one: 3 of 3 seeds of the first and this many are more than the 6 needed
        sweep_runs.run_job(wide, Job("kd", "training.lr=0.0003", seed))
    sweep_runs.run_job(wide, Job("kd", "training.lr=0.001", 0))
    seen = []

    class Seen:
        def __enter__(self):
            return lambda phase, done, total, more: seen.append((done, total))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(_command, "Progress", Seen)
    monkeypatch.setattr(_command, "run_all", lambda made, workers, told: told(look(made), {}) or look(made))
    _command._run(wide, 1)
    assert seen == [(5, 6)]
