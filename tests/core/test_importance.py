"""importance and top: which weights OPF would choose."""

import numpy as np
import pytest
from libraries import BY_NAME

import tensornet as tn


def layers(n, *kinds):
    return {f"encoder.layer.{i}.{kind}.weight": (4, 6) for i in range(n) for kind in kinds}


def test_the_score_is_the_first_order_change_of_the_loss():
    """Eq. 7 against eq. 6: of a loss that is linear in W they are equal."""
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(size=(4, 6)) for n in "ab"}
    slopes = {n: rng.normal(size=(4, 6)) for n in "ab"}

    def loss(weights):
        return sum((slopes[n] * w).sum() for n, w in weights.items())

    scores = tn.importance(weights, slopes)
    for name in weights:
        without = loss({**weights, name: np.zeros((4, 6))})
        assert scores[name] == pytest.approx(abs(loss(weights) - without), rel=1e-12)


def test_what_cancels_does_not_count():
    """|Σ ∂L/∂W ⊙ W|, not Σ |∂L/∂W ⊙ W|: the expansion is of the whole weight going to zero."""
    assert tn.importance({"a": np.asarray([[1.0, 1.0]])}, {"a": np.asarray([[2.0, -3.0]])}) == {"a": 1.0}


def test_of_a_real_loss_it_is_the_slope_towards_zero():
    """d/dt L((1 − t) W) at 0, by finite differences, complex weights included."""
    rng = np.random.default_rng(0)
    w, target = (rng.normal(size=(3, 5)) + 1j * rng.normal(size=(3, 5)) for _ in range(2))

    def loss(w):
        return 0.5 * (abs(w - target) ** 2).sum()

    slope = (loss(w * (1 + 1e-6)) - loss(w * (1 - 1e-6))) / 2e-6
    assert tn.importance({"a": w}, {"a": w - target})["a"] == pytest.approx(abs(slope), rel=1e-6)


@pytest.mark.parametrize("name", list(BY_NAME))
def test_any_library_and_any_shape(name):
    xp = BY_NAME[name].xp
    weights = {"vector": xp.asarray([1.0, 2.0]), "kernel": xp.ones((2, 2, 3, 3))}
    scores = tn.importance(weights, {"kernel": -weights["kernel"], "vector": weights["vector"]})
    assert scores == {"vector": 5.0, "kernel": 36.0}
    assert list(scores) == ["vector", "kernel"]
    assert all(type(s) is float for s in scores.values())


def test_sixteen_bits_neither_overflow_nor_round():
    torch = pytest.importorskip("torch")
    w = torch.full((300, 300), 3.0, dtype=torch.float16, requires_grad=True)
    assert tn.importance({"a": w}, {"a": w.detach()}) == {"a": 810_000.0}


def test_top_of_each_kind():
    scores = dict.fromkeys(layers(4, "fc1", "q_proj"), 0.0) | {"head.weight": 0.5}
    scores |= {
        "encoder.layer.3.fc1.weight": 3.0,
        "encoder.layer.1.fc1.weight": 1.0,
        "encoder.layer.2.q_proj.weight": 9.0,
    }
    assert tn.top(scores, 2) == [
        *("encoder.layer.3.fc1.weight", "encoder.layer.1.fc1.weight"),
        *("encoder.layer.2.q_proj.weight", "encoder.layer.0.q_proj.weight"),  # equal scores: by name
        "head.weight",
    ]


def test_ties_do_not_depend_on_the_order_of_the_table():
    names = list(layers(3, "fc"))
    assert tn.top(dict.fromkeys(names, 1.0), 2) == tn.top(dict.fromkeys(reversed(names), 1.0), 2) == names[:2]


def test_a_kind_of_ones_own():
    scores = {"Dense_0": 1.0, "Dense_1": 2.0, "Conv_0": 0.0, "conv1": 4.0, "conv2": 5.0}
    assert tn.top(scores, 1) == ["Dense_1", "Conv_0", "conv1", "conv2"]
    assert tn.top(scores, 1, per=lambda name: name[:4].lower()) == ["Dense_1", "conv2"]
    assert tn.top(scores, 1, per=lambda name: "") == ["conv2"]


def test_infinite_scores_rank():
    assert tn.top({"a.0": 1.0, "a.1": float("inf")}, 1) == ["a.1"]


def test_from_gradients_to_a_plan():
    """Of two layers, the one that the loss depends on."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.ModuleList([torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)])
    x = torch.randn(8, 6)
    (layers[0](x).square().mean() + 1e-3 * layers[1](x).square().mean()).backward()
    weights = {n: p for n, p in layers.named_parameters() if p.ndim == 2}
    scores = tn.importance(weights, {n: p.grad for n, p in weights.items()})
    plan = tn.plan({n: p.shape for n, p in layers.named_parameters()}, tn.top(scores, 1), cores=3)
    assert list(plan) == ["0.weight"]
    assert plan.skipped == {"1.weight": "no rule matches it"}


def test_half_precision_is_multiplied_in_float32():
    import jax.numpy as jnp

    w = jnp.full((1000,), 30.0, dtype="float16")
    assert tn.importance({"a": w}, {"a": w}) == {"a": 900_000.0}
