"""Image networks: described, saved, started from a teacher; and every family trained, encoders too."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import tensornet_torch as tnt
from opdf.models import Student, Teacher
from opdf.models._architecture import architecture
from opdf.models._hierarchical import Merging
from opdf.models._image import Architecture
from opdf.models._images import build
from opdf.models._patches import patches
from opdf.models._vit import ViT
from opdf.models.networks import layer_pairs, load, make_student, make_teacher, outputs, save

KINDS = ("residual", "vit", "hierarchical")


def teacher(kind, task, depth=4, seed=0):
    return make_teacher(Teacher(kind=kind, depth=depth, width=16, seed=seed), task)


def same(ours, theirs):
    return list(ours) == list(theirs) and all(torch.equal(ours[n], theirs[n]) for n in ours)


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_does_not_begin_as_its_teacher_of_the_same_seed_did(kind, images):
    big = teacher(kind, images, seed=0)
    small = make_student(Student(2, "random"), big, images, seed=0)
    theirs = big.state_dict()
    for name, w in small.state_dict().items():
        if w.ndim == 2 and name in theirs and theirs[name].shape == w.shape and w.std() > 0:
            cosine = (w * theirs[name]).sum() / w.norm() / theirs[name].norm()
            assert abs(cosine) < 0.5, name


@pytest.mark.parametrize("kind", KINDS)
def test_random_layers_stand_between_the_teachers_embeddings_and_head(kind, images):
    big = teacher(kind, images)
    small, drawn = (make_student(Student(2, start), big, images, seed=0) for start in ("random-layers", "random"))
    own, theirs, fresh = small.state_dict(), big.state_dict(), drawn.state_dict()
    for name, weight in own.items():
        assert torch.equal(weight, (fresh if name.startswith("blocks.") else theirs)[name]), name


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
    coarse = ViT(Architecture(**config | {"patch": 4}))
    small = make_student(Student(2), coarse, images, seed=0)
    assert outputs(small, batch(images), {"hidden"})["hidden"][0].shape[1] == 4


def test_an_odd_grid_is_padded():
    """7 × 7 patches of 28 × 28 pixels merge into 4 × 4, and every pixel still counts."""
    model = build(architecture("hierarchical", (28, 28), 10, 2, 16), seed=0)
    pixels = torch.zeros(1, 28, 28, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(pixels)[0, 0], pixels)
    assert model.blocks[1].positions.shape == (16, 16)
    assert (gradient != 0).all()


def test_merging_joins_four_neighbours():
    block = Merging(2, 4, 2, 4, 1)
    seen = []
    block.merge.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    block(torch.arange(8.0)[None, :, None])  # tokens 0 … 3 over 4 … 7
    assert seen[0].tolist() == [[[0.0, 1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]]]


def test_patches_are_squares_in_reading_order():
    pixels = torch.arange(24.0).reshape(1, 4, 6)
    assert patches(pixels, 2)[0, 1].tolist() == [2, 3, 8, 9]
    assert patches(pixels, 2)[0, 3].tolist() == [12, 13, 18, 19]


def test_residual_names_are_those_of_the_demo(images):
    """And so those of the parameters that JAX trains."""
    shapes = {n: tuple(w.shape) for n, w in teacher("residual", images, depth=1).named_parameters()}
    blocks = {f"blocks.0.fc{n}.{part}": (16, 16)[: 2 - (part == "bias")] for n in (1, 2) for part in ("weight", "bias")}
    ends = {"embed.weight": (16, 64), "embed.bias": (16,), "head.weight": (2, 16), "head.bias": (2,)}
    assert shapes == blocks | ends


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
