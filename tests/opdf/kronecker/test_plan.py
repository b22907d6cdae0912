"""Shapes, counts and operations: the paper's, and those that are found for a size."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from interplay import encoders
from transformers import BertConfig, BertForSequenceClassification, BertModel, RobertaConfig, RobertaModel

import tensornet_torch as tnt
from opdf.kronecker import flops, parameters, published, searched
from opdf.kronecker._nearest import missed
from opdf.kronecker._search import reached
from tensornet import Kronecker, TensorNetError

BASE = {8: (14_654_216, 5.47), 21: (5_228_272, 1.40)}  # parameters; GFLOP for 128 tokens (paper: 5.2 and 1.4)
KINDS = {
    "embedding": "word_embeddings",
    "attention": "query",
    "up": "layer.0.intermediate",
    "down": "layer.0.output.dense",
}


@pytest.fixture(scope="module")
def base():
    """BERT-base with its pooler and without a head."""
    with torch.device("meta"):
        return BertModel(BertConfig())


def small(**changes):
    torch.manual_seed(0)
    return BertModel(encoders.config(**changes))


def formats(plan):
    """One of each kind."""
    return {kind: next(f for name, f in plan.items() if part in name) for kind, part in KINDS.items()}


# ---- Table 1 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", BASE)
def test_parameters_and_operations_of_bert_base(base, which):
    """14.65 M and 5.23 M: all parameters of BertModel, pooler included, no head; 2 labels are 1,538 more."""
    plan = published(base, which)
    assert parameters(base, plan) == BASE[which][0]
    assert len(plan) == 1 + 12 * 6
    linear = sum(flops(f) for name, f in plan.items() if "word_embeddings" not in name)
    assert round(128 * linear / 1e9, 2) == BASE[which][1]
    with torch.device("meta"):
        headed = BertForSequenceClassification(BertConfig(num_labels=2))
    assert parameters(headed, published(headed, which)) == BASE[which][0] + 2 * 768 + 2


def test_the_count_is_that_of_the_compressed_model():
    model = small(vocab_size=96, hidden_size=32, intermediate_size=64)
    plan = published(model, 8)
    assert sum(p.numel() for p in tnt.compress(model, plan).parameters()) == parameters(model, plan)


def test_shapes_of_the_table(base):
    assert formats(published(base, 21)) == {
        "embedding": Kronecker((30522, 48), (1, 16), 1),
        "attention": Kronecker((384, 48), (2, 16), 1),
        "up": Kronecker((16, 2), (192, 384), 1),
        "down": Kronecker((2, 16), (384, 192), 1),
    }
    assert formats(published(base, 8))["attention"] == Kronecker((384, 384), (2, 2), 1)


def test_other_encoders_have_the_same_kinds():
    with torch.device("meta"):
        config = RobertaConfig(vocab_size=64, hidden_size=24, intermediate_size=64)
        model = RobertaModel(config)
    assert len(published(model, 8)) == 1 + 12 * 6


# ---- operations and errors --------------------------------------------------------------------------------------------


def test_operations_are_those_of_the_two_orders():
    """Counted by hand: B X takes m2·n1 sums of n2 products, then (B X) Aᵀ m2·m1 sums of n1; or X Aᵀ first."""
    fmt = Kronecker((4, 3), (5, 2), 1)
    assert flops(fmt) == min(5 * 3 * 3 + 5 * 4 * 5, 2 * 4 * 5 + 5 * 4 * 3)
    assert flops(Kronecker((4, 3), (5, 2), 3)) == 3 * flops(fmt) + 2 * 4 * 5


def test_what_is_missed_is_what_the_nearest_products_miss():
    w = torch.from_numpy(np.random.default_rng(0).standard_normal((12, 6))).float()
    for left in ((1, 2), (4, 3), (12, 3), (6, 1)):
        right = (12 // left[0], 6 // left[1])
        full = Kronecker(left, right)
        for r, found in enumerate(missed(w, full), 1):
            fmt = Kronecker(left, right, r)
            far = torch.linalg.norm(w - fmt.contract(fmt.decompose(w))) ** 2
            assert found == pytest.approx(float(far), abs=1e-4), (left, r)


# ---- search -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "terms"), [(3, 1), (4, 2), (5, 1)])
@pytest.mark.parametrize("by", ["error", "flops"])
def test_a_size_is_reached_and_hardly_surpassed(ratio, terms, by):
    model = small(vocab_size=400)
    plan = searched(model, ratio, terms=terms, by=by)
    reached = sum(p.numel() for p in model.parameters()) / parameters(model, plan)
    assert ratio <= reached < 1.35 * ratio
    assert max(f.terms for f in plan.values()) <= terms
    of = formats(plan)
    assert of["down"] == Kronecker(of["up"].left[::-1], of["up"].right[::-1], of["up"].terms)


@pytest.mark.parametrize("frozen", ["embeddings", ""])
def test_a_size_is_reached_whatever_is_frozen(frozen):
    model = small()
    whole = searched(model, 2.0)
    model.get_submodule(frozen).requires_grad_(False)
    assert dict(searched(model, 2.0)) == dict(whole)


def test_structure_is_found():
    """Weights that are Kronecker products of some shape are split by it, and nothing is missed."""
    model = small(vocab_size=96, hidden_size=32, intermediate_size=64)
    plan = published(model, 8)
    twin = tnt.dense(tnt.compress(model, plan))
    ratio = sum(p.numel() for p in twin.parameters()) / parameters(twin, plan)
    assert dict(searched(twin, 0.99 * ratio)) == dict(plan)
    entries = tnt.receipt(tnt.compress(twin, searched(twin, 0.99 * ratio))).entries
    assert max(e.error for e in entries) < 1e-5


def test_the_choice_is_the_best_of_all():
    """Against every combination, worked out here."""
    model = small(vocab_size=60, hidden_size=8, intermediate_size=16, num_attention_heads=2)
    ratio = 2.0
    plan = searched(model, ratio)

    weights = dict(model.named_parameters())

    @cache
    def missed_of(name, fmt):
        return missed(weights[name], fmt)[-1]

    def far(p):
        return sum(missed_of(*pair) for pair in p.items())

    every = []
    divisors = {n: [k for k in range(1, n + 1) if n % k == 0] for n in (8, 16)}
    for (a, c), (e, g), n in product(product(divisors[8], repeat=2), product(divisors[16], divisors[8]), divisors[8]):
        of = {
            "embedding": Kronecker((60, 8 // n), (1, n), 1),
            "attention": Kronecker((a, c), (8 // a, 8 // c), 1),
            "up": Kronecker((e, g), (16 // e, 8 // g), 1),
            "down": Kronecker((g, e), (8 // g, 16 // e), 1),
        }
        kind = {name: k for name in plan for k, part in ALL.items() if part(name)}
        every.append({name: of[kind[name]] for name in plan})
    budget = sum(p.numel() for p in model.parameters()) / ratio
    rest = sum(p.numel() for n, p in weights.items() if n not in plan)
    sizes = [rest + sum(f.num_params for f in p.values()) for p in every]
    within = [(p, n) for p, n in zip(every, sizes, strict=True) if n <= budget]
    largest = max(n for _, n in within)
    near = [p for p, n in within if n - rest >= 0.9 * (largest - rest)]
    assert far(plan) <= min(map(far, near)) * 1.001


ALL = {
    "embedding": lambda n: "word_embeddings" in n,
    "attention": lambda n: "attention" in n,
    "up": lambda n: "intermediate" in n,
    "down": lambda n: "attention" not in n and "output.dense" in n,
}


def test_without_values_much_is_reached_with_few_operations(base):
    plan = searched(base, 8)
    assert plan == searched(base, 8, by="flops")
    assert all(reached(f) >= 512 for name, f in plan.items() if "word_embeddings" not in name)
    assert reached(Kronecker((1, 24), (768, 32), 1)) == 32


# ---- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: published(small(hidden_size=36, num_attention_heads=4), 21), r"attention weights are 36×36 .*2×16"),
        (lambda: published(small(intermediate_size=20), 8), r"up weights are 20×32 .*8×2"),
        (lambda: published(small(hidden_size=12, num_attention_heads=2), 8), r"embedding weights are 100×12 .* 1×8"),
        (lambda: published(small(), 5), r"KroneckerBERT_5, needed one of 8, 21"),
        (lambda: published(torch.nn.Linear(4, 4), 8), r"Linear without weights for embedding, attention, up, down"),
        (lambda: searched(small(), 1000), r"ratio=1000 .* stay dense"),
        (lambda: searched(small(), 1.0), r"ratio=1.0, terms=1"),
        (
            lambda: searched(small(hidden_size=37, num_attention_heads=1), 8.0),
            r"that divide 100×37, 37×37, 64×37, 37×64 reach",
        ),
        (lambda: searched(small().to("meta"), 4, by="error"), r"by='error' of a model on the meta device"),
        (lambda: parameters(small(), published(BertForSequenceClassification(encoders.config()), 8)), r"no bert\."),
    ],
)
def test_what_cannot_be(call, says):
    with pytest.raises(TensorNetError, match=says):
        call()


def test_weights_of_one_kind_with_two_shapes():
    model = small()
    model.encoder.layer[1].intermediate.dense = torch.nn.Linear(32, 48)
    with pytest.raises(TensorNetError, match=r"up weights of shapes \[\(48, 32\), \(64, 32\)\]"):
        published(model, 8)
