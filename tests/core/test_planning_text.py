"""What plans say: whole tables and whole messages, looked at once and held to the letter."""

import pytest

import tensornet as tn
from tensornet.formats import Padded
from tensornet.planning._pairs import pair_names

# Parameters by hand: 8·8·4 + 4·4 + 4·6·8 = 464 of 48·64 are 0.15; 16·4 + 8·4 + 4·4·3·3 = 240 of 16·8·9 are 0.21;
# 4·2·4 + 4·2·2 = 48 of 7·4 are 1.71. A parameter of four bytes each.
TABLE = """\
weight        shape     format                                          params ×  GFLOP/step  factors MB  teacher
encoder.0.fc  48×64     mpo rows=8·1·6 cols=8·1·8 bonds=4·4             0.15      7.83e-05    0.00186     –
encoder.1.fc  48×64     mpo rows=8·1·6 cols=8·1·8 bonds=4·4             0.15      7.83e-05    0.00186     encoder.3.fc
conv          16×8×3×3  tucker rows=16 cols=8 ranks=4·4·–·– kernel=3·3  0.21      3.46e-05    0.00096     –
head          7×4       padded inner=(mpo rows=4·2 cols=2·2) size=7·4   1.71      7.68e-07    0.000192    –
tied                    –                                                                                 skipped: tied"""


def test_the_whole_table():
    shapes = {"encoder.0.fc": (48, 64), "encoder.1.fc": (48, 64), "conv": (16, 8, 3, 3)}
    rules = {
        "encoder.*": tn.MPO((8, 1, 6), (8, 1, 8), (4, 4)),
        "conv.*": tn.Tucker((16,), (8,), (4, 4, None, None), (3, 3)),
        "head.*": Padded(tn.MPO((4, 2), (2, 2)), (7, 4)),
    }
    plan = tn.plan({**shapes, "head": (7, 4)}, rules, skipped={"tied": "tied"})
    pairs = {"encoder.0.fc": None, "encoder.1.fc": "encoder.3.fc"}
    assert str(plan.aligned({"encoder.3.fc": (48, 64)}, pairs)) == TABLE


def nothing(shapes, rules, **options):
    """What is said of a rule that matches nothing, behind the reason for the refusal."""
    with pytest.raises(tn.TensorNetError) as caught:
        tn.plan(shapes, rules, **options)
    before, after = str(caught.value).split("weights as they are in silence; ")
    assert before.startswith(f"plan: {rules[0]!r} matches no weight; every rule has to match at least one, because ")
    return after


def test_a_list_of_weights_is_cut_after_eight():
    names = [f"w{n}" for n in range(9)]
    eight = "the weights are w0, w1, w2, w3, w4, w5, w6, w7"
    assert nothing(dict.fromkeys(names[:8], (4, 4)), ["x"]) == eight
    assert nothing(dict.fromkeys(names, (4, 4)), ["x"]) == f"{eight}, … (9 in all)"
    assert nothing({}, ["x"]) == "the weights are none"


def test_a_list_of_what_was_left_out_is_cut_after_four():
    skipped = {f"{n}.tied": f"tied to {n}" for n in range(5)}
    said = nothing({"a": (4, 4)}, ["tied"], skipped=skipped)
    assert said == "; ".join(f"it would match {n}.tied, left out: tied to {n}" for n in range(4))


def test_every_prime_is_named():
    assert tn.plan({"a": (7, 5), "b": (4, 11), "c": (4, 4)}).skipped == {
        "a": "7 and 5 does not split in two",
        "b": "11 does not split in two",
    }


def test_the_reason_of_a_kind_that_is_not_taken_is_without_advice():
    """Up to the first semicolon, without the name that stands before it in the table."""
    plan = tn.plan({"a.fc": (4, 6), "a.conv": (4, 6, 3, 3)}, "a.*")
    assert plan.skipped == {
        "a.conv": "'a.*' matches it, but MPO.for_shape: shape (4, 6, 3, 3), needed (rows, cols), two positive integers, "
        "because this format is of a matrix"
    }


@pytest.mark.parametrize("rules", [[], (), {}, [3], ["a", 3], 0], ids=repr)
def test_what_are_no_rules(rules):
    with pytest.raises(
        tn.TensorNetError, match="is of no known kind; needed 'all-linear', a regular expression, a list"
    ):
        tn.plan({"a": (4, 4)}, rules)


def test_two_rules_of_one_weight_are_told_apart():
    with pytest.raises(tn.TensorNetError) as caught:
        tn.plan({"a.fc": (4, 4)}, {"a.*": "low_rank", ".*fc": "mpo"})
    assert str(caught.value) == (
        "plan: a.fc is claimed by 'a.*' and by '.*fc'; one weight takes one format, and which of two is meant cannot be "
        "guessed; make one rule narrower"
    )


# ---- JSON -----------------------------------------------------------------------------------------------------------


def test_the_text_of_a_plan():
    """Read by other releases, so that it does not change by accident."""
    plan = tn.plan({"b": (4, 6), "a": (6, 4)}, format="low_rank", rank=2, transposed=["b", "a"], skipped={"c": "tied"})
    assert (
        plan.to_json()
        == """{
 "version": 1,
 "formats": {
  "b": {
   "format": "low_rank",
   "out": 4,
   "in_": 6,
   "rank": 2
  },
  "a": {
   "format": "low_rank",
   "out": 6,
   "in_": 4,
   "rank": 2
  }
 },
 "skipped": {
  "c": "tied"
 },
 "transposed": [
  "a",
  "b"
 ],
 "teachers": {},
 "weights": [
  "b",
  "a",
  "c"
 ]
}"""
    )


@pytest.mark.parametrize("part", ["formats", "skipped", "transposed", "teachers", "weights"])
def test_each_part_of_the_text_is_of_its_type(part):
    text = tn.plan({"a": (4, 6)}).to_json().replace(f'"{part}": ', f'"{part}": 7, "_": ', 1)
    with pytest.raises(
        tn.TensorNetError, match="formats, skipped, transposed, teachers, weights, stacked or widths are"
    ):
        tn.Plan.from_json(text)


# ---- pairs ----------------------------------------------------------------------------------------------------------


def refused(*arguments):
    with pytest.raises(tn.TensorNetError) as caught:
        pair_names(*arguments)
    return str(caught.value)


def test_the_first_unknown_name_is_named():
    assert refused(["a", "b"], ["t"], {"a": "t", "x": "t", "y": "t"}) == (
        "Alignment: 'x' is no planned weight of the student, nor an expression that matches one; pairs "
        "must name weights that exist; they are a, b"
    )
    assert refused(["a", "b"], ["t", "u"], {"a": "v", "b": "w"}) == (
        "Alignment: 'v' is no weight of the teacher; pairs must name weights that exist; they are t, u"
    )


def test_two_numbers_that_differ():
    student, teacher = ([f"{n}.{n}.w" for n in range(count)] for count in (1, 2))
    assert refused(student, teacher, "uniform").startswith(
        "Alignment: 2 of the numbers in 0.0.w may be the layer, needed one, in which student and teacher differ,"
    )


def test_the_layer_is_the_number_that_differs_wherever_it_stands():
    """Of three numbers the first, the second and the last."""
    for style in ("{}.5.7.w", "5.{}.7.w", "5.7.{}.w"):
        student, teacher = ([style.format(n) for n in range(count)] for count in (2, 4))
        assert pair_names(student, teacher, "uniform") == {student[0]: teacher[1], student[1]: teacher[3]}


def test_a_plan_knows_the_layers_that_it_leaves_out():
    """Layer 1 of 2 goes to layer 3 of 4, planned alone or not; a plan made by hand counts the weights that it has."""
    shapes = {f"layer.{n}.w": (4, 6) for n in range(4)}
    student = {n: shapes[n] for n in ("layer.0.w", "layer.1.w")}
    part = tn.plan(student, ["layer.1.w"]).aligned(shapes, "uniform")
    assert part.teachers == {"layer.1.w": "layer.3.w"}
    by_hand = tn.Plan({"layer.0.w": tn.LowRank(4, 6)}).aligned(shapes, "uniform")
    assert by_hand.teachers == {"layer.0.w": "layer.3.w"}


# ---- importance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("b", "importance: b has no weight or no gradient, needed both,"),
        ("ba", "importance: a, b have no weight or no"),
    ],
)
def test_what_has_no_gradient_is_counted(weights, said):
    with pytest.raises(tn.TensorNetError) as caught:
        tn.importance(dict.fromkeys(weights, 1.0), {})
    assert str(caught.value).startswith(said)


def test_one_of_each_kind_is_enough():
    assert tn.top({"a.0": 1.0}, 1) == tn.top({"a.0": 1.0}, 2) == ["a.0"]
