"""Plans: every kind of rule, pairs, the table, JSON."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

import tensornet as tn
from tensornet.formats import Padded, register
from tensornet.planning import layers_taken
from tensornet.planning._pairs import pair_names

SHAPES = {
    **{f"encoder.layer.{n}.{m}.weight": s for n in range(2) for m, s in (("query", (4, 4)), ("output", (4, 6)))},
    "encoder.norm.weight": (4,),
    "head.weight": (7, 4),  # a prime
}
QUERIES = {"encoder.layer.0.query.weight", "encoder.layer.1.query.weight"}


CONVOLUTIONAL = {"fc.weight": (4, 6), "conv.weight": (4, 6, 3, 3), "norm.weight": (6,), "conv.bias": (4,)}


@register
@dataclass(frozen=True)
class Kernel(tn.Format):
    """One factor, of kernels of 3 × 3 with an even number of outputs: a format that decides which shapes it takes."""

    name: ClassVar[str] = "test_kernel"

    size: tuple[int, ...]

    @classmethod
    def for_shape(cls, shape, *, scale=None):
        if len(shape) != 4 or shape[0] % 2:
            raise tn.TensorNetError(f"Kernel: shape {shape}, needed (even, in, 3, 3); bring that")
        return cls(shape)

    @property
    def shape(self):
        return self.size

    @property
    def network(self):
        rows, cols = self.matrix_shape
        return tn.Network((("i", "j"),), ("i",), ("j",), (("i", rows), ("j", cols)))

    def _fill(self, w, gauge):
        return [w]


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


def test_a_name_in_full_means_that_weight_alone():
    """Not also those that end in it: `top` gives names in full."""
    shapes = {"dense.weight": (4, 4), "encoder.dense.weight": (4, 4)}
    assert list(tn.plan(shapes, ["dense.weight"])) == ["dense.weight"]
    assert set(tn.plan(shapes, list(shapes))) == set(shapes)


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


@pytest.mark.parametrize(
    ("options", "fmt"),
    [
        ({"cores": 5, "scale": 0.5}, tn.MPO.for_shape((48, 64), cores=5, scale=0.5)),
        ({"layout": "even", "cores": 3, "num_params": 800}, tn.MPO((4, 4, 3), (4, 4, 4), (6, 6))),
        ({"format": "low_rank", "rank": 8}, tn.LowRank(48, 64, 8)),
        ({"format": tn.LowRank, "scale": 0.5}, tn.LowRank(48, 64, 13)),
        ({"format": "padded", "inner": "low_rank", "rank": 2}, Padded(tn.LowRank(48, 64, 2), (48, 64))),
        ({"cores": 2, "pad": True}, tn.MPO((8, 6), (8, 8))),
    ],
    ids=str,
)
def test_options_reach_for_shape(options, fmt):
    plan = tn.plan({"w": (48, 64)}, **options)
    made = plan["w"]
    assert made == fmt or made == getattr(fmt, "inner", None)  # nothing to pad
    assert made.scale <= options.get("scale", 99)


def test_primes_are_padded_when_asked_to():
    plan = tn.plan(SHAPES, cores=3, pad=True)
    assert not plan.skipped
    assert plan["head.weight"] == Padded(tn.MPO.for_shape((8, 4), cores=3), (7, 4))
    assert plan.num_params == sum(f.num_params for f in plan.values())


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 3), (3, 1), (4, 1)], ids=str)
@pytest.mark.parametrize("layout", ["outer", "even"])
def test_the_least_sizes_are_padded_to_such_as_split(shape, layout):
    fmt = tn.plan({"a": shape}, ["a"], pad=True, cores=2, layout=layout)["a"]
    assert fmt.shape == shape
    assert fmt.inner.shape == (4, 4)


def test_all_linear_leaves_out_for_primes_alone():
    """What is wrong beside the prime is not hidden behind it."""
    with pytest.raises(tn.TensorNetError, match=r"plan: head \(7, 4\): MPO.for_shape: cores=1, needed"):
        tn.plan({"head": (7, 4)}, cores=1)


@pytest.mark.parametrize("rules", [r"conv\.weight", ["conv.weight"], {r"conv\.weight": Kernel}], ids=str)
def test_a_format_decides_which_shapes_it_takes(rules):
    plan = tn.plan(CONVOLUTIONAL, rules, format="test_kernel")
    assert dict(plan) == {"conv.weight": Kernel((4, 6, 3, 3))}
    assert plan.skipped == {"fc.weight": "no rule matches it"}
    assert tn.Plan.from_json(plan.to_json()) == plan
    row = str(plan).splitlines()[1]
    assert row.split() == ["conv.weight", "4×6×3×3", "test_kernel", "size=4·6·3·3", "1.00", "0", "0.000864", "–"]


def test_all_linear_means_matrices():
    assert list(tn.plan(CONVOLUTIONAL, cores=2)) == ["fc.weight"]


def test_a_format_of_one_kernel_is_taken_too():
    assert tn.plan(CONVOLUTIONAL, {"conv.*": Kernel((4, 6, 3, 3))}).skipped["conv.bias"].endswith("is no matrix")
    plan = tn.plan(CONVOLUTIONAL, lambda n, s: Kernel(s) if len(s) == 4 else None)
    assert list(plan) == ["conv.weight"]


@pytest.mark.parametrize(
    ("format", "other", "why"), [("mpo", "conv", "of a matrix"), (Kernel, "fc", "(even, in, 3, 3)")]
)
def test_an_expression_leaves_out_the_kinds_of_weight_that_the_format_takes_none_of(format, other, why):
    plan = tn.plan(CONVOLUTIONAL, ".*weight", format=format)
    assert set(plan) == {"conv.weight", "fc.weight"} - {f"{other}.weight"}
    assert plan.skipped["norm.weight"] == "'.*weight' matches it, but its shape (6,) is no matrix"
    assert why in plan.skipped[f"{other}.weight"]
    assert ";" not in plan.skipped[f"{other}.weight"]
    with pytest.raises(tn.TensorNetError, match=f"plan: {other}.weight"):  # by name it was meant
        tn.plan(CONVOLUTIONAL, [f"{other}.weight"], format=format)


def test_a_kind_that_the_format_takes_must_have_one_for_each():
    shapes = {"a.conv": (4, 6, 3, 3), "b.conv": (3, 6, 3, 3)}
    with pytest.raises(tn.TensorNetError, match=r"plan: b.conv \(3, 6, 3, 3\): Kernel: .* needed \(even"):
        tn.plan(shapes, ".*conv", format=Kernel)


def test_shapes_may_come_from_json():
    assert tn.plan({"a": [4, 6]}, format="low_rank")["a"].shape == (4, 6)


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


def test_the_table_of_nested_and_truncated_formats():
    """Full bonds follow from the rest and are left out; others are what the format is about."""
    rows = str(tn.plan({"a": (7, 4), "b": (48, 64)}, cores=2, rank=4, pad=True)).splitlines()[1:]
    assert rows[0].split() == [
        *("a", "7×4", "padded", "inner=(mpo", "rows=4·2", "cols=2·2)", "size=7·4", "1.71"),
        *(f"{tn.plan({'a': (7, 4)}, cores=2, pad=True)['a'].flops / 1e9:.3g}", "0.000192", "–"),
    ]
    assert "mpo rows=8·6 cols=8·8 bonds=4 " in rows[1]


def test_the_table_of_a_kernel_format():
    """What is None in a field, the ranks of axes that Tucker leaves whole, is a dash."""
    shapes = {"conv.weight": (16, 3, 3, 3), "fc.weight": (10, 32)}
    plan = tn.plan(shapes, {"conv.*": "tucker", "fc.*": "low_rank"}, rank=2)
    assert "tucker rows=16 cols=3 ranks=2·2·–·– kernel=3·3 " in str(plan)
    assert tn.Plan.from_json(plan.to_json()) == plan


def test_json_round_trip_of_nested_formats():
    plan = tn.plan({"a": (7, 4), "b": (48, 64)}, cores=3, rank=4, pad=True)
    assert isinstance(plan["a"], Padded)
    assert tn.Plan.from_json(plan.to_json()) == plan


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


# ---- stacks of layers -----------------------------------------------------------------------------------------------


def stack(depth=3):
    return tn.plan({"layers.fc": (64, 48), "head": (4, 6)}, cores=3, stacked={"layers.fc": depth, "elsewhere": 2})


def test_a_stack_counts_all_its_layers():
    plan, one = stack(), tn.plan({"layers.fc": (64, 48), "head": (4, 6)}, cores=3)
    assert plan.stacked == {"layers.fc": 3}
    assert plan["layers.fc"] == one["layers.fc"]
    assert plan.num_params == one.num_params + 2 * one["layers.fc"].num_params
    cells = [str(p).splitlines()[1].split() for p in (plan, one)]
    assert cells[0][1:4] == ["3", "of", "64×48"]
    assert [float(c) for c in cells[0][-3:-1]] == pytest.approx([3 * float(c) for c in cells[1][-3:-1]], rel=1e-2)
    assert cells[0][-4] == cells[1][-4]  # parameters over the dense ones


def test_json_round_trip_of_a_stack():
    plan = stack()
    assert tn.Plan.from_json(plan.to_json()) == plan
    assert str(tn.Plan.from_json(plan.to_json())) == str(plan)


@pytest.mark.parametrize(("depth", "total", "taken"), [(6, 12, [1, 3, 5, 7, 9, 11]), (2, 2, [0, 1]), (1, 4, [3])])
def test_layers_of_a_stack_are_paired_as_the_papers(depth, total, taken):
    assert list(layers_taken(depth, total)) == taken


def test_a_stack_is_paired_with_a_stack():
    pairs = {"layers.fc": "blocks.fc"}
    assert stack().aligned({"blocks.fc": (6, 64, 48)}, pairs).teachers == pairs
    for shape, why in [
        ((64, 48), r"is a stack of 3 × \(64, 48\) and is paired with .* stack the"),
        ((3, 2, 64, 48), r"is a stack of 3 × \(64, 48\) and is paired with .* stack the"),
        ((2, 64, 48), "3 student layers and 2 of the teacher's, needed as many at least"),
        ((6, 48, 65), r"layers.fc \(64, 48\) is paired with the teacher's blocks.fc \(6, 48, 65\)"),
    ]:
        with pytest.raises(tn.TensorNetError, match=why):
            stack().aligned({"blocks.fc": shape}, pairs)
    with pytest.raises(tn.TensorNetError, match=r"head \(4, 6\) is paired with the teacher's head \(2, 4, 6\)"):
        stack().aligned({"head": (2, 4, 6)}, {"head": "head"})
