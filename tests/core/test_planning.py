"""Plans: every kind of rule, pairs, the table, JSON."""

import pytest

import tensornet as tn
from tensornet.planning._pairs import pair_names

SHAPES = {
    **{f"encoder.layer.{n}.{m}.weight": s for n in range(2) for m, s in (("query", (4, 4)), ("output", (4, 6)))},
    "encoder.norm.weight": (4,),
    "head.weight": (7, 4),  # a prime
}
QUERIES = {"encoder.layer.0.query.weight", "encoder.layer.1.query.weight"}


def by_shape(name, shape):
    return tn.LowRank.for_shape(shape) if "query" in name else None


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ("all-linear", QUERIES | {n.replace("query", "output") for n in QUERIES}),
        (r".*query\.weight", QUERIES),
        (["layer.0.query.weight"], {"encoder.layer.0.query.weight"}),  # a suffix
        (["encoder.layer.0.query.weight"], {"encoder.layer.0.query.weight"}),  # a whole name
        (["0.query.weight", "1.query.weight"], QUERIES),
        ({r".*query\.weight": tn.MPO((2, 2), (2, 2))}, QUERIES),
        ({r".*query\.weight": tn.LowRank.for_shape}, QUERIES),
        (by_shape, QUERIES),
    ],
    ids=["all-linear", "regex", "suffix", "name", "suffixes", "dict", "dict of functions", "function"],
)
def test_rules_choose(rules, chosen):
    plan = tn.plan(SHAPES, rules)
    assert set(plan) == chosen
    assert all(plan[n].shape == SHAPES[n] for n in plan)


def test_a_regex_is_for_the_whole_name():
    with pytest.raises(tn.TensorNetError, match="matches no weight"):
        tn.plan(SHAPES, "query")


def test_a_suffix_starts_after_a_dot():
    with pytest.raises(tn.TensorNetError, match="matches no weight"):
        tn.plan(SHAPES, ["ery.weight"])


def test_nothing_is_left_out_in_silence():
    assert tn.plan(SHAPES).skipped == {"head.weight": "7 does not split in two"}
    skipped = tn.plan(SHAPES, ["0.query.weight"], skipped={"lm_head.weight": "tied"}).skipped
    assert skipped["encoder.layer.1.query.weight"] == "no rule matches it"
    assert skipped["lm_head.weight"] == "tied"
    assert tn.plan(SHAPES, by_shape).skipped["head.weight"] == "the function returned None"
    assert "encoder.norm.weight" not in skipped  # no matrix: nobody would expect it


def test_formats_by_name_with_options():
    assert set(tn.plan(SHAPES, format="low_rank", rank=2).values()) == {
        tn.LowRank(*s, 2) for s in set(SHAPES.values()) if len(s) == 2
    }
    assert tn.plan({"a": (4, 6)}, cores=2)["a"] == tn.plan({"a": (4, 6)}, format=tn.MPO, cores=2)["a"]
    assert len(tn.plan({"a": (4, 6)}, cores=3)["a"].shapes) == 3


def test_only_what_is_linear():
    shapes = {"embedding": (8, 4), "dense": (4, 6)}
    assert set(tn.plan(shapes, linear=["dense"])) == {"dense"}
    assert set(tn.plan(shapes, transposed=["dense", "elsewhere"]).transposed) == {"dense"}


def test_a_plan_is_a_mapping():
    plan = tn.plan(SHAPES)
    assert len(plan) == 4
    assert dict(plan) == plan.formats
    assert plan.num_params == sum(f.num_params for f in plan.values())


def test_the_table():
    """What somebody reads before training."""
    plan = tn.plan({"dense.weight": (3072, 768)}, skipped={"head.weight": "7 does not split in two"})
    plan = plan.aligned({"teacher.weight": (3072, 768)}, {"dense.weight": "teacher.weight"})
    head, row, skipped = str(plan).splitlines()
    assert head.split() == ["weight", "shape", "format", "params", "×", "GFLOP/step", "factors", "MB", "teacher"]
    assert row.split() == [
        *("dense.weight", "3072×768", "mpo", "rows=64·1·1·1·48", "cols=32·1·1·1·24"),
        *("3.25", "43.8", "30.7", "teacher.weight"),
    ]
    assert skipped.endswith("skipped: 7 does not split in two")
    columns = {line.index(cell) for line, cell in ((head, "teacher"), (row, "teacher.weight"), (skipped, "skipped"))}
    assert len(columns) == 1


def test_json_round_trip():
    plan = tn.plan(SHAPES, transposed=QUERIES).aligned(SHAPES, "uniform")
    back = tn.Plan.from_json(plan.to_json())
    assert back == plan
    assert str(back) == str(plan)
    assert list(back) == list(plan)


def test_uniform_pairs_are_the_papers():
    """6 of 12 layers: 2i + 1."""
    student = [f"bert.encoder.layer.{i}.output.dense.weight" for i in range(6)]
    teacher = [f"bert.encoder.layer.{i}.output.dense.weight" for i in range(12)]
    assert pair_names(student, teacher, "uniform") == {student[i]: teacher[2 * i + 1] for i in range(6)}


@pytest.mark.parametrize(
    ("style", "other"),
    [
        ("blocks.{}.w", "blocks.{}.w"),
        ("['blocks'][{}]['kernel']", "['blocks'][{}]['kernel']"),
        ("blocks/{}/kernel", "blocks/{}/kernel"),
        ("conv1.layer.{}.w", "conv1.layer.{}.w"),  # a digit inside a word is no layer number
    ],
)
def test_uniform_finds_the_layer_in_any_spelling(style, other):
    student = [style.format(i) for i in range(2)]
    teacher = [other.format(i) for i in range(6)]
    assert pair_names(student, teacher, "uniform") == {student[0]: teacher[2], student[1]: teacher[5]}


def test_uniform_pairs_what_has_no_layer_with_itself():
    assert pair_names(["head.w", "layer.0.w"], ["head.w", "layer.0.w"], "uniform")["head.w"] == "head.w"


@pytest.mark.parametrize("planned", [[0, 1], [0], [5]])
def test_uniform_counts_layers_that_are_not_planned(planned):
    """Layer i of a student planned in part goes where it goes when the whole student is planned."""
    student, teacher = ([f"layer.{i}.w" for i in range(n)] for n in (6, 12))
    found = pair_names(student, teacher, "uniform", [student[i] for i in planned])
    assert found == {student[i]: teacher[2 * i + 1] for i in planned}


def test_uniform_takes_the_number_in_which_the_models_differ():
    """The layer is not always the first number of a name, as in an encoder inside a Sequential."""
    student = [f"1.layers.{i}.mlp.{j}.w" for i in range(2) for j in range(3)]
    teacher = [f"1.layers.{i}.mlp.{j}.w" for i in range(6) for j in range(3)]
    found = pair_names(student, teacher, "uniform")
    assert found["1.layers.0.mlp.1.w"] == "1.layers.2.mlp.1.w"
    assert found["1.layers.1.mlp.2.w"] == "1.layers.5.mlp.2.w"


def test_an_expression_leaves_out_what_is_no_matrix_and_says_so():
    plan = tn.plan({"a.weight": (4, 6), "norm.weight": (6,)}, r".*weight")
    assert list(plan) == ["a.weight"]
    assert "its shape (6,) is no matrix" in plan.skipped["norm.weight"]


def test_a_dict_may_name_formats():
    assert tn.plan(SHAPES, {r".*query.*": "low_rank"}, rank=2)[min(QUERIES)].rank == 2


def test_uniform_counts_only_the_layers_that_are_there():
    """A student planned in part, numbered with gaps."""
    assert pair_names(["layer.3.w", "layer.10.w"], [f"layer.{n}.w" for n in (2, 5, 7, 11)], "uniform") == {
        "layer.3.w": "layer.5.w",
        "layer.10.w": "layer.11.w",
    }


def test_pairs_by_dict_and_function():
    student, teacher = ["a", "b"], ["x", "y"]
    assert pair_names(student, teacher, {"a": "y", "b": None}) == {"a": "y"}
    assert pair_names(student, teacher, {"b": "x"}.get) == {"b": "x"}
