"""Plans of runs: the paper's choice of weights, and widths that differ."""

import pytest
import tiny_runs

from opdf.distill import Opdf, distill
from opdf.distill._plan import pairs_of, plan_of
from opdf.models import Student, Teacher
from opdf.models.networks import make_student, make_teacher
from opdf.tasks import load
from tensornet import Plan, TensorNetError


@pytest.fixture
def networks(tmp_path):
    """Of a width of 8 and one of 12."""
    task = load(tiny_runs.images(tmp_path).task)
    teacher = make_teacher(Teacher(depth=2, width=12), task)
    return make_student(Student(layers=1, start="random", width=8), teacher, task, 0), teacher


def test_layers_are_what_stands_in_numbered_modules(networks):
    student, _ = networks
    assert list(plan_of(student, Opdf(cores=3))) == ["blocks.0.fc1.weight", "blocks.0.fc2.weight"]
    assert "embed.weight" in plan_of(student, Opdf(cores=3, rules=("all-linear",)))
    assert list(plan_of(student, Opdf(cores=3, rules=(r".*fc2\.weight",)))) == ["blocks.0.fc2.weight"]


def test_other_widths_get_factors_that_both_can_have(networks):
    student, teacher = networks
    aligned = plan_of(student, Opdf(cores=3, alignment=1.0), teacher)
    for fmt in aligned.values():
        assert fmt.rows == (2, 2, 2)
    assert plan_of(student, Opdf(cores=3), teacher)["blocks.0.fc1.weight"].rows == (4, 1, 2)


def test_a_layout_that_other_widths_cannot_have_is_refused(networks):
    even = Opdf(cores=3, alignment=1.0, layout="even")
    with pytest.raises(TensorNetError, match=r"opdf\.layout = 'even', and blocks\.0\.fc1\.weight"):
        plan_of(networks[0], even, networks[1])
    assert plan_of(networks[1], even, networks[1])


def test_stages_are_paired_stage_by_stage(tmp_path):
    task = load(tiny_runs.images(tmp_path).task)
    teacher = make_teacher(Teacher(kind="hierarchical", depth=8, width=16), task)
    student = make_student(Student(layers=3, start="random"), teacher, task, 0)
    opdf = Opdf(cores=3, alignment=1.0)
    pairs = pairs_of(student, opdf, teacher, plan_of(student, opdf, teacher))
    assert pairs["blocks.0.fc1.weight"] == "blocks.3.fc1.weight"
    assert pairs["blocks.1.merge.weight"] == "blocks.4.merge.weight"  # the first block of the second stage
    assert pairs["blocks.2.fc2.weight"] == "blocks.7.fc2.weight"


def test_a_run_aligns_a_narrower_student(tmp_path):
    config = tiny_runs.images(tmp_path, teacher__width=12, student__width=8)
    distill(config)
    plan = Plan.from_json((config.out / "plan.json").read_text())
    assert plan.teachers == {f"blocks.0.{n}.weight": f"blocks.1.{n}.weight" for n in ("fc1", "fc2")}
