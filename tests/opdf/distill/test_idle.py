"""What is set and not read is said, once, and nothing else is."""

from pathlib import Path

import pytest

from opdf.distill import read
from opdf.distill._command import command
from opdf.distill._idle import idle
from tensornet import TensorNetError

EXAMPLES = Path(__file__).parents[3] / "examples"
CASES = {
    "teacher.kind": ({"teacher.kind": "vit", "teacher.source": "x"}, "teacher.source says"),
    "teacher.lr": ({"teacher.lr": 1.0, "teacher.epochs": 0}, "not fine-tuned"),
    "teacher.whole_train": ({"teacher.whole_train": True}, "whole of train too"),
    "student.layer_map": ({"student.layer_map": "last", "student.start": "random-layers"}, "begin at random"),
    "kd.temperature": ({"kd.temperature": 7.0, "task.regression": True}, "a number is predicted"),
    "training.group_by_length": ({"training.group_by_length": True}, "images have no lengths"),
    "kd.beta": ({"kd.beta": 2.0}, "kd.decoupled is off"),
    "kd.weights_outside": ({"kd.weights_outside": True}, "kd.weights is 0"),
    "kd.alpha": ({"kd.alpha": 0.1, "host": "labels"}, "the host is labels"),
    "lgtm.influence": ({"lgtm.influence": 0.1}, "the host is kd"),
    "generator.share": ({"generator.share": 0.3}, "generator.on is false"),
    "student.start": ({"student.start": "random", "generator.on": True}, "generators make all of the student"),
    "opdf.cores": ({"opdf.cores": 3}, "opdf.on is false"),
    "opdf.alignment_end": ({"opdf.alignment_end": 3.0, "opdf.on": True}, "opdf.alignment is 0"),
    "opdf.resync_every": (
        {"opdf.resync_every": 3, "opdf.on": True, "opdf.alignment": 1.0, "opdf.alignment_gauge": "none"},
        "only procrustes rotates",
    ),
}


@pytest.mark.parametrize("key", CASES)
def test_it_is_said(key, tmp_path):
    values, why = CASES[key]
    (tmp_path / "x.toml").write_text('task.name = "fashion_mnist"')
    (said,) = idle(read(tmp_path / "x.toml", values))
    assert said.startswith(f"{key} = {values[key]} is not read, because ")
    assert why in said


@pytest.mark.parametrize("key", ["task.tokenizer", "teacher.source"])
def test_the_size_of_a_vocabulary_that_is_not_learnt(key, tmp_path):
    (tmp_path / "x.toml").write_text('task.name = "translation"')
    values = {"task.vocabulary": 300, "task.lowercase": True}
    assert not list(idle(read(tmp_path / "x.toml", values)))
    (said,) = idle(read(tmp_path / "x.toml", values | {key: "x"}))  # `load` holds lowercase to the vocabulary
    assert said == "task.vocabulary = 300 is not read, because task.tokenizer or teacher.source brings a vocabulary"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_not_of_the_examples(path):
    made = path.stem.startswith(("fashion", "multi30k"))
    assert not list(idle(read(path, {} if made else {"teacher.source": "encoder"})))


def test_the_command_says_it_before_anything_happens(tmp_path, capsys):
    (tmp_path / "x.toml").write_text('out = "out"\ntask = {name = "fashion_mnist", folder = "nowhere"}\nkd.beta = 2.0')
    with pytest.raises(TensorNetError, match="nowhere"):
        command([str(tmp_path / "x.toml")])
    assert "kd.beta = 2.0 is not read" in " ".join(capsys.readouterr().err.split())
