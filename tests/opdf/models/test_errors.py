"""What is no teacher and no student, and in which words."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from opdf.models import Student, Teacher
from opdf.models.networks import load, make_student, make_teacher, save
from opdf.tasks import Examples
from tensornet import TensorNetError


def edited(folder: Path, **changes):
    """The folder with other tensors: a function of the old one, or None to take it away."""
    tensors = load_file(folder / "model.safetensors")
    for name, change in changes.items():
        name = name.replace("__", ".")
        tensors[name] = torch.zeros(change) if change else None
    save_file({n: w for n, w in tensors.items() if w is not None}, folder / "model.safetensors", {"format": "pt"})
    return folder


def configured(folder: Path, **changes):
    """The folder with other entries of config.json."""
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return folder


LAYER = "bert__encoder__layer__0__output__dense__weight"

CHECKPOINTS = {
    "nothing there": (lambda f: f / "none", r"load: .*none cannot be read .*; check the path, or download"),
    "no configuration": (lambda f: (f / "config.json").unlink(), "cannot be read"),
    "half a configuration": (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "cannot be read .*model.safetensors"),
    "half the weights": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:5000]),
        "cannot be read",
    ),
    "heads that do not divide": (lambda f: configured(f, num_attention_heads=3), "cannot be read .*not a multiple"),
    "another architecture": (
        lambda f: AutoConfig.for_model("gpt2").save_pretrained(f),
        "is a model of type 'gpt2', needed an encoder, one of bert, .*; take such a model",
    ),
    "a decoder": (
        lambda f: configured(f, is_decoder=True),
        "is a model of type 'bert' for decoding, needed an encoder",
    ),
    "another head": (
        lambda f: edited(configured(f, id2label={0: "a", 1: "b"}), classifier__weight=(2, 16), classifier__bias=(2,)),
        r"has a head for 2 labels \(classifier.* \(2.*\), needed 3, because task tiny has as many; take a teacher of this",
    ),
    "labels in another order": (
        lambda f: configured(f, id2label={0: "YES", 1: "NO", 2: "MAYBE"}),
        "has labels yes, no, maybe and task tiny has no, maybe, yes, needed the same order, .*; reorder",
    ),
    "a weight too few": (lambda f: edited(f, **{LAYER: None}), "lacks encoder.layer.0.output.dense.weight, has nobody"),
    "half a head": (lambda f: edited(f, classifier__bias=None), "lacks classifier.bias, has .*; save it again with"),
    "a weight too many": (lambda f: edited(f, bert__encoder__odd=(1,)), "has nobody's bert.encoder.odd, and"),
    "a weight of another shape": (
        lambda f: edited(f, **{LAYER: (3, 3)}),
        r"says bert.encoder.*weight \(3, 3\); needed",
    ),
}


AS_IT_IS = {
    "no head": (
        lambda f: edited(f, classifier__weight=None, classifier__bias=None),
        r"has no head for task tiny, needed one, because teacher.epochs = 0 .*; give teacher.epochs above 0",
    ),
    "labels of other names": (
        lambda f: configured(f, id2label={0: "good", 1: "so so", 2: "bad"}),
        "has labels good, so so, bad and task tiny has no, maybe, yes, needed the same names, .*; give it the task's",
    ),
}


@pytest.mark.parametrize("backend", ["networks", "jax_networks"])
@pytest.mark.parametrize(("spoil", "message"), AS_IT_IS.values(), ids=AS_IT_IS)
def test_what_is_refused_of_a_teacher_that_is_not_fine_tuned(spoil, message, backend, encoder, texts):
    make_teacher = importlib.import_module(f"opdf.models.{backend}").make_teacher
    teacher, task = Teacher(str(encoder())), texts()
    make_teacher(teacher, task, head="needed")
    configured(Path(teacher.source), id2label={0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"})
    make_teacher(teacher, task, head="needed")  # by place
    spoil(Path(teacher.source))
    make_teacher(teacher, task)
    with pytest.raises(TensorNetError, match=message):
        make_teacher(teacher, task, head="needed")


def test_a_head_that_is_judged_may_be_missing_but_not_foreign(encoder, texts):
    folder, task = encoder(), texts()
    configured(folder, id2label={0: "good", 1: "so so", 2: "bad"})
    with pytest.raises(TensorNetError, match="has labels good, so so, bad and task tiny has no, maybe, yes"):
        make_teacher(Teacher(str(folder)), task, head="judged")
    edited(folder, classifier__weight=None, classifier__bias=None)
    make_teacher(Teacher(str(folder)), task, head="judged")


@pytest.mark.parametrize("backend", ["networks", "jax_networks"])
def test_labels_are_known_by_their_numbers(backend, encoder, texts):
    """A file may name them in any order."""
    load, folder, task = importlib.import_module(f"opdf.models.{backend}").load, encoder(), texts()
    configured(folder, id2label={2: "yes", 0: "no", 1: "maybe"})
    load(folder, task)
    configured(folder, id2label={1: "no", 0: "maybe", 2: "yes"})
    with pytest.raises(TensorNetError, match="has labels maybe, no, yes and task tiny has no, maybe, yes"):
        load(folder, task)


@pytest.mark.parametrize(("spoil", "message"), CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_checkpoints(spoil, message, encoder, texts):
    folder = encoder()
    spoilt = spoil(folder)
    with pytest.raises(TensorNetError, match=message) as caught:
        load(spoilt if isinstance(spoilt, Path) else folder, texts())
    assert ";" in str(caught.value)


def test_what_the_task_has_and_the_encoder_has_not(encoder, texts):
    folder = encoder()
    with pytest.raises(TensorNetError, match=r"has 60 rows for input_ids and task tiny an id 60, needed ids .*; take"):
        load(folder, texts(ids=61))
    task = texts()
    task.train.fields["token_type_ids"][1][0] = 2
    with pytest.raises(TensorNetError, match=r"has 2 rows for token_type_ids and task tiny an id 2,"):
        load(folder, task)
    with pytest.raises(TensorNetError, match=r"has 16 positions and task tiny an example of 17 tokens, .*; lower"):
        load(folder, texts(length=17))
    with pytest.raises(TensorNetError, match=r"has 15 positions and task tiny an example of 16 tokens"):
        load(encoder("roberta"), texts(length=16))
    load(folder, texts(length=16))


STUDENTS = {
    "deeper": (Student(5), "student: 5 layers for 4 of the teacher's, needed as many at most, .*; set student.layers"),
    "no layers": (Student(0), "student: layers=0, needed at least 1"),
    "no width": (Student(2, "random", width=0, heads=-1), "student: width=0, heads=-1, needed"),
    "narrower copies": (
        Student(2, width=8),
        r"student: width=8 \(teacher: 16\), feed_forward=16 \(teacher: 32\) with start='teacher', needed .*; set student.start",
    ),
    "other heads": (Student(2, heads=4), r"student: heads=4 \(teacher: 2\) with start='teacher'"),
    "heads that do not divide": (Student(2, "random", heads=3), "student: 3 heads for width 16, needed a divisor"),
    "a family": (Student(2, kind="vit"), "student: kind='vit' with an encoder as teacher, needed none, .*; leave"),
}


@pytest.mark.parametrize(("spec", "message"), STUDENTS.values(), ids=STUDENTS)
def test_students(spec, message, encoder, texts):
    task = texts()
    with pytest.raises(TensorNetError, match=message):
        make_student(spec, load(encoder(), task), task, seed=0)


IMAGE_STUDENTS = {
    "deeper": (Student(5), "student: 3 layers for 2 of the teacher's in one stage, needed"),
    "another family": (
        Student(2, kind="residual"),
        r"kind=residual \(teacher: hierarchical\), .* with start='teacher'",
    ),
    "heads of a residual network": (
        Student(2, "random", kind="residual", heads=2),
        "residual network: heads=2, patch=0, needed none, because it has no attention; leave",
    ),
    "a stage without blocks": (Student(1, "random"), "hierarchical network: depth=1, .*, needed 2 blocks or more"),
    "an odd width": (
        Student(2, "random", width=17),
        "hierarchical network: depth=2, width=17, feed_forward=68, needed",
    ),
    "heads that do not divide": (Student(2, "random", heads=3), "hierarchical network: 3 heads for width 8, needed a"),
}


@pytest.mark.parametrize(("spec", "message"), IMAGE_STUDENTS.values(), ids=IMAGE_STUDENTS)
def test_image_students(spec, message, images):
    teacher = make_teacher(Teacher(kind="hierarchical", depth=4, width=16), images)
    with pytest.raises(TensorNetError, match=message):
        make_student(spec, teacher, images, seed=0)


ARCHITECTURES = {
    "half a size": ({"width": 8.0}, "width=8.0, .*: needed positive integers, .*; correct them"),
    "no image": ({"image": 8}, "image=8, .*: needed positive integers"),
    "a patch of letters": ({"patch": "2"}, "patch='2'.*: needed positive integers"),
    "patches that do not tile": (
        {"patch": 3},
        "vit network: patches of 3×3 for images of 8×8, needed a common divisor",
    ),
    "no heads": ({"heads": 0}, "vit network: 0 heads for width 8, needed a divisor"),
    "no patches": ({"patch": 0}, "vit network: patches of 0×0"),
    "no tensors of its own": ({"depth": 3}, r"lacks blocks.2.* \(16 in all\).*needed exactly its tensors"),
    "a tensor of another shape": ({"width": 16}, r"of another shape than config.json says .*\(.*; needed exactly"),
    "an unknown key": ({"stem": 1}, "lacks nothing and has unknown stem, needed classes, depth"),
    "other classes": ({"classes": 3}, "lacks nothing, has nobody's nothing, and of another shape .*head"),
}


@pytest.mark.parametrize(("changes", "message"), ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_image_folders(changes, message, images, tmp_path):
    save(make_teacher(Teacher(kind="vit", depth=2, width=8), images), tmp_path / "vit", images)
    with pytest.raises(TensorNetError, match=message):
        load(configured(tmp_path / "vit", **changes), images)


def test_networks_of_another_task(encoder, texts, images, tmp_path):
    save(make_teacher(Teacher(depth=2, width=8), images), tmp_path / "net", images)
    with pytest.raises(
        TensorNetError, match=r"net is an image network, needed an encoder, because task tiny is of texts"
    ):
        load(tmp_path / "net", texts())
    with pytest.raises(
        TensorNetError, match=r"holds no image network, needed one, because task tiny is of images; give"
    ):
        load(encoder(), images)
    with pytest.raises(TensorNetError, match=r"teacher: no source for task tiny, needed .*; set teacher.source"):
        make_teacher(Teacher(), texts())
    smaller = replace(images, train=Examples({"pixels": np.zeros((1, 4, 8))}, np.zeros(1)))
    with pytest.raises(
        TensorNetError, match=r"is for images \(8, 8\) of 2 classes, needed \(4, 8\) of 2, because task"
    ):
        load(tmp_path / "net", smaller)
    (tmp_path / "net" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(TensorNetError, match=r"load: .* cannot be read .*, needed a whole safetensors file"):
        load(tmp_path / "net", images)


def test_nothing_else_is_replaced(images, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    model = make_teacher(Teacher(depth=2, width=8), images)
    with pytest.raises(TensorNetError, match=r"is a folder without config.json, needed none, .*; choose another one"):
        save(model, tmp_path, images)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_full_disk_leaves_the_old_folder(images, tmp_path, monkeypatch):
    model = make_teacher(Teacher(depth=2, width=8), images)
    save(model, tmp_path / "net", images)
    before = (tmp_path / "net" / "model.safetensors").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("opdf.models._images.save_file", full)
    with pytest.raises(
        TensorNetError, match=r"save: .*net cannot be written \(.*No space left on device\), .*; free some"
    ):
        save(model, tmp_path / "net", images)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]
    assert (tmp_path / "net" / "model.safetensors").read_bytes() == before
