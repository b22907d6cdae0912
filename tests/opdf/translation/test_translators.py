"""Teachers and students that translate: started from a teacher stack by stack, written, read, refused."""

import dataclasses
import json

import numpy as np
import pytest
import task_files as files
import torch

from opdf import translation
from opdf.models import Student, Teacher
from opdf.models.networks import latency, layers, load, make_student, make_teacher, outputs, save
from opdf.tasks import TaskSpec
from opdf.tasks import load as load_task
from tensornet import TensorNetError

SPEC = Teacher(depth=3, decoder=2, width=8, heads=2, feed_forward=12)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = files.parallel(tmp_path_factory.mktemp("parallel"))
    return load_task(TaskSpec("translation", folder, vocabulary=300, max_length=50))


@pytest.fixture(scope="module")
def teacher(task):
    return make_teacher(SPEC, task)


def inputs_of(task, n=4):
    return {name: torch.from_numpy(x) for name, x in task.dev.batch(np.arange(n)).items()}


def test_logits_are_of_every_piece(task, teacher):
    inputs = inputs_of(task)
    said = outputs(teacher, inputs)["logits"]
    assert (
        said.shape == (len(task.dev.targets(np.arange(4))), task.classes) == (inputs["target_mask"].sum(), task.classes)
    )


def test_a_student_starts_from_the_layers_of_each_stack(task, teacher):
    student = make_student(Student(layers=2, decoder=1, layer_map="uniform"), teacher, task, 1)
    ours, theirs = student.state_dict(), teacher.state_dict()
    pairs = {"encoder.layers.0.": 0, "encoder.layers.1.": 2, "decoder.layers.0.": 1}
    for start, j in pairs.items():
        stack = start.split(".")[0]
        mine = {n.removeprefix(start): w for n, w in ours.items() if n.startswith(start)}
        assert len(mine) == (16 if stack == "encoder" else 26)
        assert all(torch.equal(w, theirs[f"{stack}.layers.{j}.{n}"]) for n, w in mine.items())
    around = [n for n in ours if ".layers." not in n]
    assert len(around) == 6
    assert all(torch.equal(ours[n], theirs[n]) for n in around)
    assert student.training


def test_random_layers_and_random(task, teacher):
    layer, table = "decoder.layers.0.cross.key.weight", "encoder.embedding.weight"
    between = make_student(Student(layers=1, start="random-layers"), teacher, task, 1).state_dict()
    assert torch.equal(between[table], teacher.state_dict()[table])
    assert not torch.equal(between[layer], teacher.state_dict()[layer])
    wide = make_student(Student(layers=1, start="random", width=12, heads=3), teacher, task, 1)
    a = wide.architecture
    assert (a.encoder, a.decoder, a.width, a.heads, a.feed_forward) == (1, 1, 12, 3, 18)
    assert (a.vocabulary, a.positions, a.dropout) == (task.classes, 50, 0.1)


def test_a_folder_translates_as_the_network_does(task, teacher, tmp_path):
    save(teacher, tmp_path / "student", task)
    assert sorted(p.name for p in (tmp_path / "student").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    again = load(tmp_path / "student", task)
    inputs = inputs_of(task)
    assert torch.equal(outputs(again, inputs)["logits"], outputs(teacher, inputs)["logits"])
    translator = translation.load(tmp_path / "student")
    sentences = [files.pair(n)[0] for n in (200, 203)]
    found = translator.translate(sentences, beam=2)
    assert found == [translator.translate([s], beam=2)[0] for s in sentences]
    assert all(isinstance(text, str) for text in found)
    assert translator.translate([]) == []


def test_times_of_what_is_passed(task, teacher):
    asked = []
    times = latency(
        (teacher, teacher), inputs_of(task), rounds=3, answer=lambda model, inputs: asked.append(len(inputs))
    )
    assert len(times) == 2
    assert set(asked) == {4}
    assert len(asked) == 2 * (3 + 2)


# ---- what is refused ------------------------------------------------------------------------------------------------


def other_task(tmp_path, **settings):
    return load_task(TaskSpec("translation", files.parallel(tmp_path / "other"), **{"vocabulary": 300} | settings))


def saved(teacher, task, tmp_path):
    save(teacher, tmp_path / "teacher", task)
    return tmp_path / "teacher"


def edited(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def images(task):
    return dataclasses.replace(task, kind="images", name="fashion_mnist")


CASES = {
    "another vocabulary": (
        lambda t, task, tmp: load(saved(t, task, tmp), other_task(tmp, vocabulary=280)),
        r"has a vocabulary of its own, of 300 pieces, and task translation has another, of 280",
    ),
    "another vocabulary of the same size": (
        lambda t, task, tmp: load(saved(t, task, tmp), other_task(tmp, lowercase=True)),
        r"has a vocabulary of its own, of 300 pieces, and task translation has another, of 300",
    ),
    "fewer positions": (
        lambda t, task, tmp: load(edited(saved(t, task, tmp), positions=5), task),
        r"has 5 positions and task translation a sentence of \d+ pieces",
    ),
    "no images": (
        lambda t, task, tmp: load(saved(t, task, tmp), images(task)),
        "is a translation network, needed another one, because task fashion_mnist is of images",
    ),
    "nothing there": (lambda t, task, tmp: load(tmp / "nowhere", task), r"nowhere/config\.json cannot be read"),
    "something else": (
        lambda t, task, tmp: load(edited(saved(t, task, tmp), kind="vit"), task),
        "is of no translation network",
    ),
    "more in config.json": (
        lambda t, task, tmp: load(edited(saved(t, task, tmp), colour=3), task),
        "has unknown colour, needed decoder, dropout",
    ),
    "other sizes in config.json": (
        lambda t, task, tmp: translation.load(edited(saved(t, task, tmp), feed_forward=16)),
        "of another shape than config.json says",
    ),
    "heads": (
        lambda t, task, tmp: make_teacher(Teacher(depth=1, width=8, heads=3), task),
        "translation network: 3 heads for width 8, needed a divisor of it",
    ),
    "odd width": (lambda t, task, tmp: make_teacher(Teacher(depth=1, width=9, heads=3), task), "an even width"),
    "dropout": (lambda t, task, tmp: make_teacher(Teacher(depth=1, dropout=1.0), task), "dropout from 0 to below 1"),
    "heads of the student": (
        lambda t, task, tmp: make_student(Student(layers=1, start="random", heads=5), t, task, 0),
        "5 heads for width 8",
    ),
    "width of the teacher's": (
        lambda t, task, tmp: make_student(Student(layers=1, width=16), t, task, 0),
        r"student: width=16 \(teacher: 8\), feed_forward=24 \(teacher: 12\) with start='teacher'",
    ),
    "a deeper student": (
        lambda t, task, tmp: make_student(Student(layers=3), t, task, 0),
        "student: 3 layers for 2 of the teacher's decoder, needed as many at most",
    ),
    "no layers": (lambda t, task, tmp: make_student(Student(layers=1, decoder=0), t, task, 0), "student: decoder=0"),
    "kind": (
        lambda t, task, tmp: make_student(Student(layers=1, kind="vit"), t, task, 0),
        "kind='vit' with a translation network as teacher",
    ),
    "inside": (
        lambda t, task, tmp: outputs(t, inputs_of(task), ("logits", "hidden")),
        "wanted hidden of a translation network, needed logits alone",
    ),
    "layers": (lambda t, task, tmp: layers(t), "got a TranslationNetwork, needed an encoder of Transformers"),
    "a long sentence": (
        lambda t, task, tmp: translation.load(saved(t, task, tmp)).translate(["dog " * 60]),
        "translate: a sentence of 62 pieces, its end among them, needed 50 at most",
    ),
    "no beam": (
        lambda t, task, tmp: translation.load(saved(t, task, tmp)).translate(["A dog."], beam=0),
        "translate: beam=0, needed 1 or more",
    ),
    **{
        f"a length penalty of {value}": (
            lambda t, task, tmp, value=value: translation.load(saved(t, task, tmp)).translate(
                ["A dog."], length_penalty=value
            ),
            f"translate: length_penalty={value}, needed a number from 0 up",
        )
        for value in (-0.5, float("nan"), float("inf"))
    },
}


@pytest.mark.parametrize("case", CASES)
def test_error(case, task, teacher, tmp_path):
    attempt, message = CASES[case]
    with pytest.raises(TensorNetError, match=message) as caught:
        attempt(teacher, task, tmp_path)
    assert "because" in str(caught.value)
    assert ";" in str(caught.value)
