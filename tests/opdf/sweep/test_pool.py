"""Workers: each run once, whatever is killed, and by however many."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sweep_runs

from opdf.sweep import Job, State, look, read, run_all
from opdf.sweep._claim import holder
from opdf.sweep._results import results
from opdf.sweep._work import _attempted, work
from tensornet import TensorNetError

TESTS = Path(sweep_runs.__file__).parent

TABLE = """
[task]
name = "fashion_mnist"
[sweep]
seeds = 3
baseline = "kd"
[sweep.grid]
training.lr = [1e-4, 3e-4, 1e-3, 3e-3]
[sweep.arms.kd]
[sweep.arms.opdf]
opdf = {on = true, alignment = 1.0}
[sweep.arms.kd_time]
same_time_as = "opdf"
"""
RUNS = 3 * (3 * 2 + 3)


def swept(tmp_path, table=TABLE):
    path = tmp_path / "config.toml"
    path.write_text(table)
    return read(path, tmp_path / "out")[0]


def started(tmp_path, run, workers=2):
    """A sweep in a process of its own, in a group of its own."""
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
if __name__ == "__main__":
    import sweep_runs
    from opdf.sweep import read, run_all
    from opdf.sweep._command import _terminable
    with _terminable():
        run_all(read({str(tmp_path / "config.toml")!r}, Path({str(tmp_path / "out")!r}))[0], {workers}, sweep_runs.{run})
"""
    script = tmp_path / "sweep.py"
    script.write_text(code)
    return subprocess.Popen([sys.executable, str(script)], start_new_session=True, stderr=subprocess.PIPE)


def until(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def begun(out, count):
    return lambda: (out / sweep_runs.LOG).exists() and len(sweep_runs.ran(out)) >= count


def held_in(out):
    return [held for folder in out.glob("*/*/seed*") if (held := holder(folder))]


def rows(sweep):
    return {row.arm.name: row for row in results(sweep, look(sweep)).rows}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One that nobody disturbed."""
    sweep = swept(tmp_path_factory.mktemp("whole"))
    return sweep, run_all(sweep, 2, sweep_runs.run)


def test_every_run_once_and_the_best_point_of_each_arm(whole):
    sweep, state = whole
    assert len(state.finished) == RUNS
    assert set(Counter(sweep_runs.ran(sweep.out)).values()) == {1}
    found = rows(sweep)
    assert found["kd"].chosen.values == {"training.lr": 3e-4}
    assert found["opdf"].chosen.values == {"training.lr": 1e-3}
    assert found["kd_time"].pace == 2.0  # its steps take half the time
    assert {run.steps for run in found["kd_time"].runs.values()} == {600}
    assert all(len(row.runs) == 3 and not row.missing for row in found.values())
    assert not list(sweep.out.rglob("claim.*"))


def test_started_again_nothing_is_run(whole):
    sweep, state = whole
    before = sweep_runs.ran(sweep.out)
    assert run_all(sweep, 1, sweep_runs.run) == state
    assert sweep_runs.ran(sweep.out) == before


def test_killed_and_gone_on_with_elsewhere(tmp_path, whole):
    """kill -9 of the sweep takes its workers with it; the folder goes on where it has been copied to."""
    sweep = swept(tmp_path)
    process = started(tmp_path, "stuck")
    until(lambda: begun(sweep.out, 3)() and len(held_in(sweep.out)) == 2)
    process.kill()
    process.communicate()
    held = held_in(sweep.out)
    assert len(held) == 2  # it was in the middle of something
    until(lambda: all(h.stale for h in held))
    done = sweep_runs.ran(sweep.out)
    assert len(done) < RUNS
    moved = tmp_path / "moved"
    shutil.copytree(sweep.out, moved / "out")
    again = swept(moved)
    state = run_all(again, 1, sweep_runs.run)
    assert sorted(sweep_runs.ran(again.out)) == sorted(
        sweep_runs.ran(whole[0].out)
    )  # each once, those of before as well
    assert state == whole[1]
    assert sweep_runs.ran(sweep.out) == done  # nobody went on after the kill


def test_stopped_it_gives_its_claims_back(tmp_path):
    sweep = swept(tmp_path)
    process = started(tmp_path, "stuck")
    until(lambda: begun(sweep.out, 3)() and len(held_in(sweep.out)) == 2)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate()
    assert b"KeyboardInterrupt" in error
    assert not list(sweep.out.rglob("claim.*"))
    assert not list(sweep.out.rglob("error.txt"))


def test_two_at_once_share_the_work(tmp_path, whole):
    sweep = swept(tmp_path)
    both = [started(tmp_path, "meeting", workers=1) for _ in range(2)]
    assert [p.communicate()[1] for p in both] == [b"", b""]
    lines = (sweep.out / sweep_runs.LOG).read_text().split()
    assert sorted(lines[::2]) == sorted(sweep_runs.ran(whole[0].out))
    assert len(set(lines[1::2])) == 2  # processes
    assert look(sweep) == whole[1]


ONE = """
[task]
name = "fashion_mnist"
[sweep]
seeds = 4
[sweep.arms.kd]
"""


def test_one_failure_does_not_stop_the_others(tmp_path):
    """An error, an exit, a killed process and a run that leaves nothing; started again, they are tried again."""
    sweep = swept(tmp_path, ONE.replace("seeds = 4", "seeds = 6"))
    state = run_all(sweep, 1, sweep_runs.failing)
    assert {job.seed for job in state.finished} == {0, 5}
    why = {job.seed: said for job, said in state.failed.items()}
    assert why[1] == "no such data; give some"
    assert why[2] == "ZeroDivisionError: division by zero"
    assert why[3].startswith("its process ended with signal 9, as the system does when memory is short")
    assert why[4] == "the run ended without writing summary.json"
    folder = sweep.out / "kd" / "default" / "seed2"
    assert "Traceback" in (folder / "error.txt").read_text()
    assert (folder / "log.txt").read_text() == "said before the end\n"  # below Python's own streams too
    assert not list(sweep.out.rglob("claim.*"))
    row = rows(sweep)["kd"]
    assert (len(row.runs), len(row.failed), row.missing) == (2, 4, 0)
    again = run_all(sweep, 1, sweep_runs.run)
    assert (len(again.finished), again.failed) == (6, {})


class Deadly:
    """What ends a process that unpickles it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_workers_that_cannot_live_are_not_started_for_ever(tmp_path):
    with pytest.raises(
        TensorNetError, match="the workers ended before they took kd/default/seed0, needed one that lives"
    ):
        run_all(swept(tmp_path, ONE), 2, Deadly())


def test_a_run_without_a_student_where_none_is_to_be_kept(tmp_path):
    sweep = swept(tmp_path, ONE.replace("seeds = 4", "seeds = 1\nkeep_students = false"))
    folder = sweep.out / "kd" / "default" / "seed0"
    for model in ("student", "compact"):
        (folder / model).mkdir(parents=True)
        (folder / model / "model.safetensors").touch()
    work(sweep, sweep_runs.run)
    assert (folder / "summary.json").exists()
    assert not (folder / "student").exists()
    assert not (folder / "compact").exists()


def test_a_run_that_somebody_finished_meanwhile_is_left_alone(tmp_path):
    sweep = swept(tmp_path, ONE)
    job = Job("kd", "default", 0)
    (sweep.out / job.folder).mkdir(parents=True)
    (sweep.out / job.folder / "summary.json").write_text("{}")
    assert _attempted(sweep, State(), job, sweep_runs.run)
    assert not (sweep.out / sweep_runs.LOG).exists()


def test_a_summary_of_something_else_is_told(tmp_path):
    sweep = swept(tmp_path, ONE)
    folder = sweep.out / "kd" / "default" / "seed0"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps({"dev": {}}))
    with pytest.raises(
        TensorNetError, match=r"seed0/summary.json is not that of a run \(KeyError 'student'\).*; remove the folder"
    ):
        look(sweep)


def test_a_process_has_one_thread_and_the_parents_environment_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    sweep = swept(tmp_path, ONE.replace("seeds = 4", "seeds = 1"))
    run_all(sweep, 1, sweep_runs.environment)
    assert (sweep.out / "kd" / "default" / "seed0" / "log.txt").read_text() == "1 1\n"
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
