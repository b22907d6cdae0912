"""What is set and not read is said, once, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest

from opdf.distill import read
from opdf.distill._command import command
from opdf.distill._idle import idle
from opdf.losses import dkd
from tensornet import TensorNetError

EXAMPLES = Path(__file__).parents[3] / "examples"
CASES = {
    "teacher.kind": ({"teacher.kind": "vit", "teacher.source": "x"}, "teacher.source says"),
    "teacher.lr": ({"teacher.lr": 1.0, "teacher.epochs": 0}, "not fine-tuned"),
    "teacher.whole_train": ({"teacher.whole_train": True}, "whole of train too"),
    "student.layer_map": ({"student.layer_map": "last", "student.start": "random-layers"}, "begin at random"),
    "kd.temperature": ({"kd.temperature": 7.0, "task.regression": True}, "a number is predicted"),
    "training.group_by_length": ({"training.group_by_length": True}, "images have no lengths"),
    "task.max_length": ({"task.max_length": 64}, "images have no lengths and no words"),
    "kd.beta": ({"kd.beta": 2.0}, "kd.decoupled is off"),
    "kd.weights_outside": ({"kd.weights_outside": True}, "kd.weights is 0"),
    "kd.decoupled": ({"kd.decoupled": True, "kd.alpha": 0}, "kd.alpha is 0"),
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


def test_what_decoupling_is_worth_with_two_classes(tmp_path):
    """Nothing: the loss is the same to the bit with any beta, as hinton's is."""
    (tmp_path / "x.toml").write_text('task.name = "mrpc"')
    (said,) = idle(read(tmp_path / "x.toml", {"kd.decoupled": True, "kd.beta": 3.0}))
    assert said == "kd.beta = 3.0 is not read, because of two classes there are no others to weigh"
    logits, theirs, labels = np.random.default_rng(0).standard_normal((2, 5, 2)), np.ones((5, 2)), np.arange(5) % 2
    losses = {float(dkd(logits[0], logits[1] + theirs, labels, temperature=2.0, beta=b)) for b in (0.0, 3.0)}
    assert len(losses) == 1


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_not_of_the_examples(path):
    made = path.stem.startswith(("fashion", "multi30k"))
    assert not list(idle(read(path, {} if made else {"teacher.source": "encoder"})))


def test_the_command_says_it_before_anything_happens(tmp_path, capsys):
    (tmp_path / "x.toml").write_text('out = "out"\ntask = {name = "fashion_mnist", folder = "nowhere"}\nkd.beta = 2.0')
    with pytest.raises(TensorNetError, match="nowhere"):
        command([str(tmp_path / "x.toml")])
    assert "kd.beta = 2.0 is not read" in " ".join(capsys.readouterr().err.split())
