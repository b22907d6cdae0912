"""The plan: which weight comes from which, whatever the model is called and however deep it is."""

import pytest

import tensornet as tn
from tensornet.generator._groups import groups


def stack(prefix, layers, *names):
    return [f"{prefix}.{k}.{name}" for k in range(layers) for name in names]


@pytest.mark.parametrize(("n", "total"), [(1, 6), (2, 6), (3, 6), (6, 6), (4, 6), (5, 12), (7, 12), (3, 4)])
def test_no_layer_is_dropped(n, total):
    found = groups(stack("l", n, "q"), stack("l", total, "q"), None)
    taken = [other for sources in found.values() for other in sources]
    assert taken == stack("l", total, "q")  # every one of them, once, in order
    sizes = {len(sources) for sources in found.values()}
    assert max(sizes) - min(sizes) <= 1
    if total % n == 0:  # as published: ts·i … ts·(i + 1) − 1
        assert found[f"l.{n - 1}.q"] == tuple(f"l.{k}.q" for k in range(total - total // n, total))


def test_encoder_and_decoder_have_their_own_layers():
    student = stack("encoder", 6, "q") + stack("decoder", 2, "q", "cross.q")
    teacher = stack("encoder", 6, "q") + stack("decoder", 5, "q", "cross.q")
    found = groups(student, teacher, None)
    assert found["encoder.3.q"] == ("encoder.3.q",)
    assert found["decoder.0.q"] == ("decoder.0.q", "decoder.1.q")
    assert found["decoder.1.cross.q"] == ("decoder.2.cross.q", "decoder.3.cross.q", "decoder.4.cross.q")


def test_other_numbers_in_the_names_do_not_count_layers():
    student, teacher = stack("l", 2, "mlp.0.w", "mlp.2.w"), stack("l", 4, "mlp.0.w", "mlp.2.w")
    assert groups(student, teacher, None)["l.1.mlp.2.w"] == ("l.2.mlp.2.w", "l.3.mlp.2.w")


def test_what_is_not_generated_is_counted_too():
    student, teacher = stack("l", 4, "q"), stack("l", 4, "q")
    assert groups(student, teacher, None, ["l.0.q", "l.1.q"]) == {f"l.{k}.q": (f"l.{k}.q",) for k in (2, 3)}
    assert groups(stack("l", 2, "q"), teacher, None, ["l.0.q"]) == {"l.1.q": ("l.2.q", "l.3.q")}


def test_classes_at_the_end_of_a_numbered_stack_have_no_map():
    shapes = [{"0.weight": (h, 4), "0.bias": (h,), "2.weight": (10, h), "2.bias": (10,)} for h in (6, 8)]
    plan = tn.generators(*shapes)
    assert {n: g.mapped for n, g in plan.items()} == {
        "0.weight": (0, 1),
        "0.bias": (0,),
        "2.weight": (1,),
        "2.bias": (),
    }


def test_pairs_override():
    student, teacher = ["e", *stack("l", 2, "q")], ["emb", *stack("l", 4, "q")]
    found = groups(student, teacher, {"e": "emb", r"l\.(\d)\.q": [r"l.\1.q", "l.3.q"]})
    assert found == {"e": ("emb",), "l.0.q": ("l.0.q", "l.3.q"), "l.1.q": ("l.1.q", "l.3.q")}
    by_function = groups(student, teacher, lambda name: None if name == "e" else ["l.0.q", "l.1.q"])
    assert by_function == {"e": (), "l.0.q": ("l.0.q", "l.1.q"), "l.1.q": ("l.0.q", "l.1.q")}


def encoder(layers, d, words=11, kind=2):
    """Shapes as a Transformer has them: an embedding, layers, a head."""
    one = {"q.weight": (d, d), "q.bias": (d,), "up.weight": (4 * d, d), "down.weight": (d, 4 * d), "norm.weight": (d,)}
    found = {f"layer.{k}.{n}": s for k in range(layers) for n, s in one.items()}
    return {"embedding.weight": (words, d), **found, "head.weight": (kind, d), "head.bias": (kind,)}


def test_forms():
    plan = tn.generators(encoder(2, 8), encoder(5, 12), tables=["embedding.weight"])
    forms = {name: (g.mapped, g.depth) for name, g in plan.items()}
    assert forms["embedding.weight"] == ((1,), 1)  # words are not mixed
    assert forms["layer.0.up.weight"] == ((0, 1), 2)
    assert forms["layer.1.norm.weight"] == ((0,), 3)
    assert forms["head.weight"] == ((1,), 1)  # nor are classes
    assert forms["head.bias"] == ((), 1)


def test_what_does_not_change_is_elementwise():
    """The paper's encoder; its decoder, at the same width, has maps because layers are mixed."""
    same = tn.generators(encoder(3, 8), encoder(3, 8), tables=["embedding.weight"])
    assert {(g.mapped, g.depth) for g in same.values()} == {((), 1)}
    assert set(same["layer.0.q.weight"].shapes) == {(8, 8)}
    shallow = tn.generators(encoder(1, 8), encoder(3, 8), tables=["embedding.weight"])
    assert shallow["layer.0.q.weight"].shapes == ((8, 8), (8, 8), (3, 3), (3,), (8, 8), (8, 8))
    assert shallow["embedding.weight"].mapped == ()


def test_heads_are_widths_of_heads():
    plan = tn.generators(encoder(2, 8), encoder(2, 12), heads=(3, 2), tables=["embedding.weight"])
    assert {g.widths for g in plan.values()} == {(4, 4)}


def test_the_table_says_what_is_trained_densely():
    plan = tn.generators(
        encoder(2, 8), encoder(5, 12), tables=["embedding.weight"], pairs={"head.*": None}, dense={"frozen": "frozen"}
    )
    text = str(plan)
    assert f"are generated from {plan.num_params} trained ones" in text
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["layer.1.q.weight"].endswith("layer.2.q.weight, layer.3.q.weight, layer.4.q.weight")
    assert lines["head.weight"].split()[1:] == ["dense", "pairs", "say", "so"]
    assert lines["frozen"].split()[1:] == ["dense", "frozen"]
    assert str(plan["layer.1.q.weight"].num_params) in lines["layer.1.q.weight"]


def test_json():
    plan = tn.generators(
        encoder(2, 8), encoder(5, 12), heads=(3, 2), pairs={"head.*": None}, transposed=["layer.0.q.weight"]
    )
    assert tn.Generators.from_json(plan.to_json()) == plan
    assert hash(plan["embedding.weight"]) == hash(tn.Generators.from_json(plan.to_json())["embedding.weight"])
