"""Weight Distillation as a run: two phases, one student."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_runs
import torch
from safetensors.numpy import load_file

import tensornet as tn
from opdf.distill import distill
from opdf.distill._cache import Taught
from opdf.distill._check import check
from opdf.distill._config import Training
from opdf.distill._jax import JaxEngine
from opdf.distill._order import learning_rate, rate
from opdf.distill._torch import TorchEngine
from opdf.hosts import host
from opdf.models import jax_networks, networks
from opdf.report import read
from opdf.tasks import load

ON = {"generator__on": True, "opdf__on": False, "opdf__alignment": 0.0}
NARROW = {"student__layers": 3, "student__width": 4, "student__heads": 1, "student__feed_forward": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three layers of width 4 out of four of width 8, and of one head out of two."""
    config = tiny_runs.texts(tmp_path_factory.mktemp("generator"), **ON, **NARROW)
    return config, distill(config)


def test_the_schedule_begins_anew(run):
    config, summary = run
    found = [r["lr"] for r in read(config.out) if "lr" in r]
    half = summary["steps"] // 2
    expected = [learning_rate(config.training.lr, k, half, 0.1, "linear") for k in range(half)]
    assert found[:half] == expected
    assert found[half] > found[half - 1]
    assert len(found) == summary["steps"]


def test_projections_begin_at_the_best_fit_of_the_student_that_is_generated(tmp_path):
    config = tiny_runs.images(tmp_path, **ON, kd__hidden=1.0, student__width=6, student__feed_forward=6)
    task = load(config.task)
    teacher = networks.make_teacher(config.teacher, task)
    student = networks.make_student(dataclasses.replace(config.student, start="random"), teacher, task, 0)
    method = host("kd")(student, teacher, task, config.kd, 8)
    before = {name: p.detach().clone() for name, p in method.inside.projections.items()}
    TorchEngine(config, method, task.train, None)
    best = method.inside._fitted(student, task)
    assert before.keys() == best.keys() != set()
    for name, p in method.inside.projections.items():
        assert torch.equal(p, best[name])
        assert not torch.allclose(p, before[name], atol=1e-2)


def test_the_student_is_dense_and_small(run):
    config, summary = run
    weights = load_file(config.out / "student" / "model.safetensors")
    assert weights["bert.encoder.layer.2.output.dense.weight"].shape == (4, 8)
    shipped = sum(w.size for w in weights.values())
    assert summary["student"]["parameters"] == shipped < summary["student"]["training_parameters"]
    # of the first phase, in which all is generated
    assert summary["student"]["training_parameters"] == summary["generator_parameters"]
    assert "Weight Distillation" in (config.out / "README.md").read_text()


def test_the_plan_is_written(run):
    config, summary = run
    plan = tn.Generators.from_json((config.out / "plan.json").read_text())
    assert plan.num_params == summary["generator_parameters"]
    assert plan["bert.encoder.layer.2.output.dense.weight"].sources == tuple(
        f"bert.encoder.layer.{k}.output.dense.weight" for k in (2, 3)
    )
    assert {g.widths for g in plan.values()} == {(4, 4)}  # whole heads of 4
    assert json.loads((config.out / "summary.json").read_text())["generator"]["share"] == 0.5


def test_the_first_phase_can_be_all(tmp_path):
    summary = distill(
        tiny_runs.texts(tmp_path, **ON, generator__share=1.0, generator__start="published", host="labels")
    )
    assert summary["fold_error"] < 1e-6
    assert summary["student"]["training_parameters"] == summary["generator_parameters"]


def test_encoder_and_decoder(tmp_path):
    config = tiny_runs.translations(tmp_path, **{**ON, "generator__start": "teacher"})
    summary = distill(config)
    plan = tn.Generators.from_json((config.out / "plan.json").read_text())
    depths = {n.split(".")[0]: g.depth for n, g in plan.items() if ".layers." in n}
    assert depths == {"encoder": 1, "decoder": 2}
    assert np.isfinite(summary["test"]["bleu"])


def test_rates_of_two_phases():
    training = Training(lr=1.0, warmup=0.5)
    found = [rate(training, k, 12, 4) for k in range(12)]
    assert found[:4] == [rate(training, k, 4, 0) for k in range(4)]
    assert found[4:] == [rate(training, k, 8, 0) for k in range(8)]
    assert [rate(training, k, 4, 4) for k in range(4)] == found[:4]  # one phase that is all


def test_jax_trains_as_pytorch_does_in_both_phases(tmp_path):
    """The same teacher, start, random numbers and order of examples: four steps of generators, four without."""
    values = {**ON, "generator__start": "published", "student__width": 6, "student__feed_forward": 6}
    config = tiny_runs.images(tmp_path, **values)
    task = load(config.task)
    networks.save(networks.make_teacher(config.teacher, task), tmp_path / "teacher", task)
    theirs, ours = networks.load(tmp_path / "teacher", task), jax_networks.load(tmp_path / "teacher", task)
    spec = dataclasses.replace(config.student, start="random")
    taught = Taught({"logits": np.random.default_rng(0).normal(size=(len(task.train), 10)).astype("f4")}, frozenset())
    method = host("kd")(networks.make_student(spec, theirs, task, 0), theirs, task, config.kd, 8)
    engines = (
        TorchEngine(config, method, task.train, taught),
        JaxEngine(config, jax_networks.make_student(spec, ours, 0), ours, task.train, taught, 8),
    )
    assert engines[0].plan == engines[1].plan
    assert engines[0].switch == engines[1].switch == 4
    for step in range(8):
        rows = np.arange(10) + 4 * step
        a, b = (engine.step(rows, step, 1e-2) for engine in engines)
        np.testing.assert_allclose(
            [a[k] for k in ("loss", "grad_norm")], [b[k] for k in ("loss", "grad_norm")], rtol=1e-3
        )
        if step in (3, 7):
            facts = [engine.facts() for engine in engines]
            assert facts[0].pop("fold_error", 0) < 1e-6
            assert facts[1].pop("fold_error", 0) < 1e-6
            assert facts[0] == facts[1]


def test_a_run_in_jax_that_was_cut_ends_with_the_same_bits(tmp_path):
    """In its second phase, whose checkpoint an engine loads that begins with the first."""
    values = {**ON, "training__backend": "jax", "teacher__epochs": 0.0, "kd__alpha": 0.0}
    whole, cut = (tiny_runs.images(tmp_path, out=str(tmp_path / name), **values) for name in ("whole", "cut"))
    distill(whole)
    with pytest.raises(tiny_runs.Killed):
        distill(cut, told=tiny_runs.killed_at([("train", 8)])[0])
    distill(cut, resume=True)
    ours, theirs = (load_file(c.out / "student" / "model.safetensors") for c in (whole, cut))
    assert {n: x.tobytes() for n, x in ours.items()} == {n: x.tobytes() for n, x in theirs.items()}


REFUSED = {
    "opdf.on": (
        {"opdf__on": True},
        "opdf.on = true with generator.on = true, needed otherwise, because .*; change it, or",
    ),
    "host": ({"host": "lgtm"}, "host = 'lgtm' with generator.on = true"),
    "kronecker": ({"student__kronecker": 2.0}, "a student of Kronecker products with generator.on = true"),
    "share": (
        {"generator__share": 0.0},
        "generator.share = 0.0, needed a number above 0, at most 1, because .*; correct it",
    ),
}


@pytest.mark.parametrize("key", REFUSED)
def test_refused(key, tmp_path):
    values, message = REFUSED[key]
    with pytest.raises(tn.TensorNetError, match=message):
        check(tiny_runs.texts(tmp_path, **{**ON, **values}))


def test_a_hierarchical_student_of_another_depth_is_refused(tmp_path):
    config = tiny_runs.images(tmp_path, **ON, teacher__kind="hierarchical")
    with pytest.raises(tn.TensorNetError, match=r"a hierarchical student of 1 layers from 2 with generator.on = true"):
        check(config)
    check(dataclasses.replace(config, student=dataclasses.replace(config.student, layers=2)))


def test_a_deeper_student_is_refused(tmp_path):
    with pytest.raises(tn.TensorNetError, match="of one of 5 layers, and the teacher has 4, needed as many at least"):
        distill(tiny_runs.texts(tmp_path, **ON, student__layers=5, student__width=4))
