"""Cost: promised before an array is seen, and kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import formats, networks

import tensornet as tn
from tensornet._contract import contract
from tensornet.cost import cost
from tensornet.testing._cost import check_cost
from tensornet.testing._counting import Tally

WIDE = tn.MPO((4, 4, 3), (4, 3, 4), (5, 6))
FULL = tn.MPO((4, 1, 1, 3), (3, 1, 1, 4))


def drawn(fmt, *lead, batch=None, seed=0):
    """Random factors, and x if there is a batch."""
    rng = np.random.default_rng(seed)
    x = () if batch is None else (rng.normal(size=(*lead, batch, fmt.matrix_shape[1])),)
    return [rng.normal(size=(*lead, *s)) for s in fmt.shapes], *x


@settings(max_examples=200)
@given(networks(), st.integers(0, 5), st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_cost_is_what_a_run_counts(network, batch, lead):
    check_cost(tn.Path.of_product(network, batch) if batch else tn.Path.of_matrix(network), lead)


def test_cost_of_a_pair_by_hand():
    """y = x V.T U.T: 2·5·4·3 + 2·5·3·6 operations; bytes of each product's three matrices; one intermediate is kept."""
    found = tn.LowRank(6, 4, 3).explain(5, itemsize=8)
    way = next(c for c in found.candidates if c.name == "factored")
    products = (5 * 4 + 4 * 3 + 5 * 3) + (5 * 3 + 3 * 6 + 5 * 6)
    assert way.cost.flops == 2 * 5 * 4 * 3 + 2 * 5 * 3 * 6
    assert way.cost.backward_flops == 2 * way.cost.flops
    assert way.cost.moved == 8 * products
    assert way.cost.backward_moved == 2 * 8 * products
    assert way.cost.kept == 8 * 5 * 3
    operands = 6 * 3 + 3 * 4 + 5 * 4
    # with the gradient of y first those of U and of the intermediate, then of V and of x
    assert way.cost.peak == 8 * (operands + 5 * 3 + 2 * 5 * 6 + 6 * 3 + 3 * 4 + 5 * 4 + 5 * 3)
    assert tn.LowRank(6, 4, 3).cost() == cost(tn.LowRank(6, 4, 3).path)


@settings(max_examples=50)
@given(formats(), st.integers(1, 9))
def test_limit_is_kept(fmt, batch):
    """Whatever limit is taken, the way chosen for it runs within it; the least limit is the one that the error names."""
    for fits in {c.cost.peak for c in fmt.explain(batch, itemsize=1, gradients=False).candidates}:
        chosen = fmt.explain(batch, itemsize=1, gradients=False, memory=fits).chosen
        tally = Tally()
        operands = tally.arrays(chosen.path.full_shapes)
        contract(chosen.path, operands)
        assert tally.peak == chosen.cost.peak <= fits
    least = min(c.cost.peak for c in fmt.explain(batch, itemsize=1, gradients=False).candidates)
    with pytest.raises(tn.TensorNetError, match=f"needed {least} for the least"):
        fmt.explain(batch, itemsize=1, gradients=False, memory=least - 1).chosen  # noqa: B018


def kept_by_torch(path, operands):
    """Bytes that autograd saves in a contraction, beside the operands themselves."""
    storages = {}

    def save(tensor):
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(save, lambda t: t):
        y = contract(path, operands)  # alive until the storages are counted
    for operand in operands:
        storages.pop(operand.untyped_storage().data_ptr(), None)
    y.sum().backward()
    return sum(storages.values())


@settings(max_examples=60)
@given(networks(), st.integers(0, 5), st.sampled_from([(), (3,), (2, 2)]))
def test_what_autograd_keeps_is_what_was_promised(network, batch, lead):
    path = tn.Path.of_product(network, batch) if batch else tn.Path.of_matrix(network)
    operands = [torch.ones((*lead, *s), dtype=torch.float64, requires_grad=True) for s in path.full_shapes]
    volume = int(np.prod(lead))
    assert kept_by_torch(path, operands) == cost(path, itemsize=8, lead=volume).kept


@pytest.mark.parametrize("fmt", [WIDE, FULL, tn.LowRank(48, 48, 7)], ids=str)
def test_the_limit_is_kept_with_gradients_on(fmt):
    """What autograd holds after the forward pass, x, factors and y included, is within every limit that is taken."""
    factors, x = drawn(fmt, batch=64)
    for limit in sorted(c.cost.peak for c in fmt.explain(64, itemsize=8).candidates):
        path = fmt.explain(64, itemsize=8, memory=limit).chosen.path
        operands = [torch.tensor(a, requires_grad=True) for a in factors]
        operands.append(torch.tensor(x.reshape(path.full_shapes[-1]), requires_grad=True))
        held = kept_by_torch(path, operands) + sum(8 * a.numel() for a in operands) + 8 * 64 * fmt.shape[0]
        assert held <= limit


def test_gradients_shrink_what_fits():
    """A limit may fit a call and not the training step, in which intermediates and gradients are held."""
    limit = FULL.explain(40, gradients=False).chosen.cost.peak
    factors, x = drawn(FULL, batch=40)
    factors, x = [f.astype(np.float32) for f in factors], x.astype(np.float32)
    assert FULL.apply(factors, x, memory=limit, gradients=False).shape == (40, 12)
    with pytest.raises(tn.TensorNetError, match="with what gradients keep"):
        FULL.apply(factors, x, memory=limit)


def test_a_choice_is_remembered_and_follows_its_options(monkeypatch):
    fmt = tn.MPO((4, 4), (4, 4), (3,))
    (factors, x), searched = drawn(fmt, batch=6), []
    choose = tn.cost._apply.choose
    monkeypatch.setattr("tensornet.cost._apply.choose", lambda *a, **k: searched.append(k) or choose(*a, **k))
    for _ in range(3):
        fmt.apply(factors, x)
    assert len(searched) == 1
    fmt.apply(factors, x[:2])
    fmt.apply(factors, x, memory=10**6)
    fmt.apply(factors, x, gradients=False)
    fmt.apply([f.astype(np.float32) for f in factors], x.astype(np.float32))
    assert len(searched) == 5
    assert [k["itemsize"] for k in searched] == [8, 8, 8, 8, 4]


def test_few_rows_go_through_the_factors_and_many_through_w():
    pair = tn.LowRank(512, 512, 300)
    assert pair.explain(8).chosen.name == "factored"
    assert pair.explain(100_000).chosen.name == "dense"


def test_a_constant_factor_is_paid_once():
    """At full bonds and few rows W is not worth forming, unless it is formed once for many calls."""
    pair = tn.LowRank(512, 512)
    assert pair.explain(8).chosen.name == "factored"
    often = pair.explain(8, constant=(0, 1), calls=10_000).chosen
    assert often.name == "dense"
    assert often.once.flops == pair.path.flops
    assert often.cost.flops == 2 * 8 * 512 * 512
    assert often.cost.backward_flops == often.cost.flops  # to x alone
    assert pair.explain(8, constant=(0,), calls=10_000).chosen.once.flops == 0  # one factor alone: nothing to contract


def test_preparing_keeps_to_the_limit_too():
    """While W is made, both factors and W are there: more than a call needs."""
    pair = tn.LowRank(16, 16, 16)
    often = pair.explain(1, constant=(0, 1), calls=10**6, gradients=False).candidates[0]
    assert often.name == "dense"
    assert often.once.peak == 4 * 3 * 16 * 16
    assert often.cost.peak == 4 * (16 * 16 + 2 * 16)
    kept = pair.explain(1, constant=(0, 1), calls=10**6, gradients=False, memory=often.once.peak - 1)
    assert kept.chosen.name == "factored"


@settings(max_examples=40)
@given(formats(), st.integers(1, 9))
def test_only_dense_forms_w(fmt, batch):
    n, candidates = len(fmt.shapes), fmt.explain(batch).candidates
    assert n == 1 or {c.name for c in candidates} > {"dense"}
    for candidate in candidates:
        parts = [{k} for k in range(n + 1)]
        for step in candidate.path.steps:
            parts.append(parts[step.left] | parts[step.right])
        assert (set(range(n)) in parts) is (candidate.name == "dense" or n == 1)


def test_neighbouring_constants_are_contracted_first():
    """The bond of 64 between the last two factors is wide: their product is no larger than they are."""
    fmt = tn.MPO((8, 8, 8), (8, 8, 8), (8, 64))
    chosen = fmt.explain(2, constant=(1, 2), calls=10_000, gradients=False).chosen
    assert chosen.once.flops == 2 * (8 * 64) * 64 * 64
    assert fmt.explain(2, constant=(0, 2), calls=10_000, gradients=False).chosen.once.flops == 0  # they do not touch


def test_prepared_parts_get_no_gradient():
    factors, x = drawn(WIDE, batch=5)
    factors, x = [torch.tensor(f, requires_grad=True) for f in factors], torch.tensor(x)
    applied = WIDE.prepare(factors, batch=5, calls=3, constant=(1, 2), gradients=True)
    for _ in range(2):  # a second backward pass would fail through parts that are shared
        applied(x, factors[0]).square().sum().backward()
    assert factors[1].grad is None
    whole = [f.detach().requires_grad_(k == 0) for k, f in enumerate(factors)]
    WIDE.apply(whole, x).square().sum().backward()
    torch.testing.assert_close(factors[0].grad, 2 * whole[0].grad)


def test_gradients_through_a_stack():
    """torch and JAX pull the same gradients back through a batched apply, those of x @ Wᵀ for each member."""
    factors, x = drawn(WIDE, 2, batch=5)
    parts = [torch.tensor(f, requires_grad=True) for f in factors]
    torch.sin(WIDE.apply(parts, torch.tensor(x))).sum().backward()
    loss = jax.jit(lambda f: jnp.sin(WIDE.apply(f, jnp.asarray(x))).sum())
    theirs = jax.grad(loss)([jnp.asarray(f) for f in factors])
    w = WIDE.contract(factors)
    pulled = np.swapaxes(np.cos(x @ np.swapaxes(w, -1, -2)), -1, -2) @ x
    for mine, jaxs, direct in zip(parts, theirs, WIDE.pullback(factors, pulled), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), jaxs, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(mine.grad.numpy(), direct, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")  # harmless there
def test_a_stack_compiles_to_one_graph():
    factors, x = (
        [torch.tensor(a) for a in part] if isinstance(part, list) else torch.tensor(part)
        for part in drawn(WIDE, 2, batch=5)
    )
    want = WIDE.apply(factors, x)
    torch.compiler.reset()
    got = torch.compile(WIDE.apply, fullgraph=True, backend="aot_eager")(factors, x)
    torch.testing.assert_close(got, want)


def test_the_table_says_why():
    text = str(tn.LowRank(64, 64, 4).explain(8, memory=20_000))
    assert text.splitlines()[0] == "LowRank.apply at a batch of 8, with gradients"
    assert "does not fit" in text
    assert text.splitlines()[-1] == "taken: factored, the only one that fits 0.02 MB"
    assert "taken: none" in str(tn.LowRank(64, 64, 4).explain(8, memory=1))
    assert "factors 0, 1 constant over 5 calls" in str(FULL.explain(8, constant=(0, 1), calls=5))


def test_a_measured_machine_has_rates():
    machine = tn.Machine.measured(np, seconds=0.005)
    assert min(machine.flops, machine.bytes, machine.copies) > 1e6
    assert 0 < machine.overhead < 1
    assert FULL.explain(8, machine=machine).chosen.seconds > 0
