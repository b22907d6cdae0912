"""Runs from start to end, on tiny files: what they leave behind, and that killing them changes nothing."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import tensornet as tn
from opdf.distill import distill
from opdf.models.networks import load
from opdf.report import read
from opdf.tasks import load as load_task
from opdf.tasks import scores
from tensornet import TensorNetError


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of texts and its folder."""
    config = tiny_runs.texts(tmp_path_factory.mktemp("texts"))
    return config, distill(config, command="opdf distill x.toml")


def test_the_folder_explains_itself(done):
    config, summary = done
    names = {path.name for path in config.out.iterdir() if not path.name.startswith(".")}
    assert names == {"README.md", "config.toml", "figures", "metrics.jsonl", "plan.json", "student", "summary.json"}
    assert json.loads((config.out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    plan = tn.Plan.from_json((config.out / "plan.json").read_text())
    assert len(plan) == 2 * 6  # layers alone: neither pooler nor head
    assert plan.teachers["bert.encoder.layer.0.attention.self.query.weight"].split(".")[3] == "1"
    start, *records = read(config.out)
    assert start.keys() == {"step", "entropies"}
    assert [r["step"] for r in records] == list(range(1, summary["steps"] + 1))
    assert all({"labels", "answers"} <= r["terms"].keys() and r["alignment_loss"] > 0 for r in records)
    last = records[-1]
    assert last["entropies"].keys() == plan.keys() == last["alignment"].keys()
    assert np.isclose(sum(last["alignment"].values()), last["alignment_loss"], rtol=0.2)
    card = (config.out / "README.md").read_text()
    assert "MRPC" in card.upper()
    assert (config.out / "student" / "README.md").read_text() == re.sub(r"!\[.*\n", "", card).replace("\n\n\n", "\n\n")
    assert list((config.out / "figures").glob("*.png"))


def test_the_student_is_an_ordinary_model_and_scores_what_the_summary_says(done):
    config, summary = done
    folder = config.out / "student"
    model, missing = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not missing["missing_keys"]
    assert not missing["unexpected_keys"]
    assert sum(p.numel() for p in model.parameters()) == summary["student"]["parameters"]
    assert summary["student"]["training_parameters"] > summary["student"]["parameters"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("good film")["input_ids"]
    task = load_task(config.task, tokenizer=str(folder))
    with torch.no_grad():
        inputs = {name: torch.from_numpy(x) for name, x in task.test.batch(np.arange(len(task.test))).items()}
        logits = model(**inputs).logits.numpy()
    assert scores(task, logits, task.test.labels) == pytest.approx(summary["test"])


def test_the_best_student_on_dev_is_shipped(done):
    config, summary = done
    evaluated = {r["step"]: r["dev"] for r in read(config.out) if "dev" in r}
    best = max(dev["f1"] for dev in evaluated.values())
    assert summary["dev"]["f1"] == best == evaluated[summary["best_step"]]["f1"]
    task = load_task(config.task, tokenizer=str(config.out / "student"))
    model = load(config.out / "student", task)
    with torch.no_grad():
        inputs = {name: torch.from_numpy(x) for name, x in task.dev.batch(np.arange(len(task.dev))).items()}
        assert scores(task, model(**inputs).logits.numpy(), task.dev.labels) == pytest.approx(summary["dev"])


def test_resuming_what_has_ended_returns_its_summary(done):
    config, summary = done
    before = (config.out / "summary.json").stat().st_mtime_ns
    assert distill(config, resume=True) == json.loads(json.dumps(summary))
    assert (config.out / "summary.json").stat().st_mtime_ns == before


def test_what_has_ended_is_not_the_result_of_other_files(done):
    config, summary = done
    moved = dataclasses.replace(config, task=dataclasses.replace(config.task, folder=Path("/elsewhere/mrpc")))
    assert distill(moved, resume=True)["test"] == summary["test"]
    other = dataclasses.replace(config, teacher=dataclasses.replace(config.teacher, source="/elsewhere/another"))
    with pytest.raises(TensorNetError, match=r"has ended, with another teacher\.source than the configuration given"):
        distill(other, resume=True)


@pytest.mark.parametrize("make", [tiny_runs.images, tiny_runs.texts])
def test_a_run_that_was_cut_anywhere_ends_with_the_same_bits(tmp_path, make):
    whole, cut = make(tmp_path, out=str(tmp_path / "whole")), make(tmp_path, out=str(tmp_path / "cut"))
    cut = dataclasses.replace(cut, cache=tmp_path / "another cache")
    distill(whole)
    ended_though_cut(cut, [("teacher", 4), ("train", 1), ("train", 4), ("train", 5), ("train", 8)])
    assert _weights(whole) == _weights(cut)
    assert _records(whole) == _records(cut)


METHODS = {
    "generators": {  # on either side of the switch at step 5 and on it
        "generator__on": True,
        "student__layers": 3,
        "student__width": 4,
        "student__heads": 1,
        "opdf__on": False,
        "opdf__alignment": 0.0,
    },
    "theseus": {"host": "theseus"},
    "lgtm": {"host": "lgtm"},
    "dbkd": {"host": "dbkd", "dbkd__samples": 2},
    "adkd": {"host": "adkd", "adkd__steps": 1},
    "kronecker": {
        "student__kronecker": 1.5,
        "kd__hidden": 1.0,
        "kd__attention": 1.0,
        "opdf__on": False,
        "opdf__alignment": 0.0,
    },
}


@pytest.mark.parametrize("method", METHODS)
def test_so_does_one_of_any_method(tmp_path_factory, method):
    here = tmp_path_factory.getbasetemp() / "methods"  # one teacher for all of them
    here.mkdir(exist_ok=True)
    whole, cut = (tiny_runs.texts(here, out=str(here / f"{method} {n}"), **METHODS[method]) for n in ("whole", "cut"))
    distill(whole)
    ended_though_cut(cut, [("train", 4), ("train", 8)])
    assert _weights(whole) == _weights(cut)
    assert _records(whole) == _records(cut)


def ended_though_cut(config, moments):
    told, left = tiny_runs.killed_at(moments)
    while True:
        try:
            distill(config, resume=True, told=told)
            break
        except tiny_runs.Killed:
            continue
    assert not left


def _weights(config):
    return {name: x.tobytes() for name, x in load_file(config.out / "student" / "model.safetensors").items()}


def _records(config):
    return [{k: v for k, v in r.items() if k != "seconds"} for r in read(config.out)]
