"""Factorised layers under what looks at shapes and not at values: vmap, fake tensors, torch.export, torch.jit.trace."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.export import Dim

import tensornet as tn
import tensornet_torch as tnt
from tensornet_torch.inference._ways import Ways

# array_api_compat looks classes up through an lru_cache, which Dynamo traces through and warns of: harmless there.
pytestmark = pytest.mark.filterwarnings("ignore:.*Dynamo detected a call to a `functools.lru_cache`:UserWarning")

SMALL_AND_LARGE = tn.Kronecker.for_shape((60, 48), rank=3)  # through the factors for few rows, through W for more


def linear(fmt=SMALL_AND_LARGE, **options):
    torch.manual_seed(0)
    return tnt.FactorizedLinear(fmt, dtype=torch.float64, **options)


def table(**options):
    return tnt.FactorizedEmbedding(tn.Padded(tn.LowRank(32, 16, 4), (30, 16)), **options)


def test_rows_under_vmap():
    ids = torch.randint(30, (4, 5))
    for made in (table(), table(padding_idx=2)):
        assert torch.equal(torch.vmap(made)(ids), made(ids))
    layer, x = linear(), torch.randn(4, 1, 48, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(torch.vmap(layer)(x), layer(x))


def test_rows_of_fake_ids():
    made = table()
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert made(torch.zeros(2, 3, dtype=torch.long)).shape == (2, 3, 16)


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_an_exported_program_takes_any_number_of_rows(strict, gradients):
    layer = linear()
    assert len(Ways.of(layer.format).forward) > 1
    with torch.set_grad_enabled(gradients):
        program = torch.export.export(
            layer, (torch.randn(4, 48, dtype=torch.float64),), dynamic_shapes={"x": {0: Dim("rows")}}, strict=strict
        ).module()
        for rows in (2, 5, 300):
            x = torch.randn(rows, 48, dtype=torch.float64)
            assert torch.allclose(program(x), layer(x))


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings(
    "ignore:Converting a tensor to a Python boolean:torch.jit.TracerWarning"
)  # it need not hold
@pytest.mark.parametrize("threads", [1, 2])
def test_a_trace_of_one_row_takes_any_number(threads):
    layer = linear(tn.Kronecker((2, 16), (30, 3), terms=1))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            traced = torch.jit.trace(layer, torch.randn(1, 48, dtype=torch.float64))
            for rows in (1, 5, 300):
                x = torch.randn(rows, 48, dtype=torch.float64)
                assert torch.allclose(traced(x), layer(x))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: (linear(tn.MPO((5, 1, 2), (2, 3, 1), bonds=(3, 2))), torch.randn(3, 6, dtype=torch.float64)),
        lambda: (tnt.FactorizedConv2d(tn.ConvMPO.for_shape((6, 4, 3, 3), rank=2)), torch.randn(1, 4, 5, 5)),
        lambda: (tnt.FactorizedEmbedding(tn.MPO((5, 1, 2), (2, 3, 1), bonds=(3, 2))), torch.tensor([1, 2])),
    ],
    ids=["linear", "convolution", "embedding"],
)
def test_a_layer_that_was_never_called_compiles(layer):
    made, x = layer()
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(made, fullgraph=True, backend="eager")
    for _ in range(2):
        assert torch.allclose(compiled(x), made(x))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_a_memory_limit_compiles_for_each_number_of_rows():
    layer = linear(memory=10**6)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    for rows in (2, 40):
        x = torch.randn(rows, 48, dtype=torch.float64)
        assert torch.allclose(compiled(x), layer(x))
