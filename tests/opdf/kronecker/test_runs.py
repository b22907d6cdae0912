"""Two stages of a Kronecker student by `opdf distill`, what they leave behind, and what they refuse."""

import shutil
from types import SimpleNamespace

import pytest
import tiny_runs
import torch
from hosted import encoder
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import tensornet_torch as tnt
from opdf.distill import distill
from opdf.kronecker import exported, gone_on, published, timed
from opdf.report import read
from tensornet import TensorNetError

HALF = {"kd__embedding": 0.5, "kd__attention": 1.0, "kd__ffn": 1.0}  # of Eq. 14; two layers, and kd takes their mean
ONCE = {"training__epochs": 1.0, "training__evaluations": 1, "opdf__on": False, "opdf__alignment": 0.0}


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """(config, summary) of stage 1, on texts without their labels, and of stage 2."""
    folder = tmp_path_factory.mktemp("stages")
    one = tiny_runs.texts(
        folder,
        out=str(folder / "one"),
        student__kronecker=1.6,
        teacher__epochs=0.0,
        kd__alpha=1.0,
        **{key: 2 * weight for key, weight in HALF.items()},
        **ONCE,
    )
    first = distill(one)
    compact = str(folder / "one" / "compact")
    two = tiny_runs.texts(folder, out=str(folder / "two"), student__compact=compact, **HALF, **ONCE)
    return (one, first), (two, distill(two))


def test_both_stages_have_the_terms_of_equation_14(stages):
    names = ({"answers", "embeddings", "scores", "ffn"}, {"labels", "answers", "embeddings", "scores", "ffn"})
    for (config, _), expected in zip(stages, names, strict=True):
        records = read(config.out)
        assert all(r["terms"].keys() == expected for r in records)
        assert all(value > 0 for value in records[-1]["terms"].values())


def test_compact_and_dense_are_the_same_model(stages):
    (config, summary), _ = stages
    small = tnt.from_pretrained(config.out / "compact")
    dense, told = AutoModelForSequenceClassification.from_pretrained(config.out / "student", output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    ids = AutoTokenizer.from_pretrained(config.out / "compact")("good film", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(small(**ids).logits, dense(**ids).logits)
    sizes = [sum(p.numel() for p in m.parameters()) for m in (small, dense)]
    assert sizes[1] / sizes[0] >= config.student.kronecker
    assert summary["student"]["parameters"] == sizes[0]
    files = {
        name: config.out / folder / "model.safetensors" for name, folder in (("dense", "student"), ("compact",) * 2)
    }
    assert summary["bytes"] == {name: path.stat().st_size for name, path in files.items()}
    assert summary["bytes"]["compact"] < summary["bytes"]["dense"]
    assert summary["dense_parameters"] == sizes[1]
    cards = {name: (config.out / name / "README.md").read_text() for name in ("student", "compact")}
    assert all(f"| the same, dense, in `student` | {sizes[1]:,} |" in card for card in cards.values())
    assert 'tnt.from_pretrained("compact")' in cards["compact"]
    assert 'AutoModelForSequenceClassification.from_pretrained("student")' in cards["student"]


def test_stage_2_goes_on_with_the_factors_of_stage_1_and_the_head_of_its_teacher(stages):
    (one, _), (two, _) = stages
    before = tnt.from_pretrained(one.out / "compact")
    teacher = encoder(2, classes=3)
    teacher.config.vocab_size = before.config.vocab_size  # all that is asked of it beside its head
    teacher.config.max_position_embeddings = before.config.max_position_embeddings
    small = gone_on(one.out / "compact", teacher)
    own = dict(before.named_parameters())
    assert all(torch.equal(p, own[n]) for n, p in small.named_parameters() if "classifier" not in n)
    assert torch.equal(small.classifier.weight, teacher.classifier.weight)
    assert small.config.num_labels == small.num_labels == 3
    assert small.training
    after = dict(tnt.from_pretrained(two.out / "compact").named_parameters())
    assert after.keys() == own.keys()
    moved = [n for n in own if ".factors." in n and not torch.equal(own[n], after[n])]
    assert len(moved) > 20


def test_stage_2_that_was_cut_does_not_go_on_from_another_stage_1(stages, tmp_path):
    """Under the same name: what is there is told by its weights."""
    (one, _), _ = stages
    compact = tmp_path / "compact"
    shutil.copytree(one.out / "compact", compact)
    config = tiny_runs.texts(tmp_path, student__compact=str(compact), **ONCE)
    with pytest.raises(tiny_runs.Killed):
        distill(config, told=tiny_runs.killed_at([("train", 4)])[0])
    weights = load_file(compact / "model.safetensors")
    weights["classifier.bias"][0] += 1.0
    save_file(weights, compact / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TensorNetError, match=r"student\.compact"):
        distill(config, resume=True)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (lambda: encoder(2, classes=2), "vocab_size"),
        (lambda: encoder(3), "num_hidden_layers 2 for 3"),
        (lambda: _heads(encoder(2), 4), "num_attention_heads 2 for 4"),
    ],
)
def test_another_encoder_is_refused(stages, of, says):
    with pytest.raises(TensorNetError, match=f"student: .*compact has .*{says}.* heads are in no shape"):
        gone_on(stages[0][0].out / "compact", of())


def _heads(model, number):
    model.config.num_attention_heads = number
    return model


def test_what_is_no_classifier_is_refused(tmp_path):
    bert = encoder(2).bert
    tnt.save_pretrained(tnt.compress(bert, tnt.plan(bert, {".*query.weight": "kronecker"}, rank=1)), tmp_path)
    with pytest.raises(TensorNetError, match="holds a BertModel without a classifier"):
        gone_on(tmp_path, encoder(2))


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"student__kronecker": 1.0}, "student.kronecker = 1.0"),
        ({"student__kronecker": 2.0, "student__compact": "x", **ONCE}, "are both given"),
        ({"student__kronecker": 2.0}, "opdf.on = true with a student of Kronecker"),
        ({"student__kronecker": 2.0, "host": "theseus", **ONCE}, "host = 'theseus' with"),
        ({"student__kronecker": 2.0, "kd__weights": 1.0, **ONCE}, "kd.weights above 0 with"),
        ({"student__kronecker": 2.0, "training__backend": "jax", **ONCE}, "training.backend = 'jax' with"),
        ({"student__compact": "nowhere", **ONCE}, "student.compact: nowhere is not there"),
        ({"student__compact": "x", "student__layer_map": "last", **ONCE}, "student.layer_map = 'last' with"),
        (
            {"student__compact": "x", "student__start": "random", **ONCE},
            "student.start = 'random' with student.compact",
        ),
        ({"student__compact": "x", "task__name": "fashion_mnist", **ONCE}, "task.name = 'fashion_mnist' with"),
        ({"kd__ffn": -1.0, **ONCE}, "kd.ffn = -1.0"),
        ({"student__kronecker": 50.0, **ONCE}, "searched: ratio=50 "),
        (
            {"student__kronecker": 2.0, "student__heads": 3, "student__start": "random", **ONCE},
            "student: 3 heads for width 8",
        ),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, overrides, says):
    with pytest.raises(TensorNetError, match=says):
        distill(tiny_runs.texts(tmp_path, **{"teacher__epochs": 0.0, "kd__alpha": 0.0, **overrides}))


def test_nothing_is_made_before_the_folder_of_stage_1_is_there(tmp_path):
    config = tiny_runs.texts(tmp_path, student__compact="nowhere", **ONCE)
    with pytest.raises(TensorNetError, match=r"student\.compact: nowhere"):
        distill(config)
    assert not config.out.exists()


def test_a_table_alone_in_factors_is_exported_as_such(tmp_path):
    model = encoder(2)
    small = tnt.compress(model, tnt.plan(model, {".*word_embeddings.weight": "low_rank"}, rank=1))
    facts = exported(small, tmp_path, SimpleNamespace(tokenizer=None))
    assert facts["dense_parameters"] == sum(p.numel() for p in model.parameters())
    assert (tmp_path / "compact" / "model.safetensors").stat().st_size == facts["bytes"]["compact"]
    assert "bert.embeddings.word_embeddings.weight" in load_file(tmp_path / "student" / "model.safetensors")


def test_both_models_are_timed_in_turns():
    dense = encoder(2)
    small = tnt.compress(dense, published(dense, 8))
    rows = timed(dense, small, rows=(1, 3), tokens=5, rounds=2)
    assert [(r.rows, r.tokens) for r in rows] == [(1, 5), (3, 5)]
    assert all(r.ratio == r.compact_ms / r.dense_ms > 0 for r in rows)
