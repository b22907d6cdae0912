"""The model card: what the hub reads, what a person reads, and nothing that the run did not say."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from opdf.report import card

CONFIG = {
    "task": {"name": "mrpc", "folder": "/home/somebody/a folder/mrpc"},
    "student": {"layers": 3, "start": "teacher"},
    "host": "kd",
    "kd": {"alpha": 0.5},
    "lgtm": {"alpha": 0.25},
    "out": "runs/mrpc",
}
FIRST = {"name": "a student", "task": "mrpc", "host": "kd"}
REST = {
    "opdf": {"on": True, "cores": 5, "alignment": 2.0, "alignment_gauge": "procrustes"},
    "seed": 7,
    "dev": {"accuracy": 0.8456, "f1": 0.8912},
    "test": {"accuracy": 0.83014, "f1": 0.8733},
    "teacher": {
        "dev": {"accuracy": 0.86, "f1": 0.9},
        "test": {"accuracy": 0.851},
        "parameters": 22713986,
        "latency_ms": 40.0,
    },
    "student": {"parameters": 17389826, "training_parameters": 40123456, "latency_ms": 21.04},
    "fold_error": 2.3e-7,
    "best_step": 276,
    "steps": 1345,
    "seconds": 812.3,
    "step_ms": 2134.5,
    "splits": "train: 3,668 examples.",
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
    "command": "opdf distill a.toml --task.folder '/home/somebody/a folder/mrpc' --out=/scratch/x",
    "figures": ["figures/training.png"],
    "base_model": "somebody/minilm",
}
RUNS = [{"seed": seed, "dev": {"f1": 0.8}, "test": {"f1": 0.8 + 0.02 * seed}} for seed in range(3)]


def rows(text: str) -> dict[str, list[str]]:
    """Name → cells of the lines of all tables."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {name: cells for name, *cells in lines}


def test_the_hub_reads_its_front_matter():
    data = ModelCard(card(CONFIG, FIRST | REST)).data
    assert (data.library_name, data.pipeline_tag, data.base_model) == (
        "transformers",
        "text-classification",
        "somebody/minilm",
    )
    assert data.tags == ["knowledge-distillation", "kd", "opdf", "tensor-networks"]
    assert [(r.metric_type, r.metric_value, r.dataset_split) for r in data.eval_results] == [
        ("accuracy", 0.8301, "test"),
        ("f1", 0.8733, "test"),
    ]
    assert data.license is None


@pytest.mark.parametrize(("ours", "the_hubs"), [("matthews", "matthews_correlation"), ("pearson", "pearsonr")])
def test_metrics_have_the_hubs_names(ours, the_hubs):
    assert ModelCard(card({}, FIRST | {"test": {ours: 0.5}})).data.metrics == [the_hubs]


FACTORS = {"bytes": {"dense": 9000, "compact": 1200}, "dense_parameters": 22713986}


@pytest.mark.parametrize("folder", ["student", "compact"])
def test_a_model_with_factors_and_the_dense_one_are_told_apart(folder):
    text = card(CONFIG, FIRST | REST | FACTORS, folder)
    table = rows(text)
    assert table["student with factors, in `compact`"] == ["17,389,826", "21.0"]
    assert table["the same, dense, in `student`"] == ["22,713,986", "–"]
    assert "student, as it is here" not in table
    assert "`compact` has 1,200 bytes of weights, `student` 9,000." in text
    assert ('tnt.from_pretrained("compact")' in text) == (folder == "compact")
    assert ("AutoModelForSequenceClassification" in text) == (folder == "student")
    assert ModelCard(text).data.library_name == (None if folder == "compact" else "transformers")


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ({"compact": "runs/one/compact"}, "the factors of an earlier run, and the head of its teacher."),
        ({"kronecker": 8.0}, "the products nearest to its teacher's layers, 8 times smaller in all."),
    ],
)
def test_what_factors_began_with(student, said):
    text = card({"student": {"start": "teacher", **student}}, FIRST)
    assert (
        f"are Kronecker products ([KroneckerBERT](https://arxiv.org/abs/2109.06243)), trained as such from {said}"
        in text
    )
    assert "It began with" not in text


@pytest.mark.parametrize(("evaluations", "chosen"), [(1, False), (5, True)])
def test_one_evaluation_chooses_nothing(evaluations, chosen):
    text = card(CONFIG | {"training": {"evaluations": evaluations}}, FIRST | REST)
    assert ("chosen on dev" in text, "Dev chose this student" in text) == (chosen, chosen)
    assert ("the last, not chosen." in text) == (not chosen)


def test_what_is_not_distilled_or_no_text_is_not_called_so():
    data = ModelCard(card({}, {"name": "a", "task": "fashion_mnist", "host": "labels"})).data
    assert (data.library_name, data.pipeline_tag, data.tags) == (None, "image-classification", [])


def test_results_and_sizes():
    table = rows(card(CONFIG, FIRST | REST))
    assert table["student"] == ["0.8456", "0.8912", "0.8301", "0.8733"]
    assert table["teacher"] == ["22,713,986", "40.0"], "the second table's"
    assert table["student, before training"] == ["17,389,826", "–"]
    assert table["student, in training: what the optimiser holds"] == ["40,123,456", "–"]
    assert table["student, as it is here"] == ["17,389,826", "21.0"]


@pytest.mark.parametrize(
    "said",
    [
        "5 factors a weight, aligned with the teacher's, weight 2, gauge procrustes",
        "It began with layers of its teacher.",
        "| teacher | 0.8600 | 0.9000 | 0.8510 | – |",
        "The student is that of step 276 of 1,345, chosen on dev.",
        "The student takes 0.53 of its teacher's time.",
        "is 2e-07.",
        "1,345 steps in 812 s, a step 2,134 ms in the median.",
        "python 3.11.9, torch 2.13.0",
        "![training](figures/training.png)",
        "Splits: train: 3,668 examples.",
        "One seed, 7:",
    ],
)
def test_it_says(said):
    assert said in card(CONFIG, FIRST | REST)


@pytest.mark.parametrize(
    ("host", "start", "said"),
    [
        ("kd", "random", "It began with random weights."),
        ("kd", "random-layers", "It began with random layers between its teacher's embeddings and head."),
        ("theseus", "random", "It began with random layers between its teacher's embeddings and head."),
        ("theseus", "teacher", "It began with layers of its teacher."),
    ],
)
def test_what_it_began_with(host, start, said):
    assert said in card({"student": {"start": start}}, FIRST | {"host": host})


def test_several_seeds():
    text = card(CONFIG, FIRST | REST | {"runs": RUNS})
    assert rows(text)["student, mean ± std over 3 seeds"] == ["–", "0.8000 ± 0.0000", "–", "0.8200 ± 0.0200"]
    assert "One seed" not in text


def test_the_configuration_of_other_hosts_and_the_machines_folders_are_left_out():
    text = card(CONFIG, FIRST | REST)
    assert "alpha = 0.5" in text
    assert "lgtm" not in text
    assert "somebody/a" not in text.replace("somebody/minilm", "")
    assert "opdf distill a.toml --task.folder .../mrpc --out=.../x" in text
    assert 'folder = ".../mrpc"' in text


@given(st.sets(st.sampled_from(sorted(REST))))
def test_what_is_missing_is_not_spoken_of(known):
    text = card(CONFIG, FIRST | dict.fromkeys(REST) | {name: REST[name] for name in known})
    assert text == card(CONFIG, FIRST | {name: REST[name] for name in known}), "null is as good as missing"
    assert yaml.safe_load(text.split("---\n")[1])["pipeline_tag"] == "text-classification"
    for name, signs in {
        "test": ("test",),
        "dev": ("Dev chose", "| dev"),
        "teacher": ("| teacher", "of its teacher's time"),
        "student": ("before training",),
        "opdf": ("OPDF", "tensor-networks"),
        "best_step": ("chosen on dev.",),
        "seed": ("seed",),
        "fold_error": ("contract(T)",),
        "splits": ("Splits",),
        "versions": ("python 3",),
        "command": ("```sh",),
        "figures": ("![",),
        "base_model": ("base_model",),
    }.items():
        if name not in known:
            assert not [sign for sign in signs if sign in text]


def test_a_card_of_next_to_nothing_has_no_figures():
    text = card({}, FIRST)
    assert not re.search(r"\d", text), "a number from nowhere"
    assert "None" not in text


@pytest.mark.parametrize(("best", "said"), [(600, True), (601, False)])
def test_a_student_of_the_first_phase_is_said_to_be_one(best, said):
    run = FIRST | {"generator": {"share": 0.5}, "first_phase": 600, "best_step": best, "steps": 1200}
    assert ("this one is of step 600, before its weights were trained by themselves" in card(CONFIG, run)) == said
