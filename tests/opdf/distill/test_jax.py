"""Runs in JAX: the same folders, bits that a kill does not change, the losses of PyTorch, and no PyTorch."""

import dataclasses
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny_runs
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification

from opdf.distill import distill
from opdf.distill._cache import Taught
from opdf.distill._check import check
from opdf.distill._jax import JaxEngine
from opdf.distill._jax_plan import plan_of as jax_plan
from opdf.distill._jax_teaching import weights_digest as jax_digest
from opdf.distill._plan import plan_of
from opdf.distill._teaching import weights_digest
from opdf.distill._toml import to_toml
from opdf.distill._torch import TorchEngine
from opdf.hosts import host
from opdf.models import Student, Teacher, jax_networks, networks
from opdf.report import read
from opdf.tasks import load
from tensornet import TensorNetError

JAX = {"training__backend": "jax"}
ONE = "bert.encoder.layer.0.attention.self.query.weight"  # of the weights, so that little is compiled

# A run where PyTorch cannot be imported. Transformers, which has the tokenizer, loads it otherwise.
WITHOUT_TORCH = """
import importlib.util, sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)
from opdf.distill import distill, read
distill(read(sys.argv[1]))
assert "torch" not in sys.modules
"""


def loaded(config):
    return load(config.task, tokenizer=config.teacher.source)


def test_texts_without_pytorch_end_in_a_student_that_pytorch_loads(tmp_path):
    tiny_runs.write_encoder(tmp_path / "small", num_hidden_layers=2)
    rest = {"teacher__source": str(tmp_path / "small"), "student__layers": 1, "opdf__rules": [ONE]}
    config = tiny_runs.texts(tmp_path, **JAX, **rest)
    (tmp_path / "config.toml").write_text(to_toml(config))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path / "config.toml")],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert not done.returncode, done.stderr
    records = read(config.out)
    assert all({"labels", "answers"} <= r["terms"].keys() and r["alignment_loss"] > 0 for r in records if "loss" in r)
    assert records[-1]["entropies"].keys() == records[-1]["alignment"].keys() == {ONE}

    task, folder = loaded(config), config.out / "student"
    model, found = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    same_answers(jax_networks.load(folder, task), model.eval(), task)


def same_answers(ours, model, task):
    inputs = task.dev.batch(np.arange(4))
    with torch.no_grad():
        theirs = networks.outputs(model, {n: torch.from_numpy(x) for n, x in inputs.items()})["logits"].numpy()
    np.testing.assert_allclose(jax_networks.answer(ours.network, ours.weights, inputs), theirs, rtol=0, atol=1e-5)


def test_a_run_that_was_cut_ends_with_the_same_bits(tmp_path):
    whole, cut = (tiny_runs.images(tmp_path, out=str(tmp_path / name), **JAX) for name in ("whole", "cut"))
    cut = dataclasses.replace(cut, cache=tmp_path / "another cache")
    summary = distill(whole)
    told, _ = tiny_runs.killed_at([("teacher", 4), ("train", 5)])
    for _ in range(2):
        with pytest.raises(tiny_runs.Killed):
            distill(cut, resume=True, told=told)
    distill(cut, resume=True, told=told)
    ours, theirs = (load_file(c.out / "student" / "model.safetensors") for c in (whole, cut))
    assert {n: x.tobytes() for n, x in ours.items()} == {n: x.tobytes() for n, x in theirs.items()}
    assert [records(whole)] == [records(cut)]
    assert summary["fold_error"] < 1e-6
    assert (
        summary["student"]["training_parameters"]
        > summary["student"]["parameters"]
        == sum(x.size for x in ours.values())
    )
    task = loaded(whole)
    same_answers(jax_networks.load(whole.out / "student", task), networks.load(whole.out / "student", task), task)


def records(config):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read(config.out)]


@pytest.mark.parametrize("sizes", [{}, {"feed_forward": 32}])
def test_networks_are_those_of_pytorch(tmp_path, sizes):
    task = loaded(tiny_runs.images(tmp_path))
    spec = Teacher(depth=1, width=8, **sizes)
    theirs, ours = networks.make_teacher(spec, task), jax_networks.make_teacher(spec, task)
    assert ours.network.shapes == {name: tuple(w.shape) for name, w in theirs.state_dict().items()}


def test_a_residual_network_with_heads_is_refused(tmp_path):
    task = loaded(tiny_runs.images(tmp_path))
    with pytest.raises(TensorNetError, match="residual network: heads=2"):
        jax_networks.make_teacher(Teacher(depth=1, width=8, heads=2), task)


def test_losses_are_those_of_pytorch(tmp_path):
    """The same teacher, cache, start and order of examples: 10 steps of KD, OPDF and Procrustes alignment, no dropout."""
    config = tiny_runs.images(tmp_path, opdf__resync_every=3, training__max_grad_norm=0.5)
    task = loaded(config)
    made = networks.make_teacher(Teacher(depth=2, width=8), task)
    networks.save(made, tmp_path / "teacher", task)
    theirs, ours = networks.load(tmp_path / "teacher", task), jax_networks.load(tmp_path / "teacher", task)
    assert weights_digest(theirs) == jax_digest(ours)  # so that a teacher of one framework serves the other

    start = networks.make_student(config.student, theirs, task, 0)
    same = {name: w.detach().numpy().copy() for name, w in start.state_dict().items()}
    ours_start = dataclasses.replace(jax_networks.make_student(config.student, ours, 0), weights=same)
    logits = np.random.default_rng(0).normal(size=(len(task.train), 10)).astype(np.float32)
    taught = Taught({"logits": logits}, frozenset())
    method = host("kd")(start, theirs, task, config.kd, 10)
    engines = (
        TorchEngine(config, method, task.train, taught),
        JaxEngine(config, ours_start, ours, task.train, taught, 10),
    )
    assert engines[0].plan.to_json() == engines[1].plan.to_json()
    for step in range(10):
        rows = np.arange(10) + 4 * step
        a, b = (engine.step(rows, step, 1e-2 / (step + 1)) for engine in engines)
        keys = ("loss", "grad_norm", "alignment_loss")
        np.testing.assert_allclose([a[k] for k in keys], [b[k] for k in keys], rtol=1e-4)
        assert a["terms"] == pytest.approx(b["terms"], rel=1e-4)
    for name, w in engines[0].weights().items():
        np.testing.assert_allclose(engines[1].weights()[name], w, rtol=0, atol=2e-5)
    assert engines[0].facts()["training_parameters"] == engines[1].facts()["training_parameters"]


def test_an_encoder_has_the_plan_of_pytorch_and_dropout_by_key(tmp_path):
    config = tiny_runs.texts(tmp_path)
    task = loaded(config)
    theirs, ours = networks.load(config.teacher.source, task), jax_networks.load(config.teacher.source, task)
    spec = Student(layers=2, start="random", width=12, heads=3)
    a, b = networks.make_student(spec, theirs, task, 0), jax_networks.make_student(spec, ours, 0)
    assert {n: tuple(w.shape) for n, w in a.state_dict().items()} == {n: w.shape for n, w in b.weights.items()}
    for opdf in (config.opdf, dataclasses.replace(config.opdf, rules=("all-linear",))):
        plans = plan_of(a, opdf, theirs), jax_plan(b.network, opdf, ours.network)
        assert dict(plans[0]) == dict(plans[1])
    inputs = task.dev.batch(np.arange(2))
    drop = jax.jit(lambda key: b.network.logits(b.weights, inputs, key))
    one, again, other = (drop(jax.random.key(seed)) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"host": "lgtm"}, "host = 'lgtm'"),
        *(
            ({f"kd__{name}": 1.0}, f"kd.{name} = 1.0")
            for name in ("hidden", "attention", "ffn", "embedding", "weights")
        ),
        ({"teacher__kind": "vit"}, "teacher.kind = 'vit'"),
        ({"student__kind": "hierarchical"}, "student.kind = 'hierarchical'"),
    ],
)
def test_what_needs_pytorch_is_refused(values, said, tmp_path):
    check(tiny_runs.images(tmp_path, **{k: v for k, v in values.items() if k != "host"}))  # is fine there
    with pytest.raises(TensorNetError, match=r"take training\.backend = 'torch'") as caught:
        check(tiny_runs.images(tmp_path, **values, **JAX))
    assert said in str(caught.value)


def test_a_vit_and_a_device_that_is_not_there_are_refused(tmp_path):
    config = tiny_runs.images(tmp_path, **JAX)
    task = loaded(config)
    networks.save(networks.make_teacher(Teacher(kind="vit", depth=1, width=8), task), tmp_path / "vit", task)
    with pytest.raises(TensorNetError, match="a network of kind 'vit' in JAX"):
        jax_networks.load(tmp_path / "vit", task)
    teacher = jax_networks.make_teacher(config.teacher, task)
    with pytest.raises(TensorNetError, match="kind='vit' in JAX"):
        jax_networks.make_student(Student(kind="vit"), teacher, 0)
    with pytest.raises(TensorNetError, match=r"training\.device = 'cuda:7' is none that JAX has"):
        distill(tiny_runs.images(tmp_path, **JAX, training__device="cuda:7"))
