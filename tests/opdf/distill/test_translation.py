"""Runs of translations from start to end: what they leave, what is taught, and that cutting them changes nothing."""

import dataclasses
import json

import numpy as np
import pytest
import task_files as files
import tiny_runs
from safetensors.numpy import load_file

from opdf import translation
from opdf.distill import distill
from opdf.distill._check import check
from opdf.distill._config import Translation
from opdf.distill._idle import idle
from opdf.distill._teachers import FineTuning
from opdf.models.networks import load
from opdf.report import read
from opdf.tasks import load as load_task
from opdf.tasks import scores
from tensornet import Plan, TensorNetError


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of word- and sequence-level distillation with factors, aligned, and its folder."""
    folder = tmp_path_factory.mktemp("translations")
    changes = {"translation__sequence": True, "opdf__on": True, "opdf__cores": 3, "opdf__alignment": 1.0}
    config = tiny_runs.translations(folder, **changes)
    return config, distill(config)


def test_the_student_translates_what_the_summary_says(done):
    config, summary = done
    folder = config.out / "student"
    assert {p.name for p in folder.iterdir()} == {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    translator = translation.load(folder)
    task = load_task(config.task, tokenizer=str(folder))
    sentences = [files.pair(200 + n)[0] for n in range(12)]
    said = np.array(translator.translate(sentences, beam=config.translation.beam), object)
    assert scores(task, said, task.test.labels) == pytest.approx(summary["test"])
    greedy = translator.translate([files.pair(100 + n)[0] for n in range(8)], beam=1)
    assert scores(task, np.array(greedy, object), task.dev.labels) == pytest.approx(summary["dev"])
    assert summary["signature"].startswith("nrefs:1|case:mixed")
    card = (config.out / "README.md").read_text()
    assert summary["signature"] in card
    assert "from opdf.translation import load" in card
    assert "It learnt from its teacher's translations" in card
    assert 'metrics: ["sacrebleu"]' in card
    assert summary["teacher"]["latency_ms"] > 0


def test_layers_of_both_stacks_are_factors_and_aligned_with_their_own(done):
    config, _ = done
    plan = Plan.from_json((config.out / "plan.json").read_text())
    assert len(plan) == 2 * 6 + 1 * 10
    assert plan.teachers["encoder.layers.0.attention.key.weight"] == "encoder.layers.0.attention.key.weight"
    assert plan.teachers["decoder.layers.0.cross.out.weight"] == "decoder.layers.1.cross.out.weight"
    last = read(config.out)[-1]
    assert {"labels", "answers"} == last["terms"].keys()
    assert last["alignment_loss"] > 0


def test_a_run_goes_on_from_its_student(done, tmp_path):
    config, summary = done
    again = tiny_runs.translations(tmp_path, teacher__source=str(config.out / "student"), teacher__epochs=0.0)
    again = dataclasses.replace(again, student=dataclasses.replace(again.student, layers=1))
    assert distill(again)["teacher"]["test"] == pytest.approx(summary["test"])


def test_weights_of_both_stacks_are_generated(done, tmp_path):
    config, _ = done
    changes = {"generator__on": True, "generator__share": 1.0, "student__width": 8, "student__heads": 2}
    summary = distill(tiny_runs.translations(tmp_path, cache=str(config.cache), host="labels", **changes))
    assert summary["student"]["training_parameters"] > 2 * summary["student"]["parameters"]
    assert translation.load(tmp_path / "run" / "student").network.architecture.width == 8


def test_targets_are_the_teachers_translations(done):
    config, _ = done
    task = load_task(config.task, tokenizer=str(config.out / "student"))
    (home,) = (config.cache / "teachers").iterdir()
    teacher = translation.Translator(load(home / "model", task), task.tokenizer)
    (kept,) = (config.cache / "retold").iterdir()
    stored = load_file(kept / "00000000.safetensors")
    rows = np.split(stored["pieces"], np.cumsum(stored["lengths"])[:-1])
    sentences = [files.pair(n)[0] for n in range(40)]
    assert [task.tokenizer.decode(row).strip() for row in rows] == teacher.translate(sentences, beam=2)
    assert json.loads((kept / "cache.json").read_text())["beam"] == 2


def test_a_run_that_was_cut_anywhere_ends_with_the_same_bits(done, tmp_path):
    whole, _ = done
    cut = dataclasses.replace(whole, out=tmp_path / "cut", cache=tmp_path / "cache")
    told, left = tiny_runs.killed_at([("teacher", 2), ("retell", 40), ("train", 4), ("train", 7)])
    while left:
        with pytest.raises(tiny_runs.Killed):
            distill(cut, resume=True, told=told)
    distill(cut, resume=True)
    bits = [
        {n: x.tobytes() for n, x in load_file(c.out / "student" / "model.safetensors").items()} for c in (whole, cut)
    ]
    assert bits[0] == bits[1]
    records = [[{k: v for k, v in r.items() if k != "seconds"} for r in read(c.out)] for c in (whole, cut)]
    assert records[0] == records[1]


def test_the_toy_language_is_learnt(tmp_path):
    """Each example of dev and test is, in other numbers, in train: what is measured is that something is learnt at all."""
    alone = {"host": "labels", "teacher__epochs": 0.0, "teacher__dropout": 0.0, "student__start": "random"}
    summary = distill(tiny_runs.translations(tmp_path, **alone, training__epochs=40.0, training__lr=1e-2))
    assert summary["test"]["bleu"] > 0.9 > 0.1 > summary["teacher"]["test"]["bleu"]
    student = translation.load(tmp_path / "run" / "student")
    assert student.translate(["A dog sees a cat."], beam=2) == ["Ein Hund ein Kater sieht."]


def test_teachers_that_weights_do_not_tell_apart_are_not_shared(done):
    config, _ = done
    task = load_task(config.task)
    changes = ({}, {"heads": 4}, {"dropout": 0.3})
    made = [dataclasses.replace(config, teacher=dataclasses.replace(config.teacher, **change)) for change in changes]
    made += [dataclasses.replace(config, translation=Translation(smoothing=0.0))]
    made += [dataclasses.replace(config, task=dataclasses.replace(config.task, max_length=config.task.max_length + 1))]
    assert len({FineTuning.of(c, task, "weights", config.out).home for c in made}) == 5
    decoded_otherwise = dataclasses.replace(config, translation=dataclasses.replace(config.translation, beam=9))
    homes = [FineTuning.of(c, task, "weights", config.out).home for c in (config, decoded_otherwise)]
    assert homes[0] == homes[1]


# ---- what is refused ------------------------------------------------------------------------------------------------

REFUSED = {
    "jax": ({"training__backend": "jax"}, r"training\.backend = 'jax' with task\.name = 'translation', needed 'torch'"),
    "another host": ({"host": "theseus"}, "host = 'theseus' with task.name = 'translation', needed 'kd' or 'labels'"),
    "hidden states": ({"kd__hidden": 1.0}, r"kd\.hidden above 0 with task\.name = 'translation', needed 0"),
    "weights": ({"kd__weights": 1.0}, r"kd\.weights above 0 with"),
    "kind": ({"student__kind": "vit"}, r"student\.kind with task\.name = 'translation', needed none"),
    "kronecker": ({"student__kronecker": 4.0}, r"student\.kronecker with task\.name = 'translation'"),
    "compact": ({"student__compact": "x"}, r"student\.compact with task\.name = 'translation'"),
    "smoothing": ({"translation__smoothing": 1.0}, r"translation\.smoothing = 1\.0, needed a number from 0 to below 1"),
    "beam": ({"translation__beam": 0}, r"translation\.beam = 0, needed a whole number ≥ 1"),
    "penalty": ({"translation__length_penalty": -1.0}, r"translation\.length_penalty = -1\.0, needed a number ≥ 0"),
    "no decoder": ({"teacher__decoder": 0}, r"teacher\.decoder = 0, needed a whole number ≥ 1, or none"),
    "no heads": ({"teacher__heads": 0}, r"teacher\.heads = 0, needed a whole number ≥ 1, or none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    changes, message = REFUSED[case]
    with pytest.raises(TensorNetError, match=message) as caught:
        check(tiny_runs.translations(tmp_path, **changes))
    assert "because" in str(caught.value)
    assert ";" in str(caught.value)


def test_what_only_translations_have_is_idle_elsewhere(tmp_path):
    config = tiny_runs.images(tmp_path, translation__beam=3, student__decoder=2)
    assert {line.partition(" = ")[0] for line in idle(config)} == {"translation.beam", "student.decoder"}
    assert list(idle(tiny_runs.translations(tmp_path, translation__beam=3, student__decoder=2))) == []
    (line,) = idle(tiny_runs.translations(tmp_path, teacher__kind="vit"))
    assert line.startswith("teacher.kind = vit is not read")
