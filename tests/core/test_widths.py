"""A student and a teacher of unequal widths: auxiliary factors of equal shapes, both exact, and a loss with its gradient."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tensornet as tn
from tensornet.alignment import distance_and_gradient, prepared, target
from tensornet.planning import joint_formats, pair_names, teacher_format

SHAPES = [((12, 8), (16, 12)), ((8, 8), (16, 16)), ((18, 12), (18, 20)), ((24, 6), (16, 9))]
widths = pytest.mark.parametrize(("ours", "theirs"), SHAPES, ids=str)


def auxiliary(fmt):
    return [fmt.shapes[k] for k in fmt.auxiliary]


def test_the_papers_widths_by_hand():
    """BERT-base under BERT-large: 1024 = gcd(3072, 4096) = 32 · 32, 256 = gcd(768, 1024) = 16 · 16, bonds 32 · 16."""
    student, teacher = joint_formats((3072, 768), (4096, 1024))
    assert student == tn.MPO((32, 1, 3, 1, 32), (16, 1, 3, 1, 16), (512,) * 4)
    assert teacher == tn.MPO((32, 1, 4, 1, 32), (16, 1, 4, 1, 16), (512,) * 4)


def test_equal_widths_have_the_papers_layout():
    fmt = tn.MPO.for_shape((768, 768), cores=5)
    assert joint_formats((768, 768), (768, 768)) == (fmt, fmt)


dims = st.integers(2, 60)


@given(st.tuples(dims, dims), st.tuples(dims, dims), st.integers(3, 6))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_auxiliary_factors_agree_and_nothing_is_cut_off(student, teacher, cores):
    try:
        ours, theirs = joint_formats(student, teacher, cores=cores)
    except tn.TensorNetError:
        assume(False)
    assert (ours.shape, theirs.shape) == (student, teacher)
    assert ours.exact
    assert theirs.exact
    assert auxiliary(ours) == auxiliary(theirs)
    assert teacher_format(ours, teacher) == theirs
    assert teacher_format(theirs, student) == ours


@widths
def test_both_are_exact(ours, theirs):
    for fmt in joint_formats(ours, theirs):
        w = np.random.default_rng(0).standard_normal(fmt.shape)
        np.testing.assert_allclose(fmt.contract(fmt.decompose(w)), w, atol=1e-12)


@widths
@pytest.mark.parametrize("gauge", ["none", "procrustes", "invariant"])
def test_the_gradient_of_the_loss(ours, theirs, gauge):
    """The closed form against finite differences of `align` itself: rotations anew for each, by the envelope theorem."""
    rng = np.random.default_rng(0)
    fmt, other = joint_formats(ours, theirs, cores=3)
    student, teacher = (list(f.decompose(rng.standard_normal(f.shape))) for f in (fmt, other))
    student = [s + 0.1 * rng.standard_normal(s.shape) for s in student]

    def loss(step):
        moved = [s + step * d for s, d in zip(student, direction, strict=True)]
        return float(tn.align(fmt, moved, teacher, gauge=gauge, teacher_format=other))

    direction = [rng.standard_normal(s.shape) for s in student]
    goal = prepared(other, target(fmt, student, teacher, gauge), gauge)
    found, gradient = distance_and_gradient(fmt, student, goal, gauge)
    assert found == pytest.approx(loss(0.0), rel=1e-9)
    slope = sum(np.vdot(g, d) for g, d in zip(gradient, direction, strict=True) if g is not None)
    assert slope == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-4)
    assert (gradient[fmt.central] is None) == (gauge != "invariant")


def test_equal_auxiliary_factors_are_at_rest():
    """A teacher made of the student's own auxiliary factors, turned by a rotation of its bonds, and a wider centre."""
    rng = np.random.default_rng(0)
    fmt, other = joint_formats((12, 12), (16, 16), cores=3)
    student = fmt.regauge([rng.standard_normal(s) for s in fmt.shapes], "left")
    left, right = student[0], student[2]
    q, _ = np.linalg.qr(rng.standard_normal((right.shape[0],) * 2))
    teacher = [left @ q, rng.standard_normal(other.shapes[1]), np.tensordot(q.T, right, 1)]
    turned = target(fmt, student, teacher, "procrustes")
    assert float(tn.align(fmt, student, turned, gauge="none", teacher_format=other)) < 1e-20
    assert float(tn.align(fmt, student, teacher, gauge="none", teacher_format=other)) > 1e-2
    np.testing.assert_allclose(other.contract(turned), other.contract(teacher), atol=1e-9)


def test_a_plan_of_two_widths():
    student, teacher = {f"layer.{i}.w": (12, 8) for i in range(2)}, {f"layer.{i}.w": (16, 12) for i in range(4)}
    pairs = pair_names(list(student), list(teacher), "uniform")
    plan = tn.plan(student, lambda name, shape: joint_formats(shape, teacher[pairs[name]], cores=3)[0])
    aligned = plan.aligned(teacher, "uniform")
    assert aligned.widths == dict.fromkeys(student, (16, 12))
    assert aligned.teacher_format("layer.0.w") == joint_formats((12, 8), (16, 12), cores=3)[1]
    assert [row.split()[-2:] for row in str(aligned).splitlines()[1:]] == [
        ["layer.1.w", "16×12"],
        ["layer.3.w", "16×12"],
    ]
    assert tn.Plan.from_json(aligned.to_json()) == aligned
    assert plan.teacher_format("layer.0.w") == plan["layer.0.w"]
    with pytest.raises(
        tn.TensorNetError, match=r"layer.0.w \(12, 8\) is paired with .*; plan layer.0.w with .*joint_formats"
    ):
        tn.plan(student).aligned({n: (13, 12) for n in teacher}, "uniform")


def test_a_teacher_is_cut_only_where_the_student_is():
    """The paper's layout of a square weight has bonds that a wider teacher's do not fit in."""
    fmt = tn.MPO((4, 1, 3), (4, 1, 4))
    with pytest.raises(tn.TensorNetError, match="that holds all of it"):
        teacher_format(fmt, (24, 16))
    cut = tn.MPO((4, 1, 3), (4, 1, 4), (5, 5))
    assert teacher_format(cut, (24, 16)) == tn.MPO((4, 2, 3), (4, 1, 4), (5, 5))
    assert auxiliary(cut) == auxiliary(teacher_format(cut, (24, 16)))
