"""The demo, made short: what it leaves behind, what it claims, and that its parts are honest."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import tensornet as tn
from opdf.demo._arms import ARMS, BASELINE, Job, arm, trials
from opdf.demo._backend import Run, relative_error
from opdf.demo._backends import load
from opdf.demo._network import STUDENT, TEACHER
from opdf.demo._run import _best
from opdf.demo._task import batches, load_task
from opdf.statistics import paired, spread


@pytest.fixture(scope="module")
def task():
    return load_task()


@pytest.fixture(scope="module")
def untrained_teacher():
    return TEACHER.init(3)


def opdf(*arguments):
    """The command as a user runs it, without the float64 that the suite asks of JAX; compiled as quickly as the suite is."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_ENABLE_X64"}
    command = [sys.executable, "-m", "opdf", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_from_end_to_end(backend, tmp_path):
    done = opdf("demo", "--backend", backend, "--seeds", "2", "--steps", "20", "--out", str(tmp_path), "--workers", "1")
    assert done.returncode == 0, done.stderr
    for one in ARMS:
        assert one.title in done.stdout
    assert "trials for every arm" in done.stdout
    assert done.stdout.count(" KD (") == len(ARMS) - 1

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["arms"]) == {a.key for a in ARMS}
    for key, entry in summary["arms"].items():
        assert len(entry["accuracy"]["seeds"]) == 2
        assert entry["parameters"]["shipped"] == STUDENT.num_params
        assert entry["fold_error"] < 1e-6
        assert entry["step_time_to_kd"] > 0
        assert 0.5 < entry["inference_to_plain"] < 2
        assert (entry["parameters"]["training"] > STUDENT.num_params) == bool(arm(key).cores)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    reported = [line for line in lines if line["phase"] == "report"]
    assert len(reported) == len(ARMS) * 2 * 10
    assert all(math.isfinite(line["loss"]) for line in reported)
    assert {"hinton", "cross_entropy", "alignment"} <= set(next(r for r in reported if r["arm"] == "opdf"))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "figure.svg").read_text()

    student = load_file(tmp_path / "student.safetensors")
    plain = STUDENT.init(0)
    assert {n: (w.shape, w.dtype) for n, w in student.items()} == {n: (w.shape, w.dtype) for n, w in plain.items()}


def test_the_shipped_student_loads_strictly_into_a_plain_torch_module(task, untrained_teacher):
    """The plain student's code path: torch.nn layers, written here anew."""
    import torch
    from torch import nn

    run = load("torch")(task, untrained_teacher).train(Job("opdf", 0, 0.01, 30.0, 20), test=True)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, h):
            return h + self.fc2(self.fc1(h).relu())

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.blocks, self.head = nn.Linear(64, 16), nn.Sequential(Block()), nn.Linear(16, 10)

        def forward(self, x):
            return self.head(self.blocks(self.embed(x)))

    model = Plain()
    model.load_state_dict({n: torch.from_numpy(w) for n, w in run.parameters.items()}, strict=True)
    assert list(model.state_dict()) == list(run.parameters)
    with torch.no_grad():
        right = model(torch.from_numpy(task.test.x)).argmax(-1).numpy() == task.test.y
    assert math.isclose(100 * right.mean(), run.test, abs_tol=1e-4)


@pytest.mark.parametrize("key", ["kd", "mpo", "opdf"])
def test_frameworks_train_the_same_student(key, task, untrained_teacher):
    job = Job(key, 0, 0.005, 30.0 if key == "opdf" else 0.0, 20)
    ours, theirs = (load(b)(task, untrained_teacher).train(job, test=False) for b in ("torch", "jax"))
    for name, w in ours.parameters.items():
        assert np.allclose(w, theirs.parameters[name], atol=2e-3), name
    assert ours.trained == theirs.trained


def test_the_student_is_too_small_on_its_own(task):
    """Far smaller than its teacher, and far behind it after the same search that the demo makes."""
    assert 3 * STUDENT.num_params < TEACHER.num_params
    backend = load("jax")(task, None)
    teacher = backend.train_teacher(TEACHER, 0, 3000, 0.01)
    alone = max(backend.train(trial, test=False).validation for trial in trials(arm("alone"), 500))
    assert backend.accuracy(teacher, "validation") - alone > 5


def test_every_arm_gets_the_same_effort():
    assert len({len(list(trials(a, 500))) for a in ARMS}) == 1


def test_the_trial_with_the_best_validation_is_chosen():
    def run(lr, seed, validation):
        return Run(Job("kd", seed, lr, 0.0, 10), {}, [], validation, None, 0.0, 0)

    runs = [run(0.1, 0, 90.0), run(0.1, 1, 80.0), run(0.2, 0, 88.0), run(0.2, 1, 86.0)]
    assert _best(runs).lr == 0.2


def test_fold_error_sees_an_error():
    mpo = tn.MPO.for_shape((12, 8), cores=3)
    w = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    factors = mpo.decompose(w)
    assert 0 < relative_error(w, mpo, factors) < 1e-6
    assert math.isclose(relative_error(1.5 * w, mpo, factors), 0.5, rel_tol=1e-5)


def test_parts_share_no_scan(task):
    """Of the nine places of a scan, the middle one is the scan itself."""
    parts = [task.train, task.validation, task.test]
    scans = [{row.tobytes() for row in p.x[4 * len(p) // 9 : 5 * len(p) // 9]} for p in parts]
    assert sum(len(p) for p in parts) == 9 * 1797
    for one in range(3):
        for other in range(one):
            assert len(scans[one] & scans[other]) == 0


def test_batches_are_the_same_for_every_arm_and_cover_an_epoch():
    order = batches(100, 10, 25, seed=3)
    assert order.shape == (25, 10)
    assert np.array_equal(order, batches(100, 10, 25, seed=3))
    assert not np.array_equal(order, batches(100, 10, 25, seed=4))
    assert sorted(order[:10].ravel()) == list(range(100))


def test_paired_interval_by_hand():
    """Gaps 1, 2, 3: mean 2, std 1, t(0.975, 2) = 4.3027, half-width 4.3027/√3."""
    d = paired([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert d.mean == 2.0
    assert math.isclose(d.half, 4.302652729911275 / 3**0.5, rel_tol=1e-9)
    assert d.verdict == "not shown to differ from"
    assert paired([2.0, 2.1, 2.0], [1.0, 1.0, 1.1]).verdict == "better than"
    assert paired([1.0, 1.0, 1.1], [2.0, 2.1, 2.0]).verdict == "worse than"
    assert paired([2.0], [1.0]).verdict == "not shown to differ from"
    assert spread([1.0, 3.0]) == (2.0, 2**0.5)


def test_baseline_is_an_arm():
    assert arm(BASELINE).distil
    assert not arm(BASELINE).cores


def test_bad_numbers_are_one_line_and_status_2(tmp_path):
    done = opdf("demo", "--steps", "7", "--out", str(tmp_path / "none"))
    assert done.returncode == 2
    assert "a multiple of 10" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()


def test_unknown_options_are_errors():
    assert opdf("demo", "--sedes", "3").returncode == 2


def test_help_loads_no_framework():
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print([m for m in ('torch', 'jax') if m in sys.modules], file=sys.stderr))\n"
        "sys.argv = ['opdf', '--help']\n"
        "from opdf.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "demo" in done.stdout


@pytest.mark.parametrize(("missing", "extra"), [("tyro", "cli"), ("torch", "torch"), ("jax", "jax")])
def test_a_missing_extra_is_one_line_and_status_2(missing, extra, tmp_path):
    backend = missing if missing in ("torch", "jax") else "torch"
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"sys.argv = ['opdf', 'demo', '--backend', {backend!r}, '--out', {str(tmp_path)!r}]\n"
        "from opdf.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"this needs {missing}, which is not installed; pip install 'opdf[{extra}]'" in done.stderr
