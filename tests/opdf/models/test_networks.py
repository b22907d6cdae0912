"""Teachers and students: loaded, made, saved, and trained with and without OPDF."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from interplay.encoders import minilm
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

import tensornet_torch as tnt
from opdf.models import Student, Teacher
from opdf.models.networks import layer_pairs, load, make_student, make_teacher, outputs, save

KINDS = ("residual", "vit", "hierarchical")
EQUAL = {"rtol": 0, "atol": 0}


def teacher(kind, task, depth=4, seed=0):
    return make_teacher(Teacher(kind=kind, depth=depth, width=16, seed=seed), task)


def same(ours, theirs):
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


# encoders


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra"])
@pytest.mark.parametrize("head", ["classifier", "mlm", "none"])
def test_any_checkpoint_gets_a_head_of_the_task(kind, head, encoder, texts, batch, capfd):
    task = texts(classes=3)
    folder = encoder(kind, head)
    capfd.readouterr()
    model = load(folder, task, seed=1)
    assert capfd.readouterr() == ("", "")
    assert not model.training
    assert outputs(model, batch(task))["logits"].shape == (4, 3)
    assert model.config.id2label == {0: "no", 1: "maybe", 2: "yes"}
    assert model.config.problem_type == "single_label_classification"
    alike = load(folder, task, seed=1), load(folder, task, seed=2)
    assert same(model.state_dict(), alike[0].state_dict())
    assert same(model.state_dict(), alike[1].state_dict()) == (head == "classifier")


def test_regression_is_one_label(encoder, texts):
    config = load(encoder(head="none"), texts(classes=1, names=())).config
    assert (config.num_labels, config.problem_type) == (1, "regression")


def test_what_transformers_prints_is_as_before(encoder, texts):
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load(encoder(head="none"), texts())
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_new_weights_leave_the_generator_alone(encoder, texts, images):
    folder = encoder(head="none")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    make_student(Student(2, "random"), load(folder, texts()), texts(), seed=9)
    teacher("vit", images)
    torch.testing.assert_close(torch.rand(3), expected, **EQUAL)


@pytest.mark.parametrize("how", ["uniform", "first", "last", "skip"])
@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_student_of_the_teachers_layers(kind, how, encoder, texts):
    taken = {"uniform": (1, 3), "first": (0, 1), "last": (2, 3), "skip": (0, 2)}[how]
    task = texts()
    big = load(encoder(kind), task)
    small = make_student(Student(2, layer_map=how), big, task, seed=0)
    assert small.training
    assert layer_pairs(small, big, how) == taken
    theirs = big.state_dict()
    path = f"{kind}.encoder.layer."
    for name, weight in small.state_dict().items():
        if name.startswith(path):
            n, rest = name.removeprefix(path).split(".", 1)
            name = f"{path}{taken[int(n)]}.{rest}"
        assert torch.equal(weight, theirs[name]), name
    shared = {p.data_ptr() for p in big.parameters()} & {p.data_ptr() for p in small.parameters()}
    assert not shared


def test_as_many_layers_as_the_teacher_are_the_teacher(encoder, texts, batch):
    task = texts()
    big = load(encoder(), task)
    small = make_student(Student(4), big, task, seed=3).eval()
    assert torch.equal(outputs(small, batch(task))["logits"], outputs(big, batch(task))["logits"])


def test_a_student_of_random_weights(encoder, texts):
    task = texts()
    big = load(encoder(), task)
    one, other, again = (make_student(Student(2, "random"), big, task, seed).state_dict() for seed in (1, 2, 1))
    assert same(one, again)
    word = "bert.embeddings.word_embeddings.weight"
    assert one[word].shape == big.state_dict()[word].shape
    assert not any(torch.equal(a, b) for a, b in ((one[word], other[word]), (one[word], big.state_dict()[word])))


def test_a_narrower_student(encoder, texts, batch):
    task = texts()
    big = load(encoder(), task)
    small = make_student(Student(2, "random", width=8), big, task, seed=0)
    assert (small.config.hidden_size, small.config.intermediate_size, small.config.num_attention_heads) == (8, 16, 2)
    assert small.config.label2id == big.config.label2id
    small = make_student(Student(2, "random", width=12, feed_forward=20, heads=3), big, task, seed=0)
    assert outputs(small, batch(task), {"scores"})["scores"][1].shape == (4, 3, 8, 8)
    assert small.state_dict()["bert.encoder.layer.1.output.dense.weight"].shape == (12, 20)


def test_transformers_loads_what_is_saved(encoder, texts, batch, tmp_path, capfd):
    """Nothing missing, nothing left over, equal logits; and nothing in it says where it was made."""
    task = texts()
    small = make_student(Student(2), load(encoder(), task), task, seed=0).eval()
    capfd.readouterr()
    save(small, tmp_path / "runs" / "student", task)
    save(small, tmp_path / "runs" / "student", task)  # takes the place of the first
    assert capfd.readouterr() == ("", "")
    folder = tmp_path / "runs" / "student"
    assert [p.name for p in folder.parent.iterdir()] == ["student"]
    loaded, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    expected = outputs(small, batch(task))["logits"]
    assert torch.equal(loaded(**batch(task)).logits, expected)
    assert torch.equal(outputs(load(folder, task), batch(task))["logits"], expected)
    assert "/" not in (folder / "config.json").read_text()


def test_the_tokenizer_is_saved_beside_it(texts, encoder, tmp_path):
    class Tokenizer:
        def save_pretrained(self, folder):
            (folder / "tokenizer.json").write_text("{}")

    task = replace(texts(), tokenizer=Tokenizer())
    model = load(encoder(), task)
    save(model, tmp_path / "student", task)
    assert (tmp_path / "student" / "tokenizer.json").exists()


def test_minilm_is_a_teacher(texts, batch):
    task = texts(classes=2)
    big = load(minilm(), task)
    small = make_student(Student(), big, task, seed=0)
    assert layer_pairs(small, big) == (1, 3, 5)
    assert torch.equal(outputs(big, batch(task))["logits"], big(**batch(task)).logits)
    stored = load_file(minilm() / "model.safetensors")
    own = big.bert.state_dict()
    assert all(torch.equal(own[name], w) for name, w in stored.items() if name != "embeddings.position_ids")


# images


@pytest.mark.parametrize("kind", KINDS)
def test_image_networks_come_back(kind, images, batch, tmp_path):
    model = teacher(kind, images, seed=7)
    save(model, tmp_path / kind, images)
    loaded = load(tmp_path / kind, images)
    assert loaded.architecture == model.architecture
    assert same(loaded.state_dict(), model.state_dict())
    assert torch.equal(loaded(**batch(images)), model(**batch(images)))
    assert same(make_teacher(Teacher(str(tmp_path / kind)), images).state_dict(), model.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_random_weights_are_those_of_the_seed(kind, images):
    one, again, other = (teacher(kind, images, seed=seed).state_dict() for seed in (1, 1, 2))
    assert same(one, again)
    assert not same(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_image_students_start_from_the_teachers_blocks(kind, images, batch):
    big = teacher(kind, images)
    small = make_student(Student(2), big, images, seed=0)
    assert layer_pairs(small, big) == (1, 3)
    own, theirs = small.state_dict(), big.state_dict()
    for name, weight in own.items():
        source = name
        if name.startswith("blocks."):
            n, rest = name.removeprefix("blocks.").split(".", 1)
            merging = kind == "hierarchical" and rest.startswith(("merge.", "positions"))
            source = f"blocks.{2 if merging else (1, 3)[int(n)]}.{rest}"
        assert torch.equal(weight, theirs[source]), name
    same_depth = make_student(Student(4), big, images, seed=1)
    assert torch.equal(same_depth(**batch(images)), big(**batch(images)))


@pytest.mark.parametrize(("how", "pairs"), [("first", (0, 4, 5)), ("last", (3, 6, 7)), ("uniform", (3, 5, 7))])
def test_layers_of_a_stage_come_from_that_stage(how, pairs, images, batch):
    big = teacher("hierarchical", images, depth=8)
    small = make_student(Student(3, layer_map=how), big, images, seed=0)
    assert layer_pairs(small, big, how) == pairs
    assert torch.equal(small.blocks[1].merge.weight, big.blocks[4].merge.weight)
    assert torch.equal(small.blocks[2].fc1.weight, big.blocks[pairs[2]].fc1.weight)


def test_students_of_other_sizes_and_families(images, batch):
    big = teacher("vit", images)
    for spec in (
        Student(2, "random", width=8),
        Student(2, "random", width=24, heads=3, feed_forward=10),
        Student(2, "random", kind="hierarchical"),
        Student(2, "random", kind="residual", width=6),
    ):
        small = make_student(spec, big, images, seed=0)
        a = small.architecture
        assert (a.kind, a.depth, a.width) == (spec.kind or "vit", 2, spec.width or 16)
        assert a.feed_forward == (spec.feed_forward or {8: 32, 16: 64, 6: 6}[a.width])
        assert small(**batch(images)).shape == (32, 2)
    assert layer_pairs(make_student(Student(2, "random", kind="hierarchical"), big, images, 0), big) == (1, 3)


def test_students_keep_the_patches_of_a_loaded_teacher(images, batch, tmp_path):
    model = teacher("vit", images)
    save(model, tmp_path / "vit", images)
    config = json.loads((tmp_path / "vit" / "config.json").read_text())
    assert config["patch"] == 2
    from opdf.models._image import Architecture
    from opdf.models._vit import ViT

    coarse = ViT(Architecture(**config | {"patch": 4}))
    small = make_student(Student(2), coarse, images, seed=0)
    assert outputs(small, batch(images), {"hidden"})["hidden"][0].shape[1] == 4


def test_an_odd_grid_is_padded():
    """7 × 7 patches of 28 × 28 pixels merge into 4 × 4, and every pixel still counts."""
    from opdf.models._images import architecture, build

    model = build(architecture("hierarchical", (28, 28), 10, 2, 16), seed=0)
    pixels = torch.zeros(1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(pixels)[0, 0], pixels)
    assert model.blocks[1].positions.shape == (16, 16)
    assert (gradient != 0).all()


def test_merging_joins_four_neighbours():
    from opdf.models._hierarchical import Merging

    block = Merging(2, 4, 2, 4, 1)
    seen = []
    block.merge.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    block(torch.arange(8.0)[None, :, None])  # tokens 0 … 3 over 4 … 7
    assert seen[0].tolist() == [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]


def test_patches_are_squares_in_reading_order():
    from opdf.models._image import patches

    pixels = torch.arange(24.0).reshape(1, 4, 6)
    assert patches(pixels, 2)[0, 1].tolist() == [2, 3, 8, 9]
    assert patches(pixels, 2)[0, 3].tolist() == [12, 13, 18, 19]


def test_residual_names_are_those_of_the_demo(images):
    """And so those of the parameters that JAX trains."""
    shapes = {n: tuple(w.shape) for n, w in teacher("residual", images, depth=1).named_parameters()}
    blocks = {f"blocks.0.fc{n}.{part}": (16, 16)[: 2 - (part == "bias")] for n in (1, 2) for part in ("weight", "bias")}
    ends = {"embed.weight": (16, 64), "embed.bias": (16,), "head.weight": (2, 16), "head.bias": (2,)}
    assert shapes == blocks | ends


# training


@pytest.mark.parametrize("kind", KINDS)
def test_each_family_learns_by_heart(kind, images, batch):
    """Labels of noise, so that nothing but the 32 examples can be learnt."""
    model = teacher(kind, images, depth=2).train()
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 2, 32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        loss = cross_entropy(model(**batch(images)), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


@pytest.mark.parametrize("kind", ["bert", *KINDS])
def test_opdf_trains_the_layers_it_is_for(kind, encoder, texts, images, batch):
    """The plan has feed-forward, attention and projection; a step moves them and leaves names and shapes as they were."""
    task = texts() if kind == "bert" else images
    big = load(encoder(), task) if kind == "bert" else teacher(kind, task)
    model = make_student(Student(2), big, task, seed=0)
    parts = {
        "bert": ("query", "key", "value", "attention.output.dense", "intermediate.dense", "layer.1.output.dense"),
        "residual": ("embed", "fc1", "fc2"),
        "vit": ("proj", "query", "key", "value", "attention.out", "fc1", "fc2"),
        "hierarchical": ("query", "key", "value", "attention.out", "fc1", "fc2", "merge"),
    }[kind]
    plan = tnt.plan(model, "all-linear", cores=3)
    assert all(any(f"{part}.weight" in name for name in plan) for part in parts)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    optimizer = tnt.overparameterize(torch.optim.AdamW(model.parameters(), lr=1e-2), model, plan)
    outputs(model, batch(task))["logits"].square().sum().backward()
    optimizer.step()
    after = model.state_dict()
    assert {n: w.shape for n, w in after.items()} == {n: w.shape for n, w in before.items()}
    assert not any(torch.equal(after[name], before[name]) for name in plan)
