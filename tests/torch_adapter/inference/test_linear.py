"""FactorizedLinear is x Wᵀ + b, in every format, for any number of rows, with the right gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch_adapter.inference.layers import FORMATS, random

import tensornet as tn
import tensornet_torch as tnt
from tensornet_torch.inference._few import few
from tensornet_torch.inference._transposed import Transposed
from tensornet_torch.inference._ways import Ways

KRONECKER = tn.Kronecker((30, 3), (2, 16), terms=1)


def layer(fmt, **options):
    torch.manual_seed(0)
    return tnt.FactorizedLinear(fmt, dtype=torch.float64, **options)


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
@pytest.mark.parametrize("transposed", [False, True])
def test_it_is_the_dense_layer(fmt, transposed):
    made = layer(fmt, transposed=transposed)
    w = fmt.contract(list(made.factors))
    w = w.mT if transposed else w
    for lead in ((), (1,), (7,), (2, 3), (0,), (2, 0, 3)):
        x = torch.randn(*lead, w.shape[1], dtype=torch.float64)
        for grad in (True, False):
            with torch.set_grad_enabled(grad):
                assert torch.allclose(made(x), F.linear(x, w, made.bias))


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_every_way_round_gives_the_same(fmt):
    """Also those that are taken only for many rows."""
    factors, ways = random(fmt), Ways.of(fmt)
    w = fmt.contract(factors)
    x = torch.randn(3, w.shape[1], dtype=torch.float64)
    for _, carry in (*ways.forward, *ways.training):
        y = carry((*factors, F.pad(x, (0, ways.missing))))
        assert torch.allclose(y[:, : ways.out], x @ w.T)


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_gradients_are_those_of_the_contraction(fmt):
    made = layer(fmt)
    x = torch.randn(5, fmt.shape[1], dtype=torch.float64, requires_grad=True)
    inputs = [*made.factors, made.bias, x]
    ours = torch.autograd.grad(made(x).square().sum(), inputs)
    w = fmt.contract(list(made.factors))
    theirs = torch.autograd.grad(F.linear(x, w, made.bias).square().sum(), inputs)
    assert all(torch.allclose(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_way_is_the_one_that_the_cost_says():
    ways = Ways.of(KRONECKER)
    for rows in (1, 4, 64, 1024, 65536):
        for gradients in (True, False):
            assert (
                ways.choose(rows, gradients=gradients).name == KRONECKER.explain(rows, gradients=gradients).chosen.name
            )
    names = {carry.name for _, carry in Ways.of(tn.LowRank(60, 48)).forward}
    assert names == {"dense"} or "factored" in names
    assert {c.name for _, c in Ways.of(tn.Kronecker.for_shape((60, 48), rank=3)).forward} == {"factored", "dense"}


def test_nothing_is_kept_that_a_step_or_a_loaded_state_makes_stale():
    """Forward without gradients, change the factors in every way there is, and look again."""
    made, x = layer(KRONECKER), torch.randn(4, 48, dtype=torch.float64)

    def matches():
        with torch.no_grad():
            said = made(x)
        return torch.allclose(said, F.linear(x, KRONECKER.contract(list(made.factors)), made.bias))

    assert matches()
    before = made(x).detach()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    made(x).square().sum().backward()
    optimizer.step()
    assert matches()
    assert not torch.allclose(made(x), before)
    made.load_state_dict({n: torch.randn_like(t) for n, t in made.state_dict().items()})
    assert matches()
    made.factors[0].data.mul_(2)  # no version counter notices this
    assert matches()
    made.factors[1].data = torch.randn_like(made.factors[1])
    assert matches()
    with torch.inference_mode():
        made(x)
        made.factors[0].mul_(0.5)
    assert matches()


def test_fine_tuning_lowers_the_loss():
    made, target = layer(tn.LowRank(60, 48, 5)), torch.randn(32, 60, dtype=torch.float64)
    x, optimizer, losses = torch.randn(32, 48, dtype=torch.float64), torch.optim.Adam(made.parameters(), lr=1e-2), []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append((made(x) - target).square().mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]


def test_memory_is_kept_to_or_refused():
    fmt = tn.LowRank(60, 48)  # forming W is quicker, and takes more memory
    x = torch.randn(8, 48, dtype=torch.float64)
    least = min(
        fmt.explain(8, itemsize=8, gradients=False).needs(c)
        for c in fmt.explain(8, itemsize=8, gradients=False).candidates
    )
    free, limited, none = layer(fmt), layer(fmt, memory=least), layer(fmt, memory=100)
    for other in (limited, none):
        other.load_state_dict(free.state_dict())
    with torch.no_grad():
        assert torch.allclose(limited(x), free(x))
        with pytest.raises(tn.TensorNetError, match="nothing fits memory=100 bytes"):
            none(x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtype_is_kept(dtype):
    made = tnt.FactorizedLinear(KRONECKER, dtype=dtype)
    x = torch.randn(4, 48, dtype=dtype)
    assert made(x).dtype == dtype
    wide = F.linear(x.double(), made.contracted(torch.float64), made.bias.double())
    assert torch.allclose(made(x).double(), wide, atol=20 * torch.finfo(dtype).eps)


def test_autocast_is_that_of_a_linear_layer():
    made, x = tnt.FactorizedLinear(KRONECKER), torch.randn(4, 48)
    with torch.autocast("cpu", torch.bfloat16):
        y = made(x)
        assert y.dtype == nn.Linear(48, 60)(x).dtype == torch.bfloat16
        assert made.weight.dtype == torch.float32
    assert torch.allclose(y.float(), made(x), atol=5e-2)
    y.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in made.parameters())


def test_it_starts_as_a_linear_layer_does():
    made = tnt.FactorizedLinear(tn.LowRank(400, 300, 100))
    assert made.weight.std().item() == pytest.approx((3 * 300) ** -0.5, rel=0.1)
    assert made.bias.abs().max() <= 300**-0.5


def test_it_is_no_linear_layer_for_those_who_would_write_to_its_weight():
    made = layer(KRONECKER)
    assert not isinstance(made, nn.Linear)
    with pytest.raises(AttributeError):
        made.weight = torch.zeros(60, 48)


def test_compiled_in_one_graph_for_any_number_of_rows():
    made = layer(KRONECKER)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    for rows in (1, 3, 5, 600):
        x = torch.randn(rows, 48, dtype=torch.float64)
        assert torch.allclose(compiled(x), made(x))
        with torch.no_grad():
            assert torch.allclose(compiled(x), made(x))
    compiled(x).sum().backward()
    assert all(p.grad is not None for p in made.parameters())


def test_transposed_has_the_factors_of_the_other():
    fmt = tn.Padded.for_shape((59, 47), inner="mpo", cores=3)
    factors = random(fmt)
    turned = Transposed(fmt)
    assert turned.shape == (47, 59)
    assert torch.equal(turned.contract(factors), fmt.contract(factors).mT)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("fmt", FORMATS, ids=repr)
def test_one_row_on_two_threads(fmt, two_threads):
    """Products of few operations are made otherwise there."""
    made = layer(fmt)
    x = torch.randn(1, fmt.shape[1], dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(made(x), F.linear(x, fmt.contract(list(made.factors)), made.bias))


@pytest.mark.parametrize(
    ("n", "k", "m"), [(1, 9, 7), (2, 9, 7), (9, 7, 1), (9, 7, 2), (9, 2, 7), (9, 1, 7), (5, 6, 7), (2, 600, 600)]
)
def test_products_of_few_operations(n, k, m):
    left, right = torch.randn(n, k, dtype=torch.float64), torch.randn(m, k, dtype=torch.float64)
    assert torch.allclose(few(left, right), left @ right.T)
