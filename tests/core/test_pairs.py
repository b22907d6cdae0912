"""Which layer goes with which: rules by hand, laws of all rules, names by layer and by expression."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensornet as tn
from tensornet.generator import generators
from tensornet.generator._groups import groups
from tensornet.planning import layer_map, layers_taken, pair_names
from tensornet.planning._pairs import NUMBER


def layers(count, style="layer.{}.w"):
    return [style.format(i) for i in range(count)]


@pytest.mark.parametrize(
    ("how", "of_12", "of_8"),
    [
        ("uniform", (1, 3, 5, 7, 9, 11), (0, 1, 3, 4, 5, 7)),
        ("skip", (0, 2, 4, 6, 8, 10), (0, 1, 2, 4, 5, 6)),
        ("last", (6, 7, 8, 9, 10, 11), (2, 3, 4, 5, 6, 7)),
        ("first", (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5)),
    ],
)
def test_rules_by_hand(how, of_12, of_8):
    assert layer_map(6, 12, how) == layers_taken(6, 12, how) == of_12
    assert layer_map(6, 8, how) == of_8
    assert pair_names(layers(6), layers(8), how) == {f"layer.{i}.w": f"layer.{j}.w" for i, j in enumerate(of_8)}


@given(st.sampled_from(["uniform", "skip", "last", "first"]), st.integers(1, 30), st.integers(0, 40))
def test_every_rule_keeps_the_order_and_shares_nothing(how, n, more):
    found = layer_map(n, n + more, how)
    assert len(found) == n
    assert sorted(set(found)) == list(found)
    assert found[0] >= 0
    assert found[-1] < n + more
    assert (found[-1] == n + more - 1) >= (how in ("uniform", "last"))
    assert (found[0] == 0) >= (how in ("skip", "first"))
    assert more or found == tuple(range(n))


def test_maps_of_ones_own():
    assert layer_map(3, 2, {0: 0, 2: 1}) == (0, None, 1)
    assert layer_map(3, 2, {0: 0, 1: None, 2: 0}.get) == (0, None, 0)
    assert layers_taken(2, 4, {0: 3, 1: 0}) == (3, 0)
    assert layers_taken(2, 4, {"name": "other"}) == layers_taken(2, 4, str) == (1, 3)


def test_names_by_a_dict_of_layers():
    """Layers that the dict leaves out are not paired; of equal depths too, where a number alone varies."""
    assert pair_names(layers(3), layers(6), {0: 5, 2: 0}) == {"layer.0.w": "layer.5.w", "layer.2.w": "layer.0.w"}
    assert pair_names(layers(2), layers(2), {0: 1, 1: 0}) == {"layer.0.w": "layer.1.w", "layer.1.w": "layer.0.w"}
    style = "1.layer.{}.w"
    assert pair_names(layers(2, style), layers(2, style), {0: 1}) == {"1.layer.0.w": "1.layer.1.w"}
    assert pair_names([*layers(2), "head.w"], [*layers(4), "head.w"], {1: 3})["head.w"] == "head.w"


def test_names_by_expression():
    student = ["enc.0.q.w", "enc.1.q.w", "enc.0.k.w", "enc.1.k.w", "head.w"]
    teacher = [f"h.{i}.attn.{m}" for i in range(2) for m in "qk"] + ["out"]
    pairs = {r"enc\.(\d+)\.(?P<kind>q|k)\.w": r"h.\1.attn.\g<kind>", "head.w": "out"}
    found = pair_names(student, teacher, pairs)
    assert found == {f"enc.{i}.{m}.w": f"h.{i}.attn.{m}" for m in "qk" for i in range(2)} | {"head.w": "out"}
    assert pair_names(student, teacher, {r"enc.*": None, "head.w": "out"}) == {"head.w": "out"}


def test_what_is_a_name_is_no_expression():
    """Names of JAX are full of brackets and dots; "." is not any character in a name."""
    name = "['a'][0]['kernel']"
    assert pair_names([name], [name], {name: name}) == {name: name}
    assert pair_names(["a.w", "axw"], ["t"], {"a.w": "t"}) == {"a.w": "t"}
    with pytest.raises(tn.TensorNetError, match=r"'\['b'\]\['kernel'\]' is no planned|\"\['b'\]\['kernel'\]\" is no"):
        pair_names([name], [name], {"['b']['kernel']": name})


def test_stacks_follow_the_pairs():
    plan = tn.plan({"fc": (4, 6)}, stacked={"fc": 2})
    for pairs in ("last", "skip", {"fc": "fc"}):
        assert plan.aligned({"fc": (5, 4, 6)}, pairs).teachers == {"fc": "fc"}
    with pytest.raises(tn.TensorNetError, match=r"leave out \[1\] of 2 stacked layers"):
        plan.aligned({"fc": (5, 4, 6)}, {0: 3})


# ---- many names -----------------------------------------------------------------------------------------------------

BERT = ("attention.self.query", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense")


def bert(count):
    layers = [f"bert.encoder.layer.{i}.{part}.weight" for i in range(count) for part in BERT]
    return ["bert.embeddings.word_embeddings.weight", *layers, "bert.pooler.dense.weight", "classifier.weight"]


def t5(count):
    """Encoder and decoder of one depth, and inner numbers that both have alike."""
    return ["shared.weight"] + [
        f"{side}.block.{i}.layer.{k}.{part}.weight"
        for side in ("encoder", "decoder")
        for i in range(count)
        for k, part in ((0, "SelfAttention.q"), (0, "SelfAttention.o"), (1, "DenseReluDense.wi"))
    ]


def pytree(count):
    return [f"['layers'][{i}]['mlp']['kernel']" for i in range(count)] + ["['head']['kernel']"]


def anew(name, student, teacher, how):
    """One name at a time, by the definition: the one number of which the counts differ is the layer."""
    part = re.compile(r"(?<=[.\[_/])\d+(?=[.\]_/])|^\d+(?=[.\]_/])|(?<=[.\[_/])\d+$")
    ours, theirs = (
        [[int(n) for n in part.findall(x)] for x in names if part.sub("#", x) == part.sub("#", name)]
        for names in (student, teacher)
    )
    values = [(sorted({x[k] for x in ours}), sorted({x[k] for x in theirs})) for k in range(len(ours[0]))]
    place = next((k for k, (a, b) in enumerate(values) if len(a) != len(b)), None)
    if place is None:
        return name
    layers, total = values[place]
    at = list(part.finditer(name))[place]
    partner = layer_map(len(layers), len(total), how)[layers.index(int(at.group()))]
    return f"{name[: at.start()]}{total[partner]}{name[at.end() :]}"


@pytest.mark.parametrize("how", ["uniform", "skip", "last", "first"])
@pytest.mark.parametrize("made", [bert, t5, pytree], ids=lambda f: f.__name__)
def test_names_of_models_are_paired_as_one_by_one(made, how):
    student, teacher = made(4), made(12)
    assert pair_names(student, teacher, how) == {name: anew(name, student, teacher, how) for name in student}
    planned = student[1:-1:2]
    assert pair_names(student, teacher, how, planned) == {name: anew(name, student, teacher, how) for name in planned}


def test_each_name_is_looked_at_a_few_times_only(monkeypatch):
    """However many there are: 640 against 1,280 took seconds when each was compared with all others."""
    seen = []
    for module in ("planning._pairs", "generator._groups"):
        monkeypatch.setattr(f"tensornet.{module}.kind_of", lambda name: seen.append(name) or NUMBER.sub("#", name))
    student, teacher = bert(20), bert(40)
    pair_names(student, teacher, "uniform")
    assert len(seen) <= 2 * (len(student) + len(teacher))
    seen.clear()
    groups(student, teacher, None)
    assert len(seen) <= 2 * (len(student) + len(teacher))
    seen.clear()
    shapes = [dict.fromkeys(names, (8, 8)) for names in (student, teacher)]
    generators(*shapes)
    assert len(seen) <= 4 * (len(student) + len(teacher))
