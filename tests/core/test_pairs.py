"""Which layer goes with which: rules by hand, laws of all rules, names by layer and by expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensornet as tn
from tensornet.planning import layer_map, layers_taken, pair_names


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
